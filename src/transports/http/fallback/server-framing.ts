import type { CloseReason, Outbound } from '../../../core/index.ts';
import { type Framing, type FramingSink, LengthFraming } from '../../../transport/index.ts';
import { closeText } from './event-text.ts';
import type { Shelf } from './shelf.ts';

const LF = 10;
const CR = 13;

/** The server's side: messages down are numbered events, what comes up is the frames of a byte stream. */
export class ServerFraming implements Framing {
  readonly answersGoodbye: boolean = true;
  readonly #frames: LengthFraming;
  readonly #shelf: Shelf;
  #saidGoodbye = false;

  constructor(messageBytes: number, shelf: Shelf) {
    this.#frames = new LengthFraming(messageBytes);
    this.#shelf = shelf;
  }

  encode({ bytes, text }: Outbound): Uint8Array {
    const message = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    if (!text) return this.#event('binary', message.toString('base64'));
    // A line of an event can't hold the end of a line.
    if (message.includes(LF) || message.includes(CR)) return this.#event('text', message.toString('base64'));
    return this.#event('', message);
  }

  goodbye(reason: CloseReason): Uint8Array {
    this.#saidGoodbye = true;
    return this.#event('close', closeText(reason));
  }

  /** A goodbye is answered with its own code, and frames that break the rules with what is wrong. */
  receive(chunk: Uint8Array, sink: FramingSink): void {
    this.#frames.receive(chunk, {
      onMessage: (bytes, text) => sink.onMessage(bytes, text),
      onReply: () => undefined,
      onPong: () => undefined,
      onClose: (reason) => {
        if (!this.#saidGoodbye) sink.onReply(this.goodbye(reason));
        sink.onClose(reason);
      },
    });
  }

  #event(kind: string, data: Uint8Array | string): Uint8Array {
    const head = `id: ${this.#shelf.next}\n${kind === '' ? '' : `event: ${kind}\n`}data: `;
    const body = typeof data === 'string' ? Buffer.from(data, 'latin1') : data;
    const event = Buffer.allocUnsafe(head.length + body.length + 2);
    event.write(head, 0, 'latin1');
    event.set(body, head.length);
    event.write('\n\n', head.length + body.length, 'latin1');
    this.#shelf.announce(event.length);
    return event;
  }
}
