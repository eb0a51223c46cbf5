import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { CloseReason } from '../../../core/index.ts';
import { Outbound } from '../../../core/index.ts';
import { ClientFraming } from './client-framing.ts';
import { closeText, eventsIn, readCloseText, wholeEvents } from './event-text.ts';
import { ServerFraming } from './server-framing.ts';
import { Shelf } from './shelf.ts';

const base64 = { decode: (text: Uint8Array): Uint8Array => Buffer.from(Buffer.from(text).toString(), 'base64') };
const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

class Sink {
  readonly heard: (string | number[])[] = [];
  reason: CloseReason | undefined;
  replies = 0;

  onMessage(bytes: Uint8Array, text: boolean): void {
    this.heard.push(text ? new TextDecoder().decode(bytes) : [...bytes]);
  }

  onReply(): void {
    this.replies += 1;
  }

  onPong(): void {}

  onClose(reason: CloseReason): void {
    this.reason = reason;
  }
}

const message = fc.oneof(
  fc.string({ unit: 'grapheme' }),
  fc.constantFrom('', 'a\nb', 'a\r\nb', ' data: x'),
  fc.uint8Array(),
);

describe('events', () => {
  test('carry whatever is sent, cut at whatever byte', () => {
    fc.assert(
      fc.property(fc.array(message), fc.infiniteStream(fc.integer({ min: 1, max: 30 })), (messages, cuts) => {
        const server = new ServerFraming(1000, new Shelf(1000));
        const stream = Buffer.concat(
          messages.map((one) =>
            server.encode(new Outbound(typeof one === 'string' ? bytesOf(one) : one, typeof one === 'string')),
          ),
        );
        const client = new ClientFraming(1000, base64);
        const sink = new Sink();
        let part: Uint8Array = new Uint8Array(0);
        for (let at = 0; at < stream.length; ) {
          const length = cuts.next().value as number;
          part = Buffer.concat([part, stream.subarray(at, at + length)]);
          at += length;
          const end = wholeEvents(part);
          client.receive(part.subarray(0, end), sink);
          part = part.subarray(end);
        }
        expect(sink.heard).toEqual(messages.map((one) => (typeof one === 'string' ? one : [...one])));
        expect([client.heard, part.length, sink.reason]).toEqual([messages.length, 0, undefined]);
      }),
    );
  });

  test('that were heard before are passed over, and a missing one ends the link', () => {
    const client = new ClientFraming(1000, base64);
    const sink = new Sink();
    client.receive(bytesOf('id: 1\ndata: a\n\nid: 2\ndata: b\n\n'), sink);
    client.receive(bytesOf('event: ready\ndata:\n\n:\n\nid: 1\ndata: a\n\nid: 2\ndata: b\n\nid: 3\ndata: c\n\n'), sink);
    expect([sink.heard, sink.reason]).toEqual([['a', 'b', 'c'], undefined]);
    client.receive(bytesOf('id: 5\ndata: e\n\n'), sink);
    expect([sink.reason?.code, sink.replies]).toEqual([4506, 1]);
  });

  test.each([
    ['id: 1\nevent: surprise\ndata: x\n\n', 4506],
    ['id: 1\nevent: close\ndata: x\n\n', 4506],
    [`id: 1\ndata: ${'x'.repeat(1001)}\n\n`, 4503],
    [`id: 1\nevent: binary\ndata: ${'A'.repeat(1340)}\n\n`, 4503],
  ])('%j ends the link with %i', (text, code) => {
    const sink = new Sink();
    new ClientFraming(1000, base64).receive(bytesOf(text), sink);
    expect([sink.reason?.code, sink.heard]).toEqual([code, []]);
  });

  test('of whatever bytes make nothing throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.string(), (bytes, text) => {
        expect(Array.isArray(eventsIn(bytes))).toBe(true);
        new ClientFraming(1000, base64).receive(bytesOf(`id: 1\n${text}\n\n`), new Sink());
        expect(wholeEvents(bytes)).toBeLessThanOrEqual(bytes.length);
      }),
    );
  });

  test('close with a code and a reason', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1000, max: 4999 }), fc.string({ unit: 'grapheme' }), (code, reason) => {
        expect(readCloseText(closeText({ code, reason }))).toEqual({ code, reason });
      }),
    );
    for (const text of ['', '999', '1000 a b', '1000 %zz', 'x']) expect(readCloseText(text)).toBe(undefined);
  });
});
