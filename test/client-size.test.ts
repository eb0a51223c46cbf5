import { gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, test } from 'vitest';
import { bundleClient, bundleLater, INTERNAL } from '../scripts/client-bundle.mjs';
import { textOf } from './support/tree.ts';

/**
 * What `hawser/client` may weigh in a page, bytes after gzip: the record in client-size.json may change, this may not
 * (docs/decisions/client-size.md).
 */
const MOST = 16 * 1024;
/** How far from its record a size may be, bytes: room for a release of a bundler, not for a feature. */
const TOLERANCE = 64;

/** Declarations whose members an application, a transport of its own, or a server sees: a new public one belongs here. Names of events are strings, which nobody shortens. */
const SEEN: Readonly<Record<string, readonly string[]>> = {
  'src/transport/link.ts': ['LinkHandler', 'Peer', 'Link', 'LinkOptions', 'DialOptions'],
  'src/transport/endpoint.ts': ['Endpoint'],
  'src/core/clock.ts': ['Random', 'World', 'Timer'],
  'src/core/close.ts': ['CloseReason'],
  'src/core/errors.ts': ['HawserErrorOptions', 'HawserError'],
  'src/core/outbound.ts': ['Outbound'],
  'src/core/limits.ts': ['Limits', 'Times'],
  'src/client/options.ts': ['ReconnectOptions', 'ConnectOptions', 'DialTarget'],
  'src/client/socket.ts': ['UnacknowledgedEvent', 'Up', 'ClientSocket'],
  'src/channel/channel.ts': ['Channel', 'ChannelOptions'],
  'src/channel/contract.ts': ['SendOptions'],
  'src/channel/event-stream.ts': ['EventsOptions'],
  'src/wire/messages.ts': ['From', 'Member', 'Meta', 'ChannelRoom', 'Hello', 'Welcome', 'Goaway'],
};
const SEEN_TOO = [
  ...['overflow', 'dropped', 'send', 'request', 'on', 'once', 'off', 'events', 'drained', 'onAny', 'offAny', 'handle'],
  ...['info', 'next', 'return', 'schemes', 'dial', 'bytes', 'text', 'length'],
];

describe('hawser/client in a browser', () => {
  const record = JSON.parse(textOf('test/client-size.json')) as { readonly gzip: number; readonly later: number };
  let gzip: number;
  let code: string;
  let inputs: [path: string, bytes: number][];

  beforeAll(async () => {
    const bundle = await bundleClient();
    code = bundle.code;
    gzip = gzipSync(code, { level: 9 }).length;
    inputs = Object.entries(bundle.inputs)
      .map(([path, { bytesInOutput }]): [string, number] => [path, bytesInOutput])
      .toSorted(([, a], [, b]) => b - a);
    console.log(`hawser/client: ${Buffer.byteLength(code)} bytes, ${gzip} after gzip; by part:`);
    console.log(inputs.map(([path, bytes]) => `${String(bytes).padStart(7)}  ${path}`).join('\n'));
  });

  test('is small', () => {
    expect(gzip).toBeLessThanOrEqual(MOST);
  });

  test('has the size on record: a change of it is meant, and its record goes with it', () => {
    expect(Math.abs(gzip - record.gzip), `${gzip}, on record ${record.gzip}`).toBeLessThanOrEqual(TOLERANCE);
  });

  test('has nothing of Node in it, nor a dialect that only Node speaks', () => {
    const strange = /(?:body-node|transports\/net|^node:|hawser-codec|messagepack-|json-|plain-)/;
    expect(inputs.filter(([path, bytes]) => bytes > 0 && strange.test(path))).toEqual([]);
  });

  test('loads the fallback later, from one file that has the size on record and nothing of Node in it', async () => {
    const later = await bundleLater();
    const size = gzipSync(later.code, { level: 9 }).length;
    expect([...code.matchAll(/import\((.*?)\)/g)].map(([, file]) => file)).toEqual([`"./${later.name}"`]);
    expect(later.code).not.toMatch(/\bimport\b|node:|\bBuffer\b/);
    expect(Math.abs(size - record.later), `${size}, on record ${record.later}`).toBeLessThanOrEqual(TOLERANCE);
  });

  test('shortens no name that others see', () => {
    const seen = new Set([...SEEN_TOO, ...Object.entries(SEEN).flatMap(([file, names]) => membersOf(file, names))]);
    expect(seen.size).toBeGreaterThan(100);
    expect(INTERNAL.filter((name) => seen.has(name))).toEqual([]);
    expect(INTERNAL.filter((name) => code.includes(`.${name}(`) || code.includes(`.${name}=`))).toEqual([]);
  });
});

/** Names of members that are not private, of declarations at the top of a file. */
function membersOf(file: string, declarations: readonly string[]): string[] {
  const text = textOf(file);
  return declarations.flatMap((name) => {
    const [, body] =
      new RegExp(`^export (?:interface|class) ${name}\\b[\\s\\S]*?{\\n([\\s\\S]*?)^}`, 'm').exec(text) ?? [];
    if (body === undefined) throw new Error(`no ${name} in ${file}`);
    // A member that is marked @internal is ours.
    const outer = body.replaceAll(/\/\*\* @internal[\s\S]*?\*\/\n.*\n/g, '');
    return [...outer.matchAll(/^ {2,}(?:readonly |get |async |declare |override )*(\w+)\??[(:<]/gm)].map(
      ([, word = '']) => word,
    );
  });
}
