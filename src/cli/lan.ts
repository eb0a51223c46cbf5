import { createInterface } from 'node:readline';
import { matchesAny } from '../index.ts';
import type { Announcement, LanOptions } from '../lan-endpoint/index.ts';
import {
  announce,
  discover,
  type FoundServer,
  type LanBus,
  type LanMessage,
  openLan,
  watchServers,
} from '../lan-endpoint/index.ts';
import { EXIT, type Output, plainly, printable, UsageError } from './output.ts';
import { stopSignal } from './signals.ts';
import { dataOf } from './visitor.ts';

/** Who is believed on the local network. */
export interface LanTrust {
  /** The file of the pre-shared key. */
  readonly keyFile: string | undefined;
  readonly insecure: boolean;
}

export interface SubscribeCommand extends LanTrust {
  readonly since: string | undefined;
  /** Whether one message is enough. */
  readonly once: boolean;
}

export interface DiscoverCommand extends LanTrust {
  /** Where is asked; undefined: as the library does. */
  readonly group: string | undefined;
  readonly watch: boolean;
  /** ms */
  readonly timeout: number;
}

function trustOf({ keyFile, insecure }: LanTrust): Pick<LanOptions, 'key' | 'insecure'> {
  return { insecure, ...(keyFile !== undefined && { key: { file: keyFile } }) };
}

/** Publishes one message, or each line of stdin: as JSON where it is that, otherwise as text. */
export async function publish(
  url: string,
  topic: string,
  json: string | undefined,
  trust: LanTrust,
  output: Output,
): Promise<number> {
  const data = dataOf(json);
  await using bus = await openLan(url, { ...trustOf(trust), listen: false });
  bus.on('error', ({ code, message }) => output.error(`${code}: ${message}`));
  let count = 0;
  if (json === undefined) count = await publishLines(bus, topic);
  else {
    bus.publish(topic, data);
    count = 1;
  }
  await bus.close();
  const { published, refused } = bus.stats();
  output.tell(
    { event: 'published', topic, messages: count, datagrams: published?.datagrams ?? 0 },
    `${count} published`,
  );
  return refused > 0 ? EXIT.failure : EXIT.ended;
}

async function publishLines(bus: LanBus, topic: string): Promise<number> {
  const lines = createInterface({ input: process.stdin, terminal: false });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => lines.close());
  let count = 0;
  for await (const line of lines) {
    count += 1;
    if (!bus.publish(topic, readLine(line))) await new Promise<void>((resolve) => bus.once('drain', () => resolve()));
  }
  return count;
}

function readLine(line: string): unknown {
  try {
    return JSON.parse(line) as unknown;
  } catch {
    return line;
  }
}

/** Prints the messages of a bus, and what of them is lost, until it is stopped. */
export async function subscribe(
  url: string,
  pattern: string,
  command: SubscribeCommand,
  output: Output,
): Promise<number> {
  const { since = 'now', once } = command;
  if (since !== 'now' && since !== 'store') throw new UsageError(`--since takes now or store, not ${since}`);
  const stopping = stopSignal();
  await using bus = await openLan(url, { ...trustOf(command), listen: true, since });
  report(bus, output);
  // By the event, so that messages and what is told of them come out in one order.
  const enough = new Promise<void>((resolve) => {
    bus.on('message', (message) => {
      if (!matchesAny([pattern], message.topic)) return;
      tellMessage(message, output);
      if (once) resolve();
    });
  });
  output.tell({ event: 'listening', url: bus.url }, `listening on ${bus.url}`);
  await Promise.race([stopping, enough]);
  return EXIT.ended;
}

function tellMessage({ topic, data, publisher, sequence, volatile }: LanMessage, output: Output): void {
  const line = { event: 'message', topic, data, publisher, sequence, ...(volatile && { volatile }) };
  output.tell(line, `${printable(topic)} ${printable(JSON.stringify(data ?? null, plainly))}`);
}

/** Nothing is lost in silence. */
function report(bus: LanBus, output: Output): void {
  const tell = (event: Readonly<Record<string, unknown>>, text: string): void => {
    if (output.json) output.tell(event, text);
    else output.remark(text);
  };
  bus.on('gap', (gap) =>
    tell({ event: 'gap', ...gap }, `lost: ${gap.from} to ${gap.to} of ${gap.publisher} (${gap.reason})`),
  );
  bus.on('recovered', ({ publisher, from, to }) => {
    if (output.json) output.tell({ event: 'recovered', publisher, from, to }, '');
  });
  bus.on('publisher', ({ publisher, address, sequence }) => {
    const where = `${address.address}:${address.port}`;
    tell({ event: 'publisher', publisher, address: where, sequence }, `hears ${publisher} at ${where}`);
  });
  bus.on('end', ({ publisher, reason }) => tell({ event: 'end', publisher, reason }, `${publisher}: ${reason}`));
  bus.on('fault', ({ reason, count, from }) => {
    const where = `${from.address}:${from.port}`;
    tell(
      { event: 'fault', reason, count, from: where },
      `dropped ${count} datagrams (${reason}), the last from ${where}`,
    );
  });
  bus.on('error', ({ code, message }) => output.error(`${code}: ${message}`));
}

/** Lists the servers that announce themselves. Exit code 4 when nobody answers in time. */
export async function find(name: string | undefined, command: DiscoverCommand, output: Output): Promise<number> {
  const { group, timeout, watch } = command;
  const options = { ...trustOf(command), name, ...(group !== undefined && { group }) };
  if (watch) return await watchFor(options, output);
  const servers = await discover({ ...options, timeout });
  for (const server of servers) tellServer('server', server, output);
  if (servers.length > 0) return EXIT.ended;
  output.remark(`nobody ${name === undefined ? '' : `called ${name} `}has answered in ${timeout} ms`);
  return EXIT.timedOut;
}

async function watchFor(options: Parameters<typeof watchServers>[0], output: Output): Promise<number> {
  const stopping = stopSignal();
  await using watch = await watchServers(options);
  for (const event of ['found', 'changed', 'lost'] as const) {
    watch.on(event, (server) => tellServer(event, server, output));
  }
  watch.on('error', ({ code, message }) => output.error(`${code}: ${message}`));
  await stopping;
  return EXIT.ended;
}

function tellServer(event: string, server: FoundServer, output: Output): void {
  const { name, load, endpoints, isTrusted } = server;
  const mark = event === 'server' ? '' : `${event}: `;
  const trust = isTrusted ? '' : '  (not signed)';
  output.tell({ event, ...server }, `${mark}${name}  load ${load}  ${printable(endpoints.join(' '))}${trust}`);
}

/** Announces what `hawser serve` serves. */
export function announceServer(
  server: Parameters<typeof announce>[0],
  name: string,
  group: string | undefined,
  trust: LanTrust,
): Promise<Announcement> {
  return announce(server, { ...trustOf(trust), name, ...(group !== undefined && { group }) });
}
