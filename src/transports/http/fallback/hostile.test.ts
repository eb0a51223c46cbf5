import { once } from 'node:events';
import { request as ask, type IncomingHttpHeaders, type IncomingMessage, createServer as listenHttp } from 'node:http';
import { type AddressInfo, connect as dial, type Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { until } from '../../../../test/support/until.ts';
import { connect } from '../../../client/index.ts';
import { createServer, type ListenTarget, type ServerOptions, type ServerSocket } from '../../../index.ts';

const open: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).toReversed()) await close();
});

type Headers = Readonly<Record<string, string>>;

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

const NAME = 'a-name-of-a-link-0001';

/** A server by requests, and what a stranger can send it. */
class Site {
  readonly sockets: ServerSocket[] = [];
  readonly ends: number[] = [];
  readonly port: number;

  static async open(fallback: ListenTarget['fallback'] = {}, options: ServerOptions = {}): Promise<Site> {
    const server = createServer({ times: { closeWait: 200 }, onError: () => undefined, ...options });
    open.push(() => server.close({ drain: 0 }));
    const [url = ''] = await server.listen({ url: 'http://127.0.0.1:0', fallback });
    const site = new Site(Number(new URL(url).port));
    server.on('connection', (socket) => {
      site.sockets.push(socket);
      socket.on('close', ({ code }) => site.ends.push(code));
      socket.on('say', (data) => socket.send('say', data));
    });
    return site;
  }

  private constructor(port: number) {
    this.port = port;
  }

  async start(method: string, headers: Headers = {}, body?: string | Uint8Array): Promise<IncomingMessage> {
    const request = ask({ port: this.port, host: '127.0.0.1', path: '/', method, headers, agent: false });
    request.end(body);
    const [answer] = (await once(request, 'response')) as [IncomingMessage];
    open.push(async () => request.destroy());
    return answer;
  }

  async send(method: string, headers: Headers = {}, body?: string | Uint8Array): Promise<Answer> {
    const answer = await this.start(method, headers, body);
    let text = '';
    for await (const chunk of answer.setEncoding('utf8')) text += chunk;
    return { status: answer.statusCode ?? 0, headers: answer.headers, body: text };
  }

  /** Opens a link in the JSON dialect; resolves with the headers of its requests. */
  async link(name = NAME, more: Headers = {}): Promise<Headers> {
    const { status, body } = await this.send('POST', { 'hawser-link': name, ...more });
    if (status !== 201) throw new Error(`no link: ${status} ${body}`);
    const { secret } = JSON.parse(body) as { secret: string };
    return { 'hawser-link': name, 'hawser-secret': secret };
  }

  /** Opens a link and logs in; what it streams is collected. */
  async talk(name = NAME): Promise<{ readonly own: Headers; readonly said: () => string }> {
    const own = await this.link(name);
    let said = '';
    const stream = await this.start('GET', own);
    stream.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
    stream.on('error', () => undefined);
    await this.send('POST', { ...own, 'hawser-batch': '1' }, HELLO);
    await until(() => said.includes('"welcome"'), 'a welcome');
    return { own, said: () => said };
  }
}

const HELLO = '{"event":"hello"}';
const say = (data: unknown): string => JSON.stringify({ event: 'say', data });

describe('the secret of a link', () => {
  test('is of 192 bits, and another for each link', async () => {
    const site = await Site.open();
    const secrets = [await site.link('a-name-of-a-link-0001'), await site.link('a-name-of-a-link-0002')];
    const [one = '', other = ''] = secrets.map((own) => own['hawser-secret'] ?? '');
    expect([Buffer.from(one, 'base64url').length, one === other]).toEqual([24, false]);
  });

  test('is asked of every request: without it a link is as if it were not there', async () => {
    const site = await Site.open();
    const { own } = await site.talk();
    const wrong = { ...own, 'hawser-secret': `${own['hawser-secret']?.slice(0, -1)}~` };
    for (const headers of [
      wrong,
      { ...wrong, 'hawser-secret': '' },
      { ...own, 'hawser-link': 'another-name-of-a-link' },
    ]) {
      expect((await site.send('GET', headers)).status).toBe(404);
      expect((await site.send('POST', { ...headers, 'hawser-batch': '2' }, say(1))).status).toBe(404);
      expect((await site.send('POST', { ...headers, 'hawser-close': '1000' })).status).toBe(404);
    }
    expect(site.ends).toEqual([]);
  });
});

