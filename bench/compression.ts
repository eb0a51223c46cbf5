/**
 * What compressing one message takes: Hawser's way, a synchronous call of zlib per message, with and without context, beside a stream of
 * zlib that is fed asynchronously. Median of several rounds, in microseconds; sizes in bytes.
 *
 *   npm run bench:compression -- [--out bench/results/compression.json]
 */
import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { constants, createDeflateRaw } from 'node:zlib';
import { resolveCompression, ZlibCompression } from '../src/transports/websocket/compression.ts';

const ROUNDS = 7;

function json(size: number): Uint8Array {
  let text = '';
  for (let id = 0; text.length < size; id++) {
    text += JSON.stringify({
      event: 'say',
      id,
      user: `user${(id * 7919) % 1000}`,
      text: `hello there ${(id * 104_729) % 100_000}`,
    });
  }
  return Buffer.from(text.slice(0, size));
}

function pair(level: number, contexts: boolean, bits: number): [ZlibCompression, ZlibCompression] {
  const settings = resolveCompression({ level });
  if (settings === undefined) throw new Error('no settings');
  const agreement = {
    serverNoContextTakeover: !contexts,
    clientNoContextTakeover: !contexts,
    serverMaxWindowBits: bits,
    clientMaxWindowBits: bits,
  };
  return [new ZlibCompression(settings, agreement, 'server'), new ZlibCompression(settings, agreement, 'client')];
}

async function median(times: number, run: () => unknown): Promise<number> {
  const rounds: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const begun = performance.now();
    for (let i = 0; i < times; i++) await run();
    rounds.push(((performance.now() - begun) / times) * 1000);
  }
  return Number((rounds.toSorted((a, b) => a - b)[ROUNDS >> 1] ?? 0).toFixed(1));
}

async function row(size: number, level: number, contexts: boolean, bits: number): Promise<object> {
  const message = json(size);
  const times = Math.max(20, Math.min(1000, Math.round(2e6 / size)));
  const [server, client] = pair(level, contexts, bits);
  // Both windows are full first.
  const fill = json(1 << 15);
  client.inflate(server.deflate(fill) ?? fill, 1 << 20);
  const packed = server.deflate(message) ?? message;
  client.inflate(packed, 1 << 20);
  const deflate = await median(times, () => server.deflate(message));
  const [, reader] = pair(level, contexts, bits);
  reader.inflate(pair(level, contexts, bits)[0].deflate(fill) ?? fill, 1 << 20);
  const plain = pair(level, false, bits)[0].deflate(message) ?? message;
  const inflate = await median(times, () => reader.inflate(plain, 1 << 20));
  return { size, level, contexts, bits, packed: packed.length, deflateUs: deflate, inflateUs: inflate };
}

async function streamed(size: number, level: number): Promise<object> {
  const message = json(size);
  const stream = createDeflateRaw({ level });
  stream.resume();
  const one = (): Promise<void> =>
    new Promise((resolve) => {
      stream.write(message);
      stream.flush(constants.Z_SYNC_FLUSH, resolve);
    });
  return { size, level, asynchronousStream: true, deflateUs: await median(300, one) };
}

const { values } = parseArgs({ options: { out: { type: 'string' } } });
const rows: object[] = [];
for (const size of [200, 1024, 4096, 65_536, 1 << 20]) {
  for (const level of [3, 6]) rows.push(await row(size, level, false, 15));
  rows.push(await row(size, 3, true, 15), await row(size, 3, true, 12));
  if (size < 1 << 20) rows.push(await streamed(size, 6));
}
const machine = `${cpus().length} x ${cpus()[0]?.model ?? '?'}, Node ${process.version}`;
const result = { command: 'npm run bench:compression', machine, rows };
for (const one of rows) console.log(JSON.stringify(one));
if (values.out) writeFileSync(values.out, `${JSON.stringify(result, undefined, 2)}\n`);
