import { connect } from 'node:net';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createServer } from './index.ts';

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
const TYPE = { data: 0, headers: 1, reset: 3, settings: 4, ping: 6, goaway: 7, windowUpdate: 8 } as const;

function frame(type: number, flags: number, stream: number, payload: Uint8Array): Uint8Array {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** Fields as literals that are not kept (RFC 7541 6.2.2). */
function block(fields: readonly (readonly [string, string])[]): Uint8Array {
  const texts = fields.flatMap(([name, value]) => [
    Buffer.from([0, name.length]),
    Buffer.from(name),
    Buffer.from([value.length]),
    Buffer.from(value),
  ]);
  return Buffer.concat(texts);
}

const common = [
  [':scheme', 'http'],
  [':path', '/'],
  [':authority', '127.0.0.1'],
] as const;
const blocks = [
  block([[':method', 'GET'], ...common]),
  block([[':method', 'POST'], ...common]),
  block([[':method', 'CONNECT'], [':protocol', 'websocket'], ...common, ['sec-websocket-version', '13']]),
  block([[':method', 'CONNECT'], [':protocol', 'websocket'], ...common, ['sec-websocket-version', '7']]),
];

const streamId = fc.integer({ min: 0, max: 9 });
const flags = fc.constantFrom(0, 1, 4, 5, 8, 0x20, 0xff);
const bytes = fc.uint8Array({ maxLength: 40 });
const number = fc.nat().map((value) => {
  const four = Buffer.alloc(4);
  four.writeUInt32BE(value);
  return new Uint8Array(four);
});

/** Frames that are in order one by one, in any order, and some that are not. */
const frames = fc.array(
  fc.oneof(
    fc
      .tuple(fc.constantFrom(...blocks), streamId, fc.constantFrom(4, 5))
      .map(([b, id, flag]) => frame(TYPE.headers, flag, id, b)),
    fc.tuple(streamId, flags, bytes).map(([id, flag, payload]) => frame(TYPE.data, flag, id, payload)),
    fc.tuple(streamId, number).map(([id, code]) => frame(TYPE.reset, 0, id, code)),
    fc.tuple(streamId, number).map(([id, by]) => frame(TYPE.windowUpdate, 0, id, by)),
    bytes.map((payload) => frame(TYPE.settings, 0, 0, payload.subarray(0, payload.length - (payload.length % 6)))),
    fc.uint8Array({ minLength: 8, maxLength: 8 }).map((payload) => frame(TYPE.ping, 0, 0, payload)),
    fc.tuple(number, number).map(([last, code]) => frame(TYPE.goaway, 0, 0, Buffer.concat([last, code]))),
    fc.tuple(fc.nat(12), flags, streamId, bytes).map(([type, flag, id, payload]) => frame(type, flag, id, payload)),
  ),
  { minLength: 1, maxLength: 25 },
);

test('whatever frames come in whatever order, cut anywhere, the server goes on serving others', async () => {
  const failures: unknown[] = [];
  await using server = createServer({
    onRequest: (request, response) => void request.pipe(response),
    onError: (error) => failures.push(error),
    times: { loginWait: 300, writeWait: 300, closeWait: 200 },
  });
  const [url = ''] = await server.listen({ url: 'http://127.0.0.1:0', http2: { idle: 300, requestWait: 300 } });
  const port = Number(new URL(url).port);
  await fc.assert(
    fc.asyncProperty(frames, fc.nat(60), fc.boolean(), fc.boolean(), async (all, cut, leaves, ends) => {
      const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true }).on('error', () => undefined);
      socket.resume();
      const text = Buffer.concat([PREFACE, frame(TYPE.settings, 0, 0, new Uint8Array(0)), ...all]);
      socket.write(text.subarray(0, cut));
      await new Promise(setImmediate);
      socket.write(text.subarray(cut));
      await new Promise(setImmediate);
      if (leaves) socket.destroy();
      else if (ends) socket.end();
    }),
    { numRuns: 300 },
  );
  const answer = await fetch(`${url}/`, { method: 'POST', body: 'still here' });
  expect(await answer.text()).toBe('still here');
  expect(failures).toEqual([]);
  // Whatever they have left open, and however they have left it.
  while (server.stats.connections > 0) await new Promise((resolve) => setTimeout(resolve, 50));
  expect(server.stats.sockets).toBe(0);
});