describe('opening', () => {
  test('a name must be long enough to be nobody else’s, and one in use is kept', async () => {
    const site = await Site.open();
    for (const name of ['short', 'with spaces in the name', 'x'.repeat(65)]) {
      expect((await site.send('POST', { 'hawser-link': name })).status).toBe(400);
    }
    await site.talk();
    expect((await site.send('POST', { 'hawser-link': NAME })).status).toBe(409);
    expect(site.ends).toEqual([]);
  });

  test('a request to open that is sent again makes one link', async () => {
    const site = await Site.open();
    const before = await site.link();
    const own = await site.link();
    expect((await site.send('GET', before)).status).toBe(404);
    expect((await site.start('GET', own)).statusCode).toBe(200);
  });

  test('protocols that nobody knows, methods that are none', async () => {
    const site = await Site.open();
    const answer = await site.send('POST', { 'hawser-link': NAME, 'hawser-protocols': 'chess' });
    expect([answer.status, answer.body.includes('hawser.v1')]).toEqual([400, true]);
    expect((await site.send('GET', { 'hawser-link': NAME })).status).toBe(405);
    expect((await site.send('PUT', await site.link())).status).toBe(405);
  });

  test('links beyond `links`, and beyond `unfetched` of one address off this machine: 429', async () => {
    const site = await Site.open({ links: 2 });
    await site.link('a-name-of-a-link-0001');
    await site.link('a-name-of-a-link-0002');
    expect((await site.send('POST', { 'hawser-link': 'a-name-of-a-link-0003' })).status).toBe(429);

    const elsewhere = await Site.open({ unfetched: 2 }, { trustProxy: ['127.0.0.1'], insecure: true });
    const from = (address: string): Headers => ({ 'x-forwarded-for': address });
    const own = await elsewhere.link('a-name-of-a-link-0001', from('192.0.2.1'));
    await elsewhere.link('a-name-of-a-link-0002', from('192.0.2.1'));
    const third = { 'hawser-link': 'a-name-of-a-link-0003', ...from('192.0.2.1') };
    expect((await elsewhere.send('POST', third)).status).toBe(429);
    await elsewhere.link('a-name-of-a-link-0004', from('192.0.2.2'));
    await elsewhere.start('GET', own);
    expect((await elsewhere.send('POST', third)).status).toBe(201);
  });

  test('links count as sockets do: `limits.socketsPerAddress`', async () => {
    const limits = { socketsPerAddress: 1 };
    const site = await Site.open({}, { limits, trustProxy: ['127.0.0.1'], insecure: true });
    const from = { 'x-forwarded-for': '192.0.2.1' };
    await site.link('a-name-of-a-link-0001', from);
    expect((await site.send('POST', { 'hawser-link': 'a-name-of-a-link-0002', ...from })).status).toBe(429);
  });

  test('with `fallback: false` there is none', async () => {
    const site = await Site.open(false);
    expect((await site.send('POST', { 'hawser-link': NAME })).status).toBe(426);
  });

  test.each([{ links: -1 }, { pollWait: 0 }, { nonsense: 1 }, 7])('%o is no such option', async (fallback) => {
    await expect(Site.open(fallback as never)).rejects.toMatchObject({ code: 'ERR_OPTION' });
  });
});

