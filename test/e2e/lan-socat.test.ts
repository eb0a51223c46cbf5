import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { afterEach, describe, expect, test } from 'vitest';
import { openUdp, type UdpOptions, type UdpSocket } from '../../src/lan-endpoint/index.ts';
import { socat } from '../support/programs.ts';

const open: AsyncDisposable[] = [];

afterEach(async () => {
  for (const one of open.splice(0)) await one[Symbol.asyncDispose]();
});

/** `socat`, to which lines are typed, and which shows lines. */
class Socat implements AsyncDisposable {
  readonly #process: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  /** Its notices: with `-d -d` it tells that it listens. */
  #notices = '';
  #wake: () => void = () => {};

  constructor(address: string) {
    this.#process = spawn(socat(), ['-d', '-d', 'STDIO', address], { stdio: 'pipe' });
    this.#lines = createInterface(this.#process.stdout as NodeJS.ReadableStream)[Symbol.asyncIterator]();
    this.#process.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#notices += text;
      this.#wake();
    });
    open.push(this);
  }

  type(line: string): void {
    this.#process.stdin?.write(`${line}\n`);
  }

  async shows(): Promise<string> {
    return (await this.#lines.next()).value as string;
  }

  /** Waits until its sockets are there: it transfers from then on. */
  async ready(): Promise<this> {
    while (!this.#notices.includes('starting data transfer')) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const gone = once(this.#process, 'exit');
    this.#process.kill('SIGKILL');
    await gone;
  }
}

async function udp(url: string, options?: UdpOptions): Promise<UdpSocket> {
  const made = await openUdp(url, options);
  open.push(made);
  return made;
}

async function freePort(): Promise<number> {
  await using probe = await openUdp('udp://127.0.0.1:0');
  return probe.address().port;
}

async function next(from: UdpSocket): Promise<string> {
  for await (const { bytes } of from) return Buffer.from(bytes).toString();
  return '';
}

describe('socat', () => {
  test.each(['UDP4:127.0.0.1', 'UDP6:[::1]'])('as a client of %s is answered', async (where) => {
    const server = await udp(`udp://${where.slice(5)}:0`);
    server.on('message', (bytes, info) => server.send(`confirmed: ${Buffer.from(bytes).toString()}`, info));
    const client = new Socat(`${where}:${server.address().port}`);
    client.type('你好');
    expect(await client.shows()).toBe('confirmed: 你好');
    client.type('again');
    expect(await client.shows()).toBe('confirmed: again');
  });

  test.each([false, true])('as a server answers a client (connected: %s)', async (connected) => {
    const port = await freePort();
    const server = new Socat(`UDP4-LISTEN:${port},bind=127.0.0.1`);
    const client = await udp(`udp://127.0.0.1:${port}`, connected ? { connected } : { listen: false });
    client.on('error', () => {});
    // It may not be there yet.
    const again = setInterval(() => void client.send('hello\n').catch(() => {}), 50);
    expect(await server.shows()).toBe('hello');
    clearInterval(again);
    const answer = next(client);
    server.type('good morning');
    expect(await answer).toBe('good morning\n');
  });

  test('hears what is broadcast, and broadcasts', async () => {
    const port = await freePort();
    const url = `udp://127.255.255.255:${port}`;
    const hearer = await new Socat(`UDP4-RECV:${port},reuseaddr`).ready();
    const speaker = await udp(url, { listen: false });
    await speaker.send('to all\n');
    expect(await hearer.shows()).toBe('to all');
    const here = await udp(url);
    const heard = next(here);
    new Socat(`UDP4-SENDTO:127.255.255.255:${port},broadcast`).type('from socat');
    expect(await heard).toBe('from socat\n');
  });

  test('is in a group, hears it, and is heard there', async () => {
    const port = await freePort();
    const url = `udp://239.192.77.83:${port}`;
    const member = await new Socat(`UDP4-RECV:${port},reuseaddr,ip-add-membership=239.192.77.83:127.0.0.1`).ready();
    const here = await udp(url);
    // Who is in the group hears what it says there, too.
    const own = next(here);
    await here.send('to the group\n');
    expect([await member.shows(), await own]).toEqual(['to the group', 'to the group\n']);
    const heard = next(here);
    new Socat(`UDP4-SENDTO:239.192.77.83:${port},ip-multicast-if=127.0.0.1`).type('from socat');
    expect(await heard).toBe('from socat\n');
  });
});
