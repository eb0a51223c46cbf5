import type { Mode } from './orders.ts';
import type { Channel } from './peer.ts';
import { pour } from './pouring.ts';
import { clock, type Latencies, Messages, pattern } from './tally.ts';

/** What came in, for the next mark. */
export interface Counts {
  bytes: number;
  messages: number;
  readonly latencies: Latencies;
}

/** What the server does with a stream. */
export function serveChannel(channel: Channel, mode: Mode, counts: Counts): void {
  if (mode === 'echo') channel.onData = (bytes) => void channel.send(Uint8Array.from(bytes));
  else if (mode === 'count') countChannel(channel, counts);
  else if (mode === 'gaps') gapChannel(channel, counts);
  else if (mode === 'pour') pourChannel(channel, counts);
  else clockChannel(channel, counts);
}

function countChannel(channel: Channel, counts: Counts): void {
  channel.onData = (bytes) => {
    counts.bytes += bytes.length;
  };
}

/** Chunks of 64 KiB that are all the same: each byte is looked at, and how long after the one before it came. */
function gapChannel(channel: Channel, counts: Counts): void {
  const expected = pattern(65_536);
  let last = clock();
  channel.onData = (bytes) => {
    const now = clock();
    counts.latencies.add(now - last);
    last = now;
    for (let at = 0; at < bytes.length; ) {
      const from = counts.bytes % expected.length;
      const size = Math.min(expected.length - from, bytes.length - at);
      const same = Buffer.compare(expected.subarray(from, from + size), bytes.subarray(at, at + size)) === 0;
      if (!same) throw new Error(`what came differs after ${counts.bytes} bytes`);
      counts.bytes += size;
      at += size;
    }
  };
}

/** Whoever asks gets chunks of 64 KiB. */
function pourChannel(channel: Channel, counts: Counts): void {
  channel.onData = () => void pour(channel, 65_536, counts);
}

/** Messages of 64 bytes that begin with the time at which they were sent. */
function clockChannel(channel: Channel, counts: Counts): void {
  const messages = new Messages(64, (message) => {
    const sent = new DataView(message.buffer, message.byteOffset).getFloat64(0);
    counts.latencies.add(clock() - sent);
    counts.messages++;
    counts.bytes += message.length;
  });
  channel.onData = (bytes) => messages.push(bytes);
}
