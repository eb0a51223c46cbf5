import { HawserError } from '../core/index.ts';
import type { ChannelFailure } from '../wire/index.ts';
import type { BytePort } from './channel-core.ts';

/** Bytes of the peer as a web stream (WHATWG Streams), pulled one chunk at a time. */
export function readableOf(port: BytePort): ReadableStream<Uint8Array> {
  const { inbox } = port;
  let pulled: (() => void) | undefined;
  const feed = (controller: ReadableStreamDefaultController<Uint8Array>): boolean => {
    const bytes = inbox.take();
    if (bytes) controller.enqueue(bytes);
    else if (inbox.error) controller.error(inbox.error);
    else if (inbox.ended) controller.close();
    else return false;
    return true;
  };
  return new ReadableStream<Uint8Array>(
    {
      pull: (controller) =>
        new Promise((resolve) => {
          pulled = () => {
            if (!feed(controller)) return;
            pulled = undefined;
            inbox.onChange = undefined;
            resolve();
          };
          inbox.onChange = pulled;
          pulled();
        }),
      cancel: (reason) => {
        if (reason === undefined) inbox.shut();
        else port.reset(failureOf(reason));
      },
    },
    { highWaterMark: 0 },
  );
}

/** Bytes to the peer as a web stream. */
export function writableOf(port: BytePort): WritableStream<Uint8Array> {
  return new WritableStream<Uint8Array>({
    write: (bytes) =>
      new Promise((resolve, reject) => {
        port.write(bytes, (error) => (error ? reject(error) : resolve()));
      }),
    close: () => port.end(),
    abort: (reason) => port.reset(failureOf(reason)),
  });
}

/** What the peer hears of a reason that an application gave: a HawserError's own words, of any other nothing. */
export function failureOf(reason: unknown): ChannelFailure {
  if (reason instanceof HawserError) return reason;
  return new HawserError('ERR_CHANNEL_RESET');
}
