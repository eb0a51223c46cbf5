import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { machineCpuUs, type World } from '../udp/worlds.ts';

const HAWSER = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const SSH_PORT = 3922;

export interface Task {
  readonly world: World;
  /** For keys; it is dropped afterwards. */
  readonly folder: string;
  /** An empty folder that the file is to be put into. */
  readonly inbox: string;
  readonly file: string;
  /** How long the sender may take. */
  readonly seconds: number;
  /** A folder for CPU profiles of Hawser's programs. */
  readonly profile: string | undefined;
}

export interface Sent {
  readonly seconds: number;
  /** The sender ended by itself, and well. */
  readonly ended: boolean;
  /** CPU time of both sides in s. */
  readonly cpu: number;
}

/** Something that brings a file from one process to another. */
export type Carrier = (task: Task) => Promise<Sent>;

export type CarrierName = 'hawser, UDPack' | 'hawser, TCP' | 'scp';

export const CARRIERS: Readonly<Record<CarrierName, Carrier>> = {
  'hawser, UDPack': (task) => {
    execFileSync(process.execPath, [HAWSER, 'keygen', '--out', task.folder]);
    const url = (key: string, port: number): string =>
      `udpack://${task.world.host}:${port}?key=${join(task.folder, key)}`;
    return hawser(task, url('server.key', 0), (port) => url('server.pub', port));
  },
  'hawser, TCP': (task) => {
    const url = (port: number): string => `tcp://${task.world.host}:${port}`;
    return hawser(task, url(0), url);
  },
  scp,
};

/** Starts a program on a core, in a namespace where there is one. */
function start(core: number, namespace: string | undefined, command: readonly string[]): ChildProcess {
  const inside = namespace === undefined ? [] : ['ip', 'netns', 'exec', namespace];
  const [program = '', ...words] = [...inside, 'taskset', '-c', String(core), ...command];
  return spawn(program, words, { stdio: ['ignore', 'pipe', 'inherit'] });
}

async function hawser(task: Task, listen: string, dial: (port: number) => string): Promise<Sent> {
  const { world, inbox, file, profile } = task;
  const node = [
    process.execPath,
    ...(profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`]),
    HAWSER,
  ];
  const words = ['receive', '--dir', inbox, '--listen', listen, '--insecure', '--json'];
  const receiver = start(0, world.namespaces.server, [...node, ...words]);
  try {
    return await send(task, [...node, 'send', file, dial(await portOf(receiver)), '--json']);
  } finally {
    await end(receiver);
  }
}

/** The port that a receiver says it listens on. */
async function portOf(receiver: ChildProcess): Promise<number> {
  const lines = createInterface(receiver.stdout as NodeJS.ReadableStream);
  const [line] = (await Promise.race([once(lines, 'line'), once(receiver, 'exit').then(() => ['{}'])])) as [string];
  const { endpoints = [''] } = JSON.parse(line) as { readonly endpoints?: readonly string[] };
  const port = /:(\d+)/.exec(endpoints[0] ?? '')?.[1];
  if (port === undefined) throw new Error(`the receiver does not listen: ${line}`);
  return Number(port);
}

/** OpenSSH with its own defaults, and a key that is made for this. */
async function scp(task: Task): Promise<Sent> {
  const { world, folder, inbox, file } = task;
  const key = (name: string): string => join(folder, name);
  for (const name of ['host', 'user']) execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key(name)]);
  chmodSync(key('user.pub'), 0o600);
  // sshd leaves its rights behind in there.
  if (!existsSync('/run/sshd')) mkdirSync('/run/sshd', { mode: 0o755 });
  const set = (...words: string[]): string[] => words.flatMap((word) => ['-o', word]);
  const rules = set(
    'ClientAliveInterval=15',
    'ClientAliveCountMax=2',
    'UsePAM=no',
    'StrictModes=no',
    'PidFile=none',
    `AuthorizedKeysFile=${key('user.pub')}`,
  );
  const address = set(`ListenAddress=${world.host}`, `Port=${SSH_PORT}`);
  const server = ['/usr/sbin/sshd', '-D', '-f', '/dev/null', '-h', key('host'), ...rules, ...address];
  const sftp = ['-o', 'Subsystem=sftp internal-sftp'];
  const receiver = start(0, world.namespaces.server, [...server, ...sftp]);
  const trust = set('StrictHostKeyChecking=no', 'UserKnownHostsFile=/dev/null', 'LogLevel=ERROR');
  const client = ['scp', '-q', '-F', '/dev/null', '-P', String(SSH_PORT), '-i', key('user'), ...trust];
  try {
    await sleep(500);
    return await send(task, [...client, file, `${userInfo().username}@${world.host}:${inbox}/`]);
  } finally {
    await end(receiver);
  }
}

/** Runs a sender to its end, or until its time is over. */
async function send({ world, seconds }: Task, command: readonly string[]): Promise<Sent> {
  const cpu = (): number => machineCpuUs() - world.ownCpuUs() - ownCpuUs();
  const [cpuBefore, began] = [cpu(), performance.now()];
  const sender = start(1, world.namespaces.client, command);
  sender.stdout?.resume();
  const timer = setTimeout(() => sender.kill('SIGTERM'), seconds * 1e3);
  const [code] = (await once(sender, 'exit')) as [number | null];
  clearTimeout(timer);
  const took = (performance.now() - began) / 1e3;
  return { seconds: took, ended: code === 0, cpu: (cpu() - cpuBefore) / 1e6 };
}

async function end(receiver: ChildProcess): Promise<void> {
  if (receiver.exitCode !== null || receiver.signalCode !== null) return;
  const gone = once(receiver, 'exit');
  receiver.kill('SIGTERM');
  const kill = setTimeout(() => receiver.kill('SIGKILL'), 5000);
  await gone;
  clearTimeout(kill);
}

function ownCpuUs(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}
