// What one message costs a node on Redis, in CPU of its process: `npx tsx bench/redis-bus.ts [MESSAGES]`
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { setImmediate as turn } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { BusHost, Subject } from '../src/engine/index.ts';
import { RedisBus } from '../src/engines/redis/index.ts';
import { realWorld } from '../src/runtime/index.ts';
import { startRedis } from '../test/support/redis-server.ts';

const MESSAGES = Number(process.argv[2] ?? 200_000);
/** Messages of one turn. */
const TURN = 50;
const BYTES = 200;
const ROOM: Subject = { kind: 'room', namespace: '/', room: 'lobby' };
const RULE = { name: '/ *', size: 1000, age: 600_000 };

/** Hears, and counts. */
class Host implements BusHost {
  heard = 0;
  received(): void {
    this.heard += 1;
  }
  logged(): void {
    this.heard += 1;
  }
  reconnected(): void {}
  disconnected(): void {}
  report(error: unknown): void {
    console.error(error);
  }
}

async function start(url: string): Promise<{ bus: RedisBus; host: Host }> {
  const host = new Host();
  const bus = new RedisBus({ url, push: false }, realWorld());
  await bus.start(host);
  return { bus, host };
}

/** µs of CPU of this process for each of so many messages. */
async function cost(messages: number, work: () => Promise<void>): Promise<number> {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / messages;
}

const bytes = new Uint8Array(BYTES).fill(7);

/** `each` per message, in turns; the last of a hundred turns is waited for. */
async function inTurns(messages: number, each: () => unknown): Promise<void> {
  for (let said = 0; said < messages; said += TURN) {
    const done = [];
    for (let at = 0; at < TURN; at += 1) done.push(each());
    await Promise.all(done);
    await turn();
  }
}

async function main(): Promise<void> {
  await using redis = await startRedis({ isDurable: false });
  const { url } = redis;
  const rows: [string, number][] = [];
  const one = await start(url);
  const publish = (): void => one.bus.publish(ROOM, bytes);
  await inTurns(20_000, publish);
  await one.bus.read('/', 'lobby', RULE, {});
  rows.push([
    `publish, ${TURN} a turn`,
    await cost(MESSAGES, async () => {
      await inTurns(MESSAGES, publish);
      await one.bus.read('/', 'lobby', RULE, {});
    }),
  ]);
  const append = (): unknown => one.bus.append('/', 'log', RULE, bytes, {});
  await inTurns(10_000, append);
  rows.push([`append, ${TURN} a turn`, await cost(MESSAGES / 4, () => inTurns(MESSAGES / 4, append))]);
  const withId = (): unknown =>
    one.bus.append('/', 'log', RULE, bytes, { id: `id${performance.now()} ${Math.random()}` });
  rows.push([`append with an id, ${TURN} a turn`, await cost(MESSAGES / 4, () => inTurns(MESSAGES / 4, withId))]);
  one.bus.subscribe(ROOM);
  one.bus.watchLog('/', 'log');
  await one.bus.read('/', 'log', RULE, {});
  for (const kind of ['publish', 'append']) {
    for (const messages of [20_000, kind === 'publish' ? MESSAGES : MESSAGES / 4]) {
      one.host.heard = 0;
      const args = ['child', url, kind, String(messages)];
      const child = fork(fileURLToPath(import.meta.url), args, { execArgv: process.execArgv });
      await once(child, 'message');
      const price = await cost(messages, async () => {
        child.send('go');
        await once(child, 'exit');
        while (one.host.heard < messages) await turn();
      });
      if (messages !== 20_000)
        rows.push([`hear what another node ${kind === 'append' ? 'appends' : 'publishes'}`, price]);
    }
  }
  await one.bus.close();
  for (const [name, price] of rows) console.log(`${name.padEnd(36)} ${price.toFixed(2)} us`);
}

if (process.argv[2] === 'child') {
  const [, , , url = '', kind, messages] = process.argv;
  const { bus } = await start(url);
  const each = kind === 'publish' ? () => bus.publish(ROOM, bytes) : () => bus.append('/', 'log', RULE, bytes, {});
  process.send?.('ready');
  await once(process, 'message');
  await inTurns(Number(messages), each);
  await bus.close();
  process.disconnect();
} else await main();
