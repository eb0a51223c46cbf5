import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Daemon, firstWords, withPorts } from './daemon.ts';
import { redisServer } from './programs.ts';

export interface RedisOptions {
  readonly password?: string;
  /** Each write is in its append-only file before it is answered. Default true; otherwise a restart forgets all. */
  readonly isDurable?: boolean;
  /** A node of Redis Cluster that has all slots to itself, or (`some`) none yet. */
  readonly cluster?: 'all' | 'some';
  /** More lines of its configuration file. */
  readonly config?: string;
}

/** A redis-server of the test's own, on a free loopback port. Resolves when it answers. */
export async function startRedis(options: RedisOptions = {}): Promise<Redis> {
  return withPorts(2, async ([port = 0, busPort = 0]) => {
    const daemon = await Daemon.start({
      name: 'redis',
      path: redisServer(),
      args: ({ folder, data }) => {
        const file = join(folder, 'redis.conf');
        writeFileSync(file, configOf(options, port, busPort, data));
        return [file];
      },
      answers: () => answers(options, port),
    });
    return new Redis(daemon, port);
  });
}

export class Redis implements AsyncDisposable {
  readonly daemon: Daemon;
  readonly port: number;

  constructor(daemon: Daemon, port: number) {
    this.daemon = daemon;
    this.port = port;
  }

  /** `redis://127.0.0.1:…`, without credentials. */
  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  get log(): string {
    return this.daemon.log;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.daemon[Symbol.asyncDispose]();
  }
}

/** `PONG` comes only when it has read its data; a cluster must have its slots, too. */
async function answers({ password, cluster }: RedisOptions, port: number): Promise<boolean> {
  const login = password === undefined ? '' : `AUTH ${JSON.stringify(password)}\r\n`;
  const words = await firstWords(port, `${login}PING\r\n`);
  if (!words.includes('+PONG') && !words.startsWith('+OK')) return false;
  if (cluster !== 'all') return true;
  await firstWords(port, `${login}CLUSTER ADDSLOTSRANGE 0 16383\r\nPING\r\n`);
  return (await firstWords(port, `${login}CLUSTER INFO\r\n`)).includes('cluster_state:ok');
}

function configOf(options: RedisOptions, port: number, busPort: number, data: string): string {
  const { password, isDurable = true, cluster, config } = options;
  const parts = [
    `port ${port}`,
    'bind 127.0.0.1',
    'daemonize no',
    `dir ${data}`,
    'save ""',
    isDurable ? 'appendonly yes\nappendfsync always' : 'appendonly no',
    password === undefined ? '' : `requirepass ${JSON.stringify(password)}`,
    cluster === undefined ? '' : `cluster-enabled yes\ncluster-port ${busPort}\ncluster-node-timeout 2000`,
    config ?? '',
  ];
  return `${parts.filter((part) => part !== '').join('\n')}\n`;
}
