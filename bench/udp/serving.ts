import type { Mode } from './orders.ts';
import type { Channel } from './peer.ts';
import { clock, type Latencies, Messages } from './tally.ts';

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
  else clockChannel(channel, counts);
}

function countChannel(channel: Channel, counts: Counts): void {
  channel.onData = (bytes) => {
    counts.bytes += bytes.length;
  };
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
