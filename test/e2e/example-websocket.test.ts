import { once } from 'node:events';
import type { Browser } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { openBrowser, openPage } from '../support/browser.ts';
import { commandsOf, Terminal } from '../support/example.ts';

const open: Terminal[] = [];
const sockets: WebSocket[] = [];
let server: Terminal;
let port: string;

function type(command: string | undefined): Terminal {
  const terminal = new Terminal(command ?? '');
  open.push(terminal);
  return terminal;
}

/** The command of a block of the README, at the port that the server got. */
function commandOf(block: number): string {
  return commandsOf('websocket', { 'localhost:3000': `localhost:${port}` })[block]?.[0] ?? '';
}

async function serve(block: number): Promise<void> {
  server = type(commandsOf('websocket', { '--port 3000': '--port 0', '--every 10': '--every 0.1' })[block]?.[0]);
  [, port = ''] = await server.shows(/listening on ws:\/\/127\.0\.0\.1:(\d+)/);
}

const [SERVER, HELLO, BINARY, BROADCAST, CHANNEL, PUSH, CHAT, ROOT] = [0, 1, 2, 3, 4, 5, 6, 7];

beforeEach(() => serve(SERVER));
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.terminate();
  for (const one of open.splice(0).toReversed()) await one[Symbol.asyncDispose]();
});

/** A plain WebSocket, and what it hears. */
class Plain {
  readonly socket: WebSocket;
  readonly #heard: (string | Buffer)[] = [];
  #wake: () => void = () => {};
  #code: number | undefined;

  constructor(path: string) {
    this.socket = new WebSocket(`ws://localhost:${port}${path}`);
    sockets.push(this.socket);
    this.socket.on('message', (data: Buffer, binary) => {
      this.#heard.push(binary ? data : data.toString());
      this.#wake();
    });
    this.socket.on('close', (code) => {
      this.#code = code;
      this.#wake();
    });
  }

  static async open(path: string): Promise<Plain> {
    const plain = new Plain(path);
    await once(plain.socket, 'open');
    return plain;
  }

  say(message: object | string): void {
    this.socket.send(typeof message === 'string' || Buffer.isBuffer(message) ? message : JSON.stringify(message));
  }

