import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A network that server and load generator are put into. */
export interface World {
  readonly name: string;
  /** The address of the server. */
  readonly host: string;
  readonly namespaces: { readonly server: string | undefined; readonly client: string | undefined };
  /** What a run needs that belongs to no process of it: CPU time in us used so far by the emulator of the link. */
  ownCpuUs(): number;
  /** Bytes that entered the link towards the server, IP headers and all; undefined where nobody counts. */
  bytesToServer(): number | undefined;
  /** The NAT before the client gives it other ports from now on; where there is one. */
  rebind(): void;
  close(): void;
}

export interface Link {
  readonly delayMs: number;
  readonly loss: number;
  readonly rateMbit: number;
  readonly queueKb: number;
  readonly seed: number;
  /** Whether the client is behind a NAT, for UDP. */
  readonly nat: boolean;
  /** Congestion control of the kernel's TCP. */
  readonly congestion: string;
}

const run = (program: string, ...words: string[]): string => execFileSync(program, words, { encoding: 'utf8' });

/** The loopback of this machine as it is. */
export function loopback(): World {
  return {
    name: 'loopback',
    host: '127.0.0.1',
    namespaces: { server: undefined, client: undefined },
    ownCpuUs: () => 0,
    bytesToServer: () => undefined,
    rebind: () => {},
    close: () => {},
  };
}

/** A loopback of its own whose MTU leaves 1,452 bytes to the payload of a datagram; needs root. */
export function narrowLoopback(): World {
  const name = `hwb${process.pid}`;
  run('ip', 'netns', 'add', name);
  run('ip', '-n', name, 'link', 'set', 'lo', 'mtu', '1480', 'up');
  return {
    name: 'loopback with an MTU of 1480',
    host: '127.0.0.1',
    namespaces: { server: name, client: name },
    ownCpuUs: () => 0,
    bytesToServer: () => undefined,
    rebind: () => {},
    close: () => void run('ip', 'netns', 'del', name),
  };
}

/** Two namespaces and an emulated link between them; needs root, and the folder of the emulator. */
export function emulated(folder: string, link: Link): World {
  const script = join(folder, 'netlab.sh');
  const { delayMs, loss, rateMbit, queueKb, seed, nat, congestion } = link;
  const numbers = { 'delay-ms': delayMs, loss, 'rate-mbit': rateMbit, 'queue-kb': queueKb, seed };
  const words = Object.entries(numbers).flatMap(([name, value]) => [`--${name}`, String(value)]);
  execFileSync(script, ['up', ...words, ...(nat ? ['--nat'] : [])], {
    env: { ...process.env, CC: congestion },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const pid = readFileSync(join(process.env['NETLAB_DIR'] ?? join(tmpdir(), 'netlab'), 'pid'), 'utf8').trim();
  return {
    name: `${rateMbit} Mbit/s, ${2 * delayMs} ms round trip, ${queueKb} KB queue, ${loss * 100} % loss`,
    host: '10.77.0.2',
    namespaces: { server: 'nlb', client: 'nla' },
    ownCpuUs: () => cpuOf(pid),
    bytesToServer: () => (JSON.parse(run(script, 'stats').split('\n')[0] ?? '{}') as { MB: number }).MB * 1e6,
    rebind: () => void run(script, 'rebind'),
    close: () => void execFileSync(script, ['down'], { stdio: 'ignore' }),
  };
}

const TICK_US = 10_000;

function cpuOf(pid: string): number {
  const [, fields = ''] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ');
  const [user, system] = fields.split(' ').slice(11, 13).map(Number);
  return ((user ?? 0) + (system ?? 0)) * TICK_US;
}

/** CPU time that all processes of the machine have used, in us. */
export function machineCpuUs(): number {
  const [, user, nice, system] = readFileSync('/proc/stat', 'utf8').split('\n')[0]?.split(/\s+/).map(Number) ?? [];
  return ((user ?? 0) + (nice ?? 0) + (system ?? 0)) * TICK_US;
}
