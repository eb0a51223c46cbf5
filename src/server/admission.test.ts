import { describe, expect, test } from 'vitest';
import { DEFAULT_LIMITS } from '../core/index.ts';
import type { Peer } from '../transport/index.ts';
import { Admission, type AdmissionOptions, isLoopbackHost, refuseOrigin } from './admission.ts';
import { credentialsOf, parseCookies, shownBy } from './handshake.ts';
import { createServer, type ServerOptions } from './index.ts';
import { resolveServerOptions } from './options.ts';

function peer(headers: Record<string, string> = {}, address = '127.0.0.1'): Peer {
  return { address, port: 1, local: address === '127.0.0.1', path: '/', query: {}, headers };
}

describe('the origin of a page', () => {
  test.each<[host: string | undefined, origin: string | undefined, loopback: boolean, origins: string[], may: boolean]>(
    [
      // No browser: no Origin, no business of ours.
      ['app.example', undefined, false, [], true],
      [undefined, undefined, false, [], true],
      ['localhost:3000', undefined, true, [], true],
      // The page's own host, with its port.
      ['app.example', 'https://app.example', false, [], true],
      ['app.example', 'http://app.example', false, [], true],
      ['APP.example', 'https://app.example', false, [], true],
      ['app.example:8443', 'https://app.example:8443', false, [], true],
      ['[::1]:3000', 'http://[::1]:3000', true, [], true],
      ['127.0.0.1:3000', 'http://127.0.0.1:3000', true, [], true],
      ['app.example', 'https://app.example:8443', false, [], false],
      ['app.example', 'https://evil.example', false, [], false],
      ['app.example', 'https://app.example.evil.example', false, [], false],
      ['app.example', 'https://sub.app.example', false, [], false],
      // What is no origin of any page.
      ['app.example', 'null', false, [], false],
      ['null', 'null', false, [], false],
      ['app.example', '', false, [], false],
      ['', '', false, [], false],
      [undefined, 'nonsense', false, [], false],
      [undefined, 'https://app.example', false, [], false],
      // Those that are listed, exactly.
      ['api.example', 'https://app.example', false, ['https://app.example'], true],
      ['api.example', 'http://app.example', false, ['https://app.example'], false],
      ['api.example', 'null', false, ['https://app.example'], false],
      ['api.example', 'https://evil.example', false, ['*'], true],
      // On loopback the host must be loopback, also for those that are listed.
      ['evil.example', 'http://evil.example', true, [], false],
      ['evil.example:3000', undefined, true, [], false],
      ['evil.example', 'https://app.example', true, ['https://app.example'], false],
      ['evil.example', 'https://app.example', true, ['*'], false],
      ['localhost:3000', 'https://app.example', true, ['https://app.example'], true],
      ['localhost:3000', 'http://evil.example', true, [], false],
    ],
  )('host %o, origin %o, loopback %o, listed %o: %o', (host, origin, loopback, origins, may) => {
    const headers = { ...(host === undefined ? {} : { host }), ...(origin === undefined ? {} : { origin }) };
    const refusal = refuseOrigin(peer(headers), loopback, origins);
    if (may) expect(refusal).toBeUndefined();
    else expect(refusal).toMatchObject({ reason: { code: 4509 }, status: 403 });
  });

  test.each([
    ['localhost', true],
    ['localhost:80', true],
    ['LOCALHOST', true],
    ['app.localhost:80', true],
    ['127.0.0.1', true],
    ['127.1.2.3:80', true],
    ['[::1]', true],
    ['[::1]:80', true],
    ['127.0.0.1.evil.example', false],
    ['127.0.0.1evil.example', false],
    ['localhost.evil.example', false],
    ['notlocalhost', false],
    ['0.0.0.0', false],
    ['192.168.0.1', false],
    ['[::]', false],
    ['', false],
    ['localhost:80:80', false],
    ['evil.example:80#localhost', false],
  ])('%o names loopback: %o', (host, is) => {
    expect(isLoopbackHost(host)).toBe(is);
  });
});

