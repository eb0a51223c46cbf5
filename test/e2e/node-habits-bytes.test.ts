/** Bytes flow through `pipeline`, whatever carries them. docs/guides/node-habits.md says it. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type Duplex, PassThrough, Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { connect } from '../../src/client/index.ts';
import { type Channel, createServer, duplexOf } from '../../src/index.ts';
import type { ServerSocket } from '../../src/server/index.ts';
import { duplexOf as udpackDuplexOf } from '../../src/udpack-endpoint/index.ts';
import { Authority, type Pair } from '../support/certificates.ts';
import { codeOf, Doors } from '../support/doors.ts';
import { freshUrl, type Scheme } from '../support/house.ts';

const doors = new Doors();
afterEach(() => doors.close());

let authority: Authority;
let pair: Pair;
beforeAll(() => {
  authority = new Authority();
  pair = authority.issue('localhost', 'DNS:localhost,IP:127.0.0.1');
});
afterAll(() => authority[Symbol.dispose]());

describe('pipeline', () => {
  const BYTES = randomBytes(1_500_000);
  const source = (): Readable =>
    Readable.from(Array.from({ length: 15 }, (_, i) => BYTES.subarray(i * 1e5, (i + 1) * 1e5)));

  const overChannel = (scheme: Scheme) => async (): Promise<[Duplex, Duplex]> => {
    const { near, far } = await doors.channel(scheme);
    return [duplexOf(near), duplexOf(far)];
  };
  const overRaw = (scheme: Scheme) => async (): Promise<[Duplex, Duplex]> => {
    const server = doors.keep(createServer());
    const met = new Promise<ServerSocket>((resolve) => server.on('connection', resolve));
    const [url = ''] = await server.listen({ url: `${freshUrl(scheme)}?dialect=raw`, halfOpen: true });
    const client = doors.keep(await connect(`${url.split('?')[0]}?dialect=raw`));
    return [duplexOf(client), duplexOf(await met)];
  };

  /** A channel over an endpoint that shows a certificate. */
  const overCertified = (scheme: 'https' | 'quic' | 'tls') => async (): Promise<[Duplex, Duplex]> => {
    const server = doors.keep(createServer());
    const opened = new Promise<Channel>((resolve) =>
      server.on('connection', (socket) => socket.on('channel', (channel) => resolve(channel))),
    );
    const [url = ''] = await server.listen(`${scheme}://127.0.0.1:0?cert=${pair.certFile}&key=${pair.keyFile}`);
    const client = doors.keep(await connect({ url: url.split('?')[0] ?? '', tls: { ca: authority.ca } }));
    return [duplexOf(client.openChannel('bytes')), duplexOf(await opened)];
  };

  /** The two ends of what carries bytes. */
  const FLOWS: [string, () => Promise<[Duplex, Duplex]>][] = [
    ...(['tcp', 'ws', 'ipc', 'worker', 'inproc', 'udpack'] as const).map(
      (scheme): [string, () => Promise<[Duplex, Duplex]>] => [`a channel over ${scheme}`, overChannel(scheme)],
    ),
    ...(['tls', 'https', 'quic'] as const).map((scheme): [string, () => Promise<[Duplex, Duplex]>] => [
      `a channel over ${scheme}`,
      overCertified(scheme),
    ]),
    ...(['tcp', 'ipc', 'ws'] as const).map((scheme): [string, () => Promise<[Duplex, Duplex]>] => [
      `a raw socket over ${scheme}`,
      overRaw(scheme),
    ]),
    [
      'a stream of UDPack',
      async () => {
        const { near, far } = await doors.stream();
        return [udpackDuplexOf(near), udpackDuplexOf(far)];
      },
    ],
  ];

  test.each(FLOWS)('carries bytes through %s, whole and to the end', async (_, begin) => {
    const [near, far] = await begin();
    const heard: Buffer[] = [];
    const sink = new PassThrough().on('data', (chunk: Buffer) => heard.push(chunk));
    await Promise.all([pipeline(source(), near), pipeline(far, sink)]);
    far.end();
    // The stream of UDPack was opened by a byte of its own.
    expect(Buffer.concat(heard).subarray(-BYTES.length).equals(BYTES)).toBe(true);
  });

  test.each(FLOWS)('breaks off by a signal, and the other end of %s hears of it', async (name, begin) => {
    const [near, far] = await begin();
    const stop = new AbortController();
    const idle = new PassThrough();
    const piped = pipeline(idle, near, { signal: stop.signal });
    const sink = new PassThrough();
    const heard = codeOf(pipeline(far, sink));
    idle.write('begin');
    await once(sink, 'readable');
    stop.abort();
    expect(await codeOf(piped)).toBe('ABORT_ERR');
    // A plain peer hears of an end: raw bytes have no word for another one.
    if (name.startsWith('a raw')) expect(sink.read()).toEqual(Buffer.from('begin'));
    else expect(await heard).toMatch(/^ERR_/);
  });
});
