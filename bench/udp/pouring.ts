import type { Channel } from './peer.ts';
import type { Counts } from './serving.ts';
import { pattern } from './tally.ts';

/** What is written before the event loop gets its turn: some protocols always have room. */
const TURN_BYTES = 4 * 1024 * 1024;
const TURN_WRITES = 1024;

/** Sends chunks for as long as there is room. Returns what ends it. */
export function pour(channel: Channel, size: number, counts: Counts): () => Promise<void> {
  const chunk = pattern(size);
  const most = Math.min(TURN_WRITES, Math.ceil(TURN_BYTES / size));
  const load = { going: true };
  let left = most;
  let yielding = false;
  let room = true;
  const pump = (): void => {
    for (; load.going && room && left > 0; left--) {
      room = channel.send(chunk);
      counts.messages++;
    }
    if (left > 0 || yielding) return;
    yielding = true;
    setImmediate(() => {
      left = most;
      yielding = false;
      pump();
    });
  };
  channel.onDrain = () => {
    room = true;
    pump();
  };
  pump();
  return async () => {
    load.going = false;
  };
}