describe('a batch', () => {
  test('that comes again is answered and not heard again, one out of turn is refused', async () => {
    const site = await Site.open();
    const { own, said } = await site.talk();
    const second = { ...own, 'hawser-batch': '2' };
    for (let time = 0; time < 3; time++)
      expect((await site.send('POST', second, `${say(1)}\n\r\n${say(2)}`)).status).toBe(204);
    const early = await site.send('POST', { ...own, 'hawser-batch': '4' }, say(4));
    expect([early.status, early.body]).toEqual([409, 'batch 3 is awaited\n']);
    expect((await site.send('POST', { ...own, 'hawser-batch': '3' }, say(3))).status).toBe(204);
    await until(() => said().includes('"data":3'), 'the third');
    expect([...said().matchAll(/"data":(\d)/g)].map(([, data]) => data)).toEqual(['1', '2', '3']);
  });

  test('with a number that is none, or an event that was never sent: 400', async () => {
    const site = await Site.open();
    const { own } = await site.talk();
    for (const bad of [
      { 'hawser-batch': '-1' },
      { 'hawser-batch': '1e3' },
      { 'hawser-ack': '99' },
      { 'hawser-close': 'x' },
    ]) {
      expect((await site.send('POST', { ...own, ...bad })).status).toBe(400);
    }
    expect((await site.send('GET', { ...own, 'last-event-id': '99' })).status).toBe(400);
    expect((await site.send('GET', { ...own, 'hawser-mode': 'pigeon' })).status).toBe(400);
    expect(site.ends).toEqual([]);
  });

  test('over 256 KiB: 413, announced or not; the link lives', async () => {
    const site = await Site.open();
    const { own, said } = await site.talk();
    const second = { ...own, 'hawser-batch': '2' };
    const long = say('x'.repeat(262_144));
    expect((await site.send('POST', { ...second, 'content-length': String(long.length) }, long)).status).toBe(413);
    expect((await site.send('POST', { ...second, 'transfer-encoding': 'chunked' }, long)).status).toBe(413);
    expect((await site.send('POST', second, say('short'))).status).toBe(204);
    await until(() => said().includes('short'), 'the short one');
  });

  test('whose body does not come in `bodyWait`: 408; the link lives', async () => {
    const site = await Site.open({ bodyWait: 50 });
    const { own, said } = await site.talk();
    const socket = dial(site.port, '127.0.0.1');
    open.push(async () => socket.destroy());
    const lines = Object.entries({ ...own, 'hawser-batch': '2', 'content-length': '100', host: 'localhost' });
    socket.write(`POST / HTTP/1.1\r\n${lines.map((line) => line.join(': ')).join('\r\n')}\r\n\r\n{"ev`);
    const [answer] = (await once(socket, 'data')) as [Buffer];
    expect(answer.toString()).toMatch(/^HTTP\/1.1 408 /);
    await once(socket, 'close');
    expect((await site.send('POST', { ...own, 'hawser-batch': '2' }, say('whole'))).status).toBe(204);
    await until(() => said().includes('whole'), 'the whole one');
  });

  test('that comes again while its first sending hangs: the later counts', async () => {
    const site = await Site.open();
    const { own, said } = await site.talk();
    const socket = dial(site.port, '127.0.0.1');
    open.push(async () => socket.destroy());
    const lines = Object.entries({ ...own, 'hawser-batch': '2', 'content-length': '100', host: 'localhost' });
    socket.write(`POST / HTTP/1.1\r\n${lines.map((line) => line.join(': ')).join('\r\n')}\r\n\r\n{"ev`);
    socket.resume();
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect((await site.send('POST', { ...own, 'hawser-batch': '2' }, say('again'))).status).toBe(204);
    await until(() => said().includes('again') && socket.destroyed, 'the later one, and the end of the first');
  });

  test('of frames with a message over `limits.messageBytes` ends the link', async () => {
    const site = await Site.open({}, { limits: { messageBytes: 1000 } });
    const { own, said } = await site.talk();
    expect((await site.send('POST', { ...own, 'hawser-batch': '2' }, say('x'.repeat(1000)))).status).toBe(204);
    await until(() => said().includes('event: close\ndata: 4503'), 'the close');
  });
});