  async hears(): Promise<string | Buffer> {
    for (;;) {
      const next = this.#heard.shift();
      if (next !== undefined) return next;
      if (this.#code !== undefined) throw new Error(`closed (${this.#code}) before it heard anything`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  async json(): Promise<unknown> {
    return JSON.parse(String(await this.hears()));
  }

  async end(): Promise<number> {
    while (this.#code === undefined) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.#code;
  }

  /** Says who it is and returns the token. */
  async enters(user: string): Promise<string> {
    this.say({ event: 'auth', message: 'auth', user });
    const { event, message } = (await this.json()) as { event: string; message: string };
    if (event !== 'token') throw new Error(message);
    return message;
  }
}

describe('by the commands of the README', () => {
  test('hello', async () => {
    const client = type(commandOf(HELLO));
    await client.shows('received: Hello World');
    await client.shows('disconnected');
    expect(await client.exit()).toBe(0);
  });

  test('ten thousand numbers', async () => {
    const client = type(commandOf(BINARY));
    await client.shows('received: 10000 numbers, the last is 4999.5');
    expect(await client.exit()).toBe(0);
  });

  test('a broadcast reaches its sender too', async () => {
    const other = await Plain.open('/broadcast');
    await type(commandOf(BROADCAST)).shows('received: helloworld hsz');
    expect(await other.json()).toEqual({ event: 'helloworld', message: 'helloworld hsz' });
  });

  test('a channel is made, greets all but the sender, and is dropped', async () => {
    const other = await Plain.open('/channel/7');
    const elsewhere = await Plain.open('/channel/8');
    const client = type(commandOf(CHANNEL));
    expect(await other.json()).toEqual({ event: 'helloworld', message: 'helloworld hsz' });
    other.say({ event: 'helloworld', message: 'ada' });
    await client.shows('received: helloworld ada');
    expect(client.shown).not.toContain('helloworld hsz');
    elsewhere.say({ event: 'helloworld', message: 'nobody hears' });
    await server.shows('channel 7 is made');
    client.signal('SIGKILL');
    other.say({ event: 'close' });
    expect(await other.end()).toBe(1000);
    await server.shows('channel 7 is dropped');
  });

  test('a push comes by itself, again and again', async () => {
    const client = type(commandOf(PUSH));
    const times: string[] = [];
    for (let i = 0; i < 3; i++) times.push((await client.shows(/the time: (2\d\d\d-\S+)/))[1] ?? '');
    expect(times).toEqual([...new Set(times)].toSorted());
  });

  test('two people talk, and one that is killed is gone from the list', async () => {
    const ben = type(commandOf(CHAT));
    await ben.shows('users: nobody else');
    const ada = await Plain.open('/channel?id=1');
    const token = await ada.enters('ada');
    ada.say({ event: 'talk_with', auth: token, with_cilents: ['ben'], message: 'hi ben' });
    await ben.shows('message: hi ben');
    ben.signal('SIGKILL');
    await ben.exit();
    let users: unknown;
    do {
      ada.say({ event: 'user_list', auth: token });
      users = ((await ada.json()) as { message: unknown }).message;
    } while (JSON.stringify(users) !== '["ada"]');
    ada.say({ event: 'talk_with', auth: token, with_cilents: ['ben'], message: 'still there?' });
    expect(await ada.json()).toEqual({ event: 'error', message: 'user ada send to ben error' });
  });

  test('a service at the root, for clients that know no path', async () => {
    await serve(ROOT);
    const ada = await Plain.open('/');
    expect(await ada.enters('ada')).not.toBe('');
    const ben = await Plain.open('');
    await ben.enters('ben');
    ada.socket.terminate();
  });

  test('the server ends when it is told to, and says goodbye', async () => {
    const client = await Plain.open('/hello');
    server.signal('SIGTERM');
    expect(await client.end()).toBe(4006);
    expect(await server.exit()).toBe(0);
  });
});

describe('what clients may say', () => {
  test.each([
    ['/hello', 'nonsense', 'unkonwn command'],
    ['/room1', 'helloworld', 'Hello World'],
    ['/room2', 'helloworld', 'Hello World'],
    ['/binary', 'nonsense', 'unkonwn command'],
    ['/broadcast', 'no json', 'message is not json'],
    ['/broadcast', '{"message":"x"}', 'no event'],
    ['/broadcast', 'null', 'no event'],
    ['/publish', '{"event":"fly"}', 'unkonwn command'],
    ['/channel/x', '{"event":""}', 'no event'],
    ['/chat', 'no json', '{"event":"error","message":"message is not json"}'],
    ['/chat', '[]', '{"event":"error","message":"no event"}'],
    ['/chat', '{"event":"fly"}', '{"event":"error","message":"unkonwn command"}'],
  ])('at %s: %s', async (path, said, heard) => {
    const client = await Plain.open(path);
    client.say(said);
    expect(await client.hears()).toBe(heard);
    client.say(path.startsWith('/chat') || path.startsWith('/broadcast') ? { event: 'close' } : 'close');
  });

  test('bytes come back as they are', async () => {
    const client = await Plain.open('/binary');
    const numbers = Float32Array.from({ length: 10_000 }, (_, i) => Math.sin(i));
    client.say(Buffer.from(numbers.buffer));
    expect(Buffer.compare((await client.hears()) as Buffer, Buffer.from(numbers.buffer))).toBe(0);
  });

  test.each<[string, object, string]>([
    ['without a name', { event: 'auth' }, 'auth error,no user'],
    ['with a name that is taken', { event: 'auth', user: 'ada' }, 'auth error,user name already exist'],
    ['without a token', { event: 'user_list' }, 'auth error,no token'],
    ['with a token of its own making', { event: 'user_list', auth: btoa('ada') }, 'auth error,already closed'],
    ['talking without a token', { event: 'talk_with', message: 'x' }, 'auth error,no token'],
  ])('a person %s is told and closed', async (_, said, why) => {
    const ada = await Plain.open('/chat');
    const token = await ada.enters('ada');
    const client = await Plain.open('/chat');
    client.say(said);
    expect(await client.json()).toEqual({ event: 'error', message: why });
    expect(await client.end()).toBe(1000);
    ada.say({ event: 'user_list', auth: token });
    expect(await ada.json()).toEqual({ event: 'user_list', message: ['ada'] });
  });

  test('a path that nothing is at is refused, and a message that is too long ends its sender alone', async () => {
    const lost = new Plain('/nothing/here');
    const [error] = (await once(lost.socket, 'error')) as [Error];
    expect(error.message).toContain('404');
    const bystander = await Plain.open('/hello');
    const loud = await Plain.open('/hello');
    loud.say('x'.repeat(70_000));
    expect(await loud.end()).toBe(1009);
    bystander.say('helloworld');
    expect(await bystander.hears()).toBe('Hello World');
  });
});

describe('in Chromium', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await openBrowser();
  });
  afterAll(async () => {
    await browser?.close();
  });

  test('the page says hello, gets numbers, and talks with a client for Node', async () => {
    const ben = type(commandOf(CHAT));
    await ben.shows('users: nobody else');
    const { page, complaints } = await openPage(browser);
    await page.goto(`http://localhost:${port}/?name=ada`);
    await page.getByText('Hello World').waitFor();
    await page.getByText('closed (1000)').waitFor();
    await page.getByText('10000 numbers, the last is 4999.5').waitFor();
    await page.getByText('user_list: ben,ada').waitFor();
    await page.getByPlaceholder('to all').fill('hello from a page');
    await page.getByRole('button').click();
    await ben.shows('message: hello from a page');
    expect(complaints).toEqual([]);
    await page.context().close();
  });
});
