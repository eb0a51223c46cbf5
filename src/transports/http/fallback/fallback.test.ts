import { afterAll, describe, expect, test } from 'vitest';
import { Authority } from '../../../../test/support/certificates.ts';
import { HawserError } from '../../../core/index.ts';
import { realWorld } from '../../../runtime/index.ts';
import { type LinkSuiteOptions, linkSuite } from '../../../testing/link-suite.ts';
import type { Listener, Transport } from '../../../transport/index.ts';
import { httpTransport } from '../index.ts';
import { dial as dialByFetch } from './browser.ts';

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
};

linkSuite('http, by requests', suite);

const polling: Transport['dial'] = (endpoint, options) =>
  httpTransport.dial({ ...endpoint, reserved: { ...endpoint.reserved, mode: 'poll' } }, options);
linkSuite('http, by requests and polls', { ...suite, transport: { ...httpTransport, dial: polling } });

linkSuite('https, by requests', {
  ...suite,
  listenUrl: () => 'https://127.0.0.1:0',
  deadUrl: () => 'https://127.0.0.1:1',
  transport: {
    ...httpTransport,
    dial: (endpoint, options) => httpTransport.dial(endpoint, { ...options, net: { tls: { ca } } }),
    listen: async (endpoint, options) =>
      (await httpTransport.listen?.(endpoint, { ...options, net: { tls: { cert, key } } })) as Listener,
  },
});

/** The platform keeps connections from one dial to the next, by which a port that was closed can still say so. */
const fetching: Transport['dial'] = (endpoint, options) =>
  dialByFetch(endpoint, options).catch((error: unknown) => {
    const { status } = ((error as HawserError).data ?? {}) as { readonly status?: number };
    throw status === 503 ? new HawserError('ERR_CONNECT_FAILED') : error;
  });
linkSuite('http, by requests of fetch', { ...suite, transport: { ...httpTransport, dial: fetching } });
