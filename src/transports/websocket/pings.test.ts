import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { realWorld } from '../../runtime/index.ts';
import { Bench, End } from '../../testing/link-bench.ts';
import { websocketTransport } from './index.ts';

const UPGRADE =
  'GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
  'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n';
/** A masked ping of 125 bytes (RFC 6455 5.5.2). */
const PING = Uint8Array.of(0x89, 0xfd, 0, 0, 0, 0, ...new Uint8Array(125));

test('a peer that pings and never reads fills no memory, and is answered once it reads', async () => {
  await using bench = await Bench.open({
    api: { describe, test, expect },
    transport: websocketTransport,
    world: realWorld(),
    listenUrl: () => 'ws://127.0.0.1:0',
    deadUrl: () => 'ws://127.0.0.1:1',
  });
  // Over a Unix socket: the system holds little between the two ends.
  const folder = mkdtempSync(join(tmpdir(), 'hawser-'));
  const receiver = await websocketTransport.receive?.(bench.endpoint, bench.listenOptions());
  const accepting = createServer((one) => receiver?.take(one)).listen(join(folder, 's'));
  await once(accepting, 'listening');
  const socket = connect(join(folder, 's'));
  socket.on('error', () => undefined);
  socket.write(UPGRADE);
  const server = new End(await bench.accepted());
  await once(socket, 'data');
  socket.pause();
  // As many as are answered of one chunk, in a chunk of their own each, until the server reads no more.
  const pings = Buffer.concat(Array.from({ length: 16 }, () => PING));
  for (let read = 0; socket.writableLength < 1_000_000; read = server.link.bytesRead ?? 0) {
    socket.write(pings);
    for (let spins = 0; spins < 20 && server.link.bytesRead === read; spins++) await new Promise(setImmediate);
  }
  expect(server.link.queued).toBeGreaterThan(bench.backlogMark - 1);
  const pongs = 16 * 127;
  expect(server.link.queued).toBeLessThanOrEqual(bench.backlogMark + pongs);
  let said = '';
  socket.on('data', (bytes: Buffer) => {
    said = (said + bytes.toString('latin1')).slice(-100);
  });
  socket.resume();
  socket.write(Buffer.concat([Uint8Array.of(0x89, 0x84, 0, 0, 0, 0), Buffer.from('last')]));
  await bench.until(() => said.endsWith('last'));
  await bench.until(() => server.link.queued === 0);
  expect(server.ends).toBe(0);
  socket.destroy();
  accepting.close();
  rmSync(folder, { recursive: true });
});
