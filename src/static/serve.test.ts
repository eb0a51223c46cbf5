import { execFileSync } from 'node:child_process';
import { mkdirSync, renameSync, rmSync, symlinkSync, utimesSync } from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';
import { type Answer, type AskOptions, StaticServers, Tree, VERSIONS } from '../../test/support/static-servers.ts';
import { type StaticOptions, serveFiles } from './index.ts';

const LONG = Buffer.from(Array.from({ length: 300_000 }, (_, at) => at % 251));
const LETTERS = 'abcdefghijklmnopqrstuvwxyz';

const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const one of open.splice(0).toReversed()) await one[Symbol.asyncDispose]();
});

async function serve(tree: Tree, options: StaticOptions = {}): Promise<StaticServers> {
  const servers = await StaticServers.open(serveFiles(tree.root, options));
  open.push({ [Symbol.asyncDispose]: async () => tree[Symbol.dispose]() }, servers);
  return servers;
}

describe.each(VERSIONS)('over %s', (version) => {
  /** A server of these files, and what asks it. */
  async function site(
    files: Readonly<Record<string, string | Uint8Array>>,
    options?: StaticOptions,
  ): Promise<{ readonly tree: Tree; ask(path: string, options?: AskOptions): Promise<Answer> }> {
    const tree = new Tree(files);
    const servers = await serve(tree, options);
    return { tree, ask: (path, how) => servers.ask(version, path, how) };
  }

  test('a file comes with its type, length, validators, and no guessing', async () => {
    const { ask } = await site({ 'page.html': '<p>hé</p>', 'a b.js': 'x', blob: LONG, 'x.constructor': 'y' });
    const page = await ask('/page.html?v=1');
    expect(page).toMatchObject({ status: 200, text: '<p>hé</p>' });
    expect(page.headers).toMatchObject({
      'content-type': 'text/html; charset=utf-8',
      'content-length': '10',
      'cache-control': 'no-cache',
      'accept-ranges': 'bytes',
      'x-content-type-options': 'nosniff',
      vary: 'Accept-Encoding',
    });
    expect(page.headers.etag).toMatch(/^W\/"|^"/);
    expect(Date.parse(page.headers['last-modified'] ?? '')).toBeGreaterThan(0);
    expect((await ask('/a%20b.js')).headers['content-type']).toBe('text/javascript; charset=utf-8');
    const blob = await ask('/blob');
    expect(blob.headers).toMatchObject({ 'content-type': 'application/octet-stream', 'content-length': '300000' });
    expect(blob.headers.vary).toBeUndefined();
    expect(blob.body.equals(LONG)).toBe(true);
    expect((await ask('/x.constructor')).headers['content-type']).toBe('application/octet-stream');
  });

  test('HEAD says the same, without the bytes', async () => {
    const { ask } = await site({ blob: LONG, short: 'abc', empty: '' });
    for (const path of ['/blob', '/short', '/empty']) {
      const [get, head] = [await ask(path), await ask(path, { method: 'HEAD' })];
      expect(head).toMatchObject({ status: 200, text: '' });
      expect({ ...head.headers, date: '' }).toEqual({ ...get.headers, date: '' });
    }
    expect(await ask('/none', { method: 'HEAD' })).toMatchObject({ status: 404, text: '' });
    const failing = { method: 'HEAD', headers: { 'if-match': '"other"' } };
    expect(await ask('/short', failing)).toMatchObject({ status: 412, text: '' });
  });

  test('other methods are 405 with Allow', async () => {
    const { ask } = await site({ short: 'abc' });
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH']) {
      const answer = await ask('/short', { method });
      expect(answer.status).toBe(405);
      expect(answer.headers.allow).toBe('GET, HEAD');
    }
  });

  test('a folder is answered by its index, behind a slash to which it redirects', async () => {
    const { ask } = await site({ 'index.html': 'root', 'sub dir/index.html': 'sub', 'bare/file': 'x' });
    expect(await ask('/')).toMatchObject({ status: 200, text: 'root' });
    expect(await ask('/?a=1')).toMatchObject({ status: 200, text: 'root' });
    expect(await ask('/sub%20dir/')).toMatchObject({ status: 200, text: 'sub' });
    const moved = await ask('/sub%20dir?a=1');
    expect(moved.status).toBe(301);
    expect(moved.headers.location).toBe('./sub%20dir/?a=1');
    for (const path of ['/bare', '/bare/', '/index.html/', '/bare/file/', '/bare/file/more']) {
      expect(await ask(path), path).toMatchObject({ status: 404 });
    }
  });

  test('no redirect leads to another host', async () => {
    const { ask } = await site({ 'evil.example/index.html': 'x' });
    for (const path of ['//evil.example', '/\\evil.example', '/%2Fevil.example', '//evil.example/%2e%2e']) {
      expect(await ask(path), path).toMatchObject({ status: 400 });
    }
    expect((await ask('/evil.example')).headers.location).toBe('./evil.example/');
  });

  test('the index may have another name, or be none', async () => {
    const files = { 'index.html': 'a', 'main.htm': 'b' };
    expect((await (await site(files, { index: 'main.htm' })).ask('/')).text).toBe('b');
    expect((await (await site(files, { index: false })).ask('/')).status).toBe(404);
  });

  test.each([['in memory'], ['from the file']])('ranges, %s', async (from) => {
    const { ask } = await site({ letters: LETTERS }, from === 'in memory' ? {} : { memoryBytes: 0 });
    const part = async (range: string): Promise<readonly unknown[]> => {
      const { status, headers, text } = await ask('/letters', { headers: { range } });
      expect(headers['content-length']).toBe(String(text.length));
      return [status, headers['content-range'], text];
    };
    expect(await part('bytes=0-2')).toEqual([206, 'bytes 0-2/26', 'abc']);
    expect(await part('bytes=23-')).toEqual([206, 'bytes 23-25/26', 'xyz']);
    expect(await part('bytes=-2')).toEqual([206, 'bytes 24-25/26', 'yz']);
    expect(await part('bytes=-100')).toEqual([206, 'bytes 0-25/26', LETTERS]);
    expect(await part('bytes=0-0,2-3')).toEqual([206, 'bytes 0-3/26', 'abcd']);
    for (const range of ['bytes=26-', 'bytes=-0', 'bytes=99-100']) {
      expect(await part(range), range).toEqual([416, 'bytes */26', 'there are no such bytes\n']);
    }
    for (const range of ['bytes=3-1', 'bytes=a-b', 'lines=0-1', 'bytes=', 'bytes=-']) {
      expect(await part(range), range).toEqual([200, undefined, LETTERS]);
    }
  });

  test('ranges that lie far apart are answered with the whole', async () => {
    const { ask } = await site({ blob: LONG });
    const { status, body } = await ask('/blob', { headers: { range: 'bytes=0-9,200000-200009' } });
    expect([status, body.length]).toEqual([200, LONG.length]);
    const end = await ask('/blob', { headers: { range: 'bytes=100000-299999' } });
    expect(end.status).toBe(206);
    expect(end.body.equals(LONG.subarray(100_000))).toBe(true);
  });

  test('who has the file is told so, and who has another is given it', async () => {
    const { ask, tree } = await site({ 'a.css': 'first' });
    const { headers } = await ask('/a.css');
    const modified = headers['last-modified'] ?? '';
    const has = { 'if-none-match': headers.etag ?? '' };
    const again = await ask('/a.css', { headers: has });
    expect(again).toMatchObject({ status: 304, text: '' });
    expect(again.headers).toMatchObject({ etag: headers.etag, 'cache-control': 'no-cache', vary: 'Accept-Encoding' });
    expect((await ask('/a.css', { headers: { 'if-modified-since': modified } })).status).toBe(304);
    expect((await ask('/a.css', { headers: { 'if-none-match': '*' } })).status).toBe(304);
    expect((await ask('/a.css', { headers: { 'if-none-match': '"x", W/"y"' } })).status).toBe(200);
    expect((await ask('/a.css', { headers: { 'if-unmodified-since': 'Mon, 01 Jan 2001 00:00:00 GMT' } })).status).toBe(
      412,
    );
    expect((await ask('/a.css', { headers: { 'if-match': '"x"' } })).status).toBe(412);
    tree.write('a.css', 'second');
    expect(await ask('/a.css', { headers: has })).toMatchObject({ status: 200, text: 'second' });
  });

  test('the rest of a file is given to who has the beginning of just this one', async () => {
    const { ask, tree } = await site({ letters: LETTERS });
    // Until the clock of the file system has gone on, a tag is weak, and no range hangs on it.
    await settled(() => ask('/letters'));
    const { etag = '', 'last-modified': modified = '' } = (await ask('/letters')).headers;
    const rest = async (condition: string): Promise<number> =>
      (await ask('/letters', { headers: { range: 'bytes=20-', 'if-range': condition } })).status;
    expect(etag).toMatch(/^"/);
    expect([await rest(etag), await rest(modified)]).toEqual([206, 206]);
    expect([await rest('"other"'), await rest(`W/${etag}`), await rest('Mon, 01 Jan 2001 00:00:00 GMT')]).toEqual([
      200, 200, 200,
    ]);
    expect((await ask('/letters', { headers: { 'if-match': etag } })).status).toBe(200);
    tree.write('letters', LETTERS.toUpperCase());
    const fresh = (await ask('/letters')).headers.etag ?? '';
    expect(fresh).toMatch(/^W\//);
    expect([await rest(etag), await rest(fresh)]).toEqual([200, 200]);
  });

  test('what lies compressed beside a file is sent to who takes it', async () => {
    const files = {
      'a.js': 'plain',
      'a.js.br': 'brotli',
      'a.js.gz': 'gzip',
      'b.js': 'plain',
      'b.js.gz': 'gzip',
      'c.png': 'plain',
    };
    const { ask } = await site({ ...files, 'c.png.gz': 'gzip', 'd.js.br': 'alone' });
    const got = async (path: string, accepted: string): Promise<readonly unknown[]> => {
      const { text, headers } = await ask(path, { headers: { 'accept-encoding': accepted } });
      expect(headers.vary).toBe(path === '/c.png' ? undefined : 'Accept-Encoding');
      return [text, headers['content-encoding']];
    };
    expect(await got('/a.js', 'gzip, deflate, br')).toEqual(['brotli', 'br']);
    expect(await got('/a.js', 'gzip;q=1, br;q=0.5')).toEqual(['gzip', 'gzip']);
    expect(await got('/a.js', 'br;q=0, x-gzip')).toEqual(['gzip', 'gzip']);
    expect(await got('/a.js', '*')).toEqual(['brotli', 'br']);
    expect(await got('/a.js', 'identity, br;q=0.1')).toEqual(['plain', undefined]);
    expect(await got('/b.js', 'br, gzip')).toEqual(['gzip', 'gzip']);
    expect(await got('/b.js', 'br')).toEqual(['plain', undefined]);
    expect(await got('/c.png', 'gzip')).toEqual(['plain', undefined]);
    const plain = await ask('/a.js');
    const coded = await ask('/a.js', { headers: { 'accept-encoding': 'br' } });
    expect(coded.headers['content-type']).toBe(plain.headers['content-type']);
    expect(coded.headers.etag).not.toBe(plain.headers.etag);
    expect((await ask('/d.js', { headers: { 'accept-encoding': 'br' } })).status).toBe(404);
    expect(await ask('/a.js.gz')).toMatchObject({ status: 200, text: 'gzip' });
  });

  test('a compressed file that is older than its original is not sent', async () => {
    const { ask, tree } = await site({ 'a.js': 'new', 'a.js.gz': 'old' });
    utimesSync(tree.path('a.js.gz'), 1000, 1000);
    expect((await ask('/a.js', { headers: { 'accept-encoding': 'gzip' } })).text).toBe('new');
  });

  test('precompressed: false never looks for one', async () => {
    const { ask } = await site({ 'a.js': 'plain', 'a.js.gz': 'gzip' }, { precompressed: false });
    const { text, headers } = await ask('/a.js', { headers: { 'accept-encoding': 'gzip' } });
    expect([text, headers.vary]).toEqual(['plain', undefined]);
  });

  test('no encoding of a path leads out of the folder', async () => {
    const { ask } = await site({ '../secret': 'secret', 'sub/file': 'x' });
    const hostile = [
      '/../secret',
      '/sub/../../secret',
      '/%2e%2e/secret',
      '/%2e%2e%2fsecret',
      '/..%2fsecret',
      '/..\\secret',
    ];
    if (version === 'HTTP/1.1') hostile.push('http://x/../secret', '*', 'http://x');
    hostile.push('/..%5csecret', '/%c0%ae%c0%ae/secret', '/%c0%ae%c0%ae%c0%afsecret', '/sub/%00', '/secret%00.html');
    hostile.push('/./sub/file', '/%2e/sub/file', '//sub/file', '/sub//file', '/%', '/%zz', '/%ff');
    for (const path of hostile) {
      const { status, text } = await ask(path);
      expect({ path, status, text }).toEqual({ path, status: 400, text: 'that is no path of files\n' });
    }
    for (const path of ['/%252e%252e/secret', '/...', '/secret', '/.../secret']) {
      expect({ path, status: (await ask(path)).status }).toEqual({ path, status: 404 });
    }
  });

  test('symbolic links are followed within the folder alone, unless all are', async () => {
    const files = { '../secret': 'secret', '../other/index.html': 'secret', 'real.txt': 'real' };
    const link = (tree: Tree): void => {
      symlinkSync(tree.path('../secret'), tree.path('out'));
      symlinkSync('../../secret', tree.path('deep'));
      symlinkSync(tree.path('../other'), tree.path('folder'));
      symlinkSync('real.txt', tree.path('in.txt'));
      symlinkSync('in.txt', tree.path('twice.txt'));
      symlinkSync('loop', tree.path('loop'));
    };
    const strict = await site(files);
    link(strict.tree);
    for (const path of ['/out', '/deep', '/folder', '/folder/', '/folder/index.html', '/loop']) {
      expect(await strict.ask(path), path).toMatchObject({ status: 404 });
    }
    expect((await strict.ask('/twice.txt')).text).toBe('real');
    const loose = await site(files, { symlinks: true });
    link(loose.tree);
    expect((await loose.ask('/out')).text).toBe('secret');
    expect((await loose.ask('/folder/')).text).toBe('secret');
  });

  test('a link that is turned is followed anew', async () => {
    const { ask, tree } = await site({ 'a.txt': 'a', 'b.txt': 'b', '../secret': 'secret' });
    const turn = (to: string): void => {
      rmSync(tree.path('link'), { force: true });
      symlinkSync(to, tree.path('link'));
    };
    turn('a.txt');
    expect((await ask('/link')).text).toBe('a');
    turn('b.txt');
    expect((await ask('/link')).text).toBe('b');
    turn(tree.path('../secret'));
    expect((await ask('/link')).status).toBe(404);
  });

  test('names that begin with a dot are hidden, unless they are not', async () => {
    const files = { '.env': 'secret', '.git/config': 'secret', 'a/.b/c': 'secret', '.well-known/acme': 'open' };
    const hidden = await site(files);
    for (const path of ['/.env', '/%2eenv', '/.git/config', '/a/.b/c', '/a/.well-known/x']) {
      expect(await hidden.ask(path), path).toMatchObject({ status: 404 });
    }
    expect((await hidden.ask('/.well-known/acme')).text).toBe('open');
    expect((await (await site(files, { dotfiles: true })).ask('/.git/config')).text).toBe('secret');
  });

  test('only plain files are served', async () => {
    const { ask, tree } = await site({ 'a/x': '' });
    mkdirSync(tree.path('index.html'));
    expect((await ask('/')).status).toBe(404);
    expect((await ask('/a')).status).toBe(404);
    execFileSync('mkfifo', [tree.path('pipe')]);
    expect((await ask('/pipe')).status).toBe(404);
  });

  test('every change is seen at once, that of a file in memory too', async () => {
    const { ask, tree } = await site({ 'a.txt': 'one', 'b.txt': 'two' });
    await settled(() => ask('/a.txt'));
    expect((await ask('/a.txt')).text).toBe('one');
    tree.write('a.txt', 'eno');
    expect((await ask('/a.txt')).text).toBe('eno');
    renameSync(tree.path('b.txt'), tree.path('a.txt'));
    expect((await ask('/a.txt')).text).toBe('two');
    rmSync(tree.path('a.txt'));
    expect((await ask('/a.txt')).status).toBe(404);
  });

  test('what is not here falls through, and every other method', async () => {
    const { ask } = await site(
      { file: 'x' },
      { fallthrough: (request, response) => void response.writeHead(299).end(`${request.method} ${request.url}`) },
    );
    expect((await ask('/file')).text).toBe('x');
    expect(await ask('/none?x')).toMatchObject({ status: 299, text: 'GET /none?x' });
    expect(await ask('/.hidden')).toMatchObject({ status: 299 });
    expect(await ask('/file', { method: 'POST' })).toMatchObject({ status: 299, text: 'POST /file' });
    expect((await ask('/../file')).status).toBe(400);
  });

  test('fields of the options are on every answer, Cache-Control by path, types by ending', async () => {
    const { ask } = await site(
      { 'assets/a.js': 'x', 'b.md': 'y' },
      {
        headers: { 'content-security-policy': "default-src 'self'" },
        cacheControl: (path) => (path.startsWith('assets/') ? 'immutable' : 'no-store'),
        types: { md: 'text/markdown' },
      },
    );
    for (const path of ['/assets/a.js', '/b.md', '/none', '/..']) {
      expect((await ask(path)).headers['content-security-policy'], path).toBe("default-src 'self'");
    }
    expect((await ask('/assets/a.js')).headers['cache-control']).toBe('immutable');
    expect((await ask('/b.md')).headers).toMatchObject({
      'cache-control': 'no-store',
      'content-type': 'text/markdown',
    });
  });
});

test('a path that a client says as to a proxy is understood', async () => {
  const servers = await serve(new Tree({ 'index.html': 'root', 'sub/file': 'x' }));
  expect((await servers.ask('HTTP/1.1', 'http://somewhere/sub/file?x')).text).toBe('x');
  expect((await servers.ask('HTTP/1.1', 'http://somewhere/')).text).toBe('root');
});

test.each([
  ['in memory', {}],
  ['from the file', { memoryBytes: 0 }],
])(
  'what a function of the application throws, and a field that can not be sent, are told to it, %s',
  async (_, options) => {
    const tree = new Tree({ file: 'x' });
    const told: unknown[] = [];
    const listeners = [
      serveFiles(tree.root, {
        ...options,
        cacheControl: () => {
          throw new Error('mine');
        },
      }),
      serveFiles(tree.root, { ...options, headers: { 'x-bad': 'a\nb' } }),
    ];
    for (const listener of listeners) {
      const servers = await StaticServers.open(async (request, response) => {
        try {
          await (listener(request, response) as unknown);
        } catch (error) {
          told.push((error as { code?: string }).code ?? (error as Error).message);
          response.writeHead(500).end();
        }
      });
      open.push(servers);
      expect((await servers.ask('HTTP/1.1', '/file')).status).toBe(500);
    }
    expect(told).toEqual(['mine', 'ERR_INVALID_CHAR']);
    tree[Symbol.dispose]();
  },
);

/** Waits until a file's tag is strong. */
async function settled(ask: () => Promise<Answer>): Promise<void> {
  await expect.poll(async () => (await ask()).headers.etag, { timeout: 10_000, interval: 50 }).toMatch(/^"/);
}

describe('options', () => {
  test.each([
    ['a folder that is none', '/nowhere/at/all', {}],
    ['an unknown name', '.', { follow: true }],
    ['a negative number', '.', { memoryBytes: -1 }],
    ['no open files', '.', { openFiles: 0 }],
    ['an index that is a path', '.', { index: 'a/b' }],
    ['an index that leads out', '.', { index: '..' }],
    ['a word for false', '.', { dotfiles: 'false' }],
  ])('%s is refused', (_, folder, options) => {
    expect(() => serveFiles(folder, options as StaticOptions)).toThrow(expect.objectContaining({ code: 'ERR_OPTION' }));
  });
});
