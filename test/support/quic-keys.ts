import { Authority, type Pair } from './certificates.ts';

let made: Pair | undefined;

/** A certificate for this machine that vouches for itself, made on first use and gone with the process. */
export function quicFiles(): Pair {
  made ??= make();
  return made;
}

function make(): Pair {
  const authority = new Authority();
  process.once('exit', () => authority[Symbol.dispose]());
  return authority.selfSigned('localhost', 'DNS:localhost,IP:127.0.0.1');
}
