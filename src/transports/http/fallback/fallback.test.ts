import { afterAll, describe, expect, test } from 'vitest';
import { Authority } from '../../../../test/support/certificates.ts';
import { Http2Wire } from '../../../../test/support/http2-wire.ts';
import { HawserError } from '../../../core/index.ts';
import { realWorld } from '../../../runtime/index.ts';
import { type LinkSuiteOptions, linkSuite } from '../../../testing/link-suite.ts';
import type { Listener, Transport } from '../../../transport/index.ts';
import { httpTransport } from '../index.ts';
import { dial as dialByFetch } from './browser.ts';
import { dialByRequests } from './dial.ts';

const authority = new Authority();
const { ca } = authority;
const { cert, key } = authority.issue('localhost', 'DNS:localhost,IP:127.0.0.1');
afterAll(() => authority[Symbol.dispose]());

const suite: LinkSuiteOptions = {
  api: { describe, test, expect },
  transport: httpTransport,
  world: realWorld(),
  listenUrl: () => 'http://127.0.0.1:0',
  deadUrl: () => 'http://127.0.0.1:1',
  // Goodbyes are requests here, each with an answer.
  closeWait: 2000,
};

linkSuite('http, by requests', suite);

const polling: Transport['dial'] = (endpoint, options) =>
  httpTransport.dial({ ...endpoint, reserved: { ...endpoint.reserved, mode: 'poll' } }, options);
linkSuite('http, by requests and polls', { ...suite, transport: { ...httpTransport, dial: polling } });

const listenSafely: Transport['listen'] = async (endpoint, options) =>
  (await httpTransport.listen?.(endpoint, { ...options, net: { tls: { cert, key } } })) as Listener;
linkSuite('https, by requests', {
  ...suite,
  listenUrl: () => 'https://127.0.0.1:0',
  deadUrl: () => 'https://127.0.0.1:1',
  transport: {
    ...httpTransport,
    dial: (endpoint, options) => httpTransport.dial(endpoint, { ...options, net: { tls: { ca } } }),
    listen: listenSafely,
  },
});

/** As browsers send them where HTTP/2 is spoken. */
const multiplexed: Transport['dial'] = (endpoint, options) =>
  dialByRequests(endpoint, options, {
    wire: new Http2Wire(endpoint, endpoint.scheme === 'https' ? ca : undefined),
    base64: { decode: (text) => Buffer.from(Buffer.from(text).toString('latin1'), 'base64') },
    peer: { address: '', port: 0, local: false, path: undefined, query: {}, headers: {} },
    failure: (cause) => (cause instanceof HawserError ? cause : new HawserError('ERR_CONNECT_FAILED', '', { cause })),
  });
linkSuite('http, by requests of HTTP/2', { ...suite, transport: { ...httpTransport, dial: multiplexed } });

linkSuite('https, by requests of HTTP/2', {
  ...suite,
  listenUrl: () => 'https://127.0.0.1:0',
  deadUrl: () => 'https://127.0.0.1:1',
  transport: { ...httpTransport, dial: multiplexed, listen: listenSafely },
});

/** The platform keeps connections from one dial to the next, by which a port that was closed can still say so. */
const fetching: Transport['dial'] = (endpoint, options) =>
  dialByFetch(endpoint, options).catch((error: unknown) => {
    const { status } = ((error as HawserError).data ?? {}) as { readonly status?: number };
    throw status === 503 ? new HawserError('ERR_CONNECT_FAILED') : error;
  });
linkSuite('http, by requests of fetch', { ...suite, transport: { ...httpTransport, dial: fetching } });