describe('a stream', () => {
  test('gives way to a later one, which goes on where the client says', async () => {
    const site = await Site.open();
    const { own, said } = await site.talk();
    await site.send('POST', { ...own, 'hawser-batch': '2' }, say('first'));
    await until(() => said().includes('first'), 'the first');
    const ids = [...said().matchAll(/^id: (\d+)$/gm)].map(([, id]) => Number(id));
    const later = await site.start('GET', { ...own, 'last-event-id': String((ids.at(-1) ?? 0) - 1) });
    let again = '';
    later.setEncoding('utf8').on('data', (text: string) => {
      again += text;
    });
    later.on('error', () => undefined);
    await until(() => again.includes('first'), 'the first once more');
    await site.send('POST', { ...own, 'hawser-batch': '3' }, say('second'));
    await until(() => again.includes('second'), 'the second');
    expect([said().includes('second'), again.includes('welcome')]).toEqual([false, false]);
  });

  test('that nobody fetches any more for `fetchWait` is the end of its link', async () => {
    const site = await Site.open({ fetchWait: 60 }, { times: { resumeWindow: 0 } });
    const own = await site.link();
    await site.send('POST', { ...own, 'hawser-batch': '1' }, HELLO);
    await until(() => site.ends.length === 1, 'the end of what was never fetched');
    expect((await site.send('GET', own)).status).toBe(404);
    const { own: other } = await site.talk('a-name-of-a-link-0002');
    const stream = await site.start('GET', other);
    stream.destroy();
    await until(() => site.ends.length === 2, 'the end of what was fetched once');
    expect(site.ends).toEqual([1006, 1006]);
  });

  test('is sent no more than `keptBytes` ahead of what was acknowledged', async () => {
    const site = await Site.open({ keptBytes: 4000 });
    const { own, said } = await site.talk();
    const [socket] = site.sockets;
    for (let number = 0; number < 20; number++) socket?.send('data', 'x'.repeat(1000));
    const count = (): number => said().split('"x').length - 1;
    await until(() => count() >= 3, 'some');
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(count()).toBeLessThan(5);
    const last = [...said().matchAll(/^id: (\d+)$/gm)].at(-2)?.[1] ?? '';
    expect((await site.send('POST', { ...own, 'hawser-ack': last })).status).toBe(204);
    await until(() => count() >= 6, 'more');
  });

  test('shows a sign of life every `heartbeat`, and a poll is answered after `pollWait`', async () => {
    const site = await Site.open({ heartbeat: 20, pollWait: 30 });
    const { own, said } = await site.talk();
    await until(() => said().endsWith(':\n\n:\n\n'), 'two signs of life');
    const poll = { ...own, 'hawser-mode': 'poll', 'last-event-id': '1' };
    expect((await site.send('GET', poll)).body).toBe('event: ready\ndata:\n\n');
    expect((await site.send('GET', poll)).body).toBe(':\n\n');
  });

  test('begins with 4 KB of nothing where the client says so', async () => {
    const site = await Site.open();
    const stream = await site.start('GET', { ...(await site.link()), 'hawser-mode': 'padded' });
    const [first] = (await once(stream, 'data')) as [Buffer];
    expect([first.length, first.toString().trim()]).toEqual([4096, ':']);
  });
});