describe('places', () => {
  const optionsOf = (change: object): AdmissionOptions => ({
    ...resolveServerOptions({ insecure: true }),
    limits: { ...DEFAULT_LIMITS, ...change } as AdmissionOptions['limits'],
  });
  const admission = (change: object): Admission => new Admission(optionsOf(change));

  test('are counted in all, and by address off loopback', () => {
    const far = peer({}, '192.0.2.1');
    const other = peer({}, '192.0.2.2');
    const house = admission({ sockets: 4, socketsPerAddress: 2 });
    for (const one of [far, far]) house.enter(one);
    expect(house.refuse(far, false)).toMatchObject({ reason: { code: 4004 }, status: 429 });
    expect(house.refuse(other, false)).toBeUndefined();
    house.leave(far);
    expect(house.refuse(far, false)).toBeUndefined();
    for (const one of [peer(), peer(), peer()]) house.enter(one);
    expect(house.refuse(other, false)).toMatchObject({ reason: { code: 4004 } });
    expect(house.refuse(peer(), true)).toMatchObject({ reason: { code: 4004 } });
  });

  test('of links and of sockets are apart, so that a broken link can be replaced', () => {
    const far = peer({}, '192.0.2.1');
    const house = admission({ socketsPerAddress: 1 });
    house.enter(far);
    house.sit(far);
    house.leave(far);
    expect(house.refuse(far, false)).toBeUndefined();
    house.enter(far);
    expect(() => house.sit(far)).toThrow(expect.objectContaining({ code: 'ERR_TOO_MANY_SOCKETS' }));
    house.rise(far);
    expect(() => house.sit(far)).not.toThrow();
  });

  test('of addresses that have gone leave nothing behind', () => {
    const house = admission({ socketsPerAddress: 1, sockets: 10 });
    for (let i = 0; i < 100; i++) {
      const one = peer({}, `192.0.2.${i}`);
      house.enter(one);
      house.leave(one);
      expect(house.refuse(one, false)).toBeUndefined();
    }
  });
});

describe('what a peer has shown', () => {
  test('hello wins over the link, and nothing is inherited', () => {
    const link: Peer = {
      ...peer({ cookie: 'a=1; b="x=y"; a=2; =no; c; __proto__=p' }),
      path: '/a',
      query: { x: '1', y: '1' },
    };
    const shown = credentialsOf(shownBy(link, 'ws', { namespace: '/b', token: 't', query: { y: '2' } }));
    expect(shown).toMatchObject({ namespace: '/b', token: 't', user: undefined, remote: '127.0.0.1', local: true });
    expect(shown.query).toEqual({ x: '1', y: '2' });
    expect(Object.entries(shown.cookies)).toEqual([
      ['a', '1'],
      ['b', '"x=y"'],
      ['__proto__', 'p'],
    ]);
    expect(shownBy(link, 'ws', {}).namespace).toBe('/a');
    expect(shownBy({ ...link, path: undefined }, 'tcp', {}).namespace).toBe('/');
    expect('toString' in parseCookies(undefined)).toBe(false);
  });
});

describe('options of a server', () => {
  test.each<[string, object]>([
    ['a limit below 0', { limits: { messageBytes: -1 } }],
    ['a limit that is no number', { limits: { messageBytes: '1' } }],
    ['a limit that is NaN', { limits: { sockets: Number.NaN } }],
    ['a limit nobody knows', { limits: { messageByte: 1 } }],
    ['one that objects inherit', { limits: { toString: 1 } }],
    ['a time below 0', { times: { loginWait: -1 } }],
    ['a time nobody knows', { times: { constructor: 1 } }],
    ['an origin without a scheme', { origins: ['app.example'] }],
    ['an origin with a path', { origins: ['https://app.example/'] }],
    ['an origin in capitals', { origins: ['https://APP.example'] }],
    ['an origin that is null', { origins: ['null'] }],
  ])('%s is refused', (_, options) => {
    expect(() => createServer(options as ServerOptions)).toThrow(expect.objectContaining({ code: 'ERR_OPTION' }));
  });

  test.each<[string, ServerOptions]>([
    ['nothing', {}],
    ['zero', { times: { resumeWindow: 0 }, limits: { sockets: 0 } }],
    ['no bound', { limits: { sockets: Number.POSITIVE_INFINITY } }],
    ['undefined', { limits: { sockets: undefined } as object }],
    ['origins', { origins: ['https://app.example', 'http://localhost:3000', '*'] }],
  ])('%s is taken', (_, options) => {
    expect(() => createServer(options)).not.toThrow();
  });

  test.each(['room', '', 'a/b'])('%o is no path of a namespace', (path) => {
    expect(() => createServer().of(path)).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT' }));
  });
});
