import { readFileSync } from 'node:fs';
import type { ConnectionOptions } from '@nats-io/transport-node';
import type { NatsModules } from './client.ts';
import type { ResolvedNatsOptions } from './options.ts';

/** What the client needs to log in. */
export function loginOf(transport: NatsModules['transport'], login: ResolvedNatsOptions['login']): ConnectionOptions {
  if (login.kind === 'user') return { user: login.user, pass: login.pass };
  if (login.kind === 'token') return { token: login.token };
  if (login.kind === 'credentials') return { authenticator: readAgain(transport, login.path) };
  if (login.kind === 'nkey') {
    return { authenticator: transport.nkeyAuthenticator(new TextEncoder().encode(login.seed)) };
  }
  return {};
}

/** The file may have been written anew when the old one ran out; while it can't be read, the last one counts. */
function readAgain(transport: NatsModules['transport'], path: string): NonNullable<ConnectionOptions['authenticator']> {
  let read = transport.credsAuthenticator(readFileSync(path));
  return (nonce) => {
    try {
      read = transport.credsAuthenticator(readFileSync(path));
    } catch {
      // The file is being replaced.
    }
    return read(nonce);
  };
}