describe('pages of other origins', () => {
  const there = { origin: 'https://app.example' };
  const preflight = {
    ...there,
    'access-control-request-method': 'POST',
    'access-control-request-headers': 'content-type,hawser-link',
  };

  test('that may connect are told so, and their answers can be read', async () => {
    const site = await Site.open({}, { origins: ['https://app.example'] });
    const { status, headers } = await site.send('OPTIONS', preflight);
    expect(status).toBe(204);
    expect(headers['access-control-allow-headers']).toContain('hawser-secret');
    const own = await site.link(NAME, there);
    for (const { headers: answered } of [
      { headers },
      await site.start('GET', { ...own, ...there }),
      await site.send('POST', { ...own, ...there, 'hawser-ack': '0' }),
      await site.send('GET', { ...own, ...there, 'hawser-secret': 'wrong' }),
    ]) {
      expect(answered['access-control-allow-origin']).toBe('https://app.example');
      expect([answered['access-control-allow-credentials'], answered.vary]).toEqual(['true', 'Origin']);
    }
    // Nor can another page take over, whatever it knows.
    const other = await site.send('GET', { ...own, origin: 'https://evil.example' });
    expect([other.status, other.headers['access-control-allow-origin'] === '*']).toEqual([403, false]);
  });

  test('that may not are refused, preflight and all, as by a WebSocket', async () => {
    const site = await Site.open();
    const asked = await site.send('OPTIONS', preflight);
    const opened = await site.send('POST', { 'hawser-link': NAME, ...there });
    for (const { status, headers } of [asked, opened]) {
      expect([status, headers['access-control-allow-origin']]).toEqual([403, undefined]);
    }
    await expect(connect(`ws://127.0.0.1:${site.port}`, { headers: there })).rejects.toMatchObject({
      code: 'ERR_HANDSHAKE_REFUSED',
    });
  });

  test('can send no request of the fallback that a browser would not ask about first', async () => {
    const site = await Site.open();
    // What a form can send has none of the headers, and is the application's.
    const form = await site.send('POST', { ...there, 'content-type': 'application/x-www-form-urlencoded' }, 'a=b');
    expect(form.status).toBe(426);
    expect((await site.send('OPTIONS', { ...preflight, 'access-control-request-headers': 'x-other' })).status).toBe(
      426,
    );
  });
});

test('a GET that waits behind another is refused: its link ends, too, when their connection does', async () => {
  const site = await Site.open({ fetchWait: 300 });
  const links = [await site.link('a-name-of-a-link-0001'), await site.link('a-name-of-a-link-0002')];
  for (const own of links) await site.send('POST', { ...own, 'hawser-batch': '1' }, HELLO);
  const gets = links.map((own) => {
    const fields = Object.entries(own).map((field) => `${field.join(': ')}\r\n`);
    return `GET / HTTP/1.1\r\nhost: x\r\n${fields.join('')}\r\n`;
  });
  const socket = dial(site.port, '127.0.0.1');
  socket.write(gets.join(''));
  await once(socket, 'data');
  socket.destroy();
  await until(() => site.ends.length === 2, 'both links have ended');
  expect(site.ends).toEqual([1006, 1006]);
});

test('a server that answers nothing any more keeps no connection of a client that has closed', async () => {
  const connections = new Set<Socket>();
  const silent = listenHttp(({ method, headers }, response) => {
    const link = headers['hawser-link'];
    const times = { heartbeat: 100_000, pollWait: 100_000, fetchWait: 100_000 };
    if (method === 'GET') response.write('event: ready\ndata:\n\n');
    else if (headers['hawser-secret'] === undefined)
      response
        .writeHead(201)
        .end(JSON.stringify({ link, secret: 's', protocol: headers['hawser-protocols'], ...times }));
  });
  silent.on('connection', (socket) => {
    connections.add(socket);
    socket.on('close', () => connections.delete(socket));
  });
  silent.listen(0, '127.0.0.1');
  await once(silent, 'listening');
  open.push(async () => {
    silent.closeAllConnections();
    silent.close();
  });
  const { port } = silent.address() as AddressInfo;
  const options = { timeout: 300, reconnect: false, times: { closeWait: 100 } } as const;
  await expect(connect(`http://127.0.0.1:${port}/?mode=stream`, options)).rejects.toMatchObject({
    code: 'ERR_TIMEOUT',
  });
  await until(() => connections.size === 0, 'all connections are closed');
});
