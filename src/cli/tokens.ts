import { readFile } from 'node:fs/promises';
import { createLocalJWKSet, type JWTPayload, type JWTVerifyOptions, jwtVerify, SignJWT } from 'jose';
import { type Authenticate, HawserError } from '../index.ts';
import type { Claims } from './relay.ts';

/** HS256 wants a key as long as its hash (RFC 7518 3.2). */
const SECRET_BYTES = 32;
/** Signatures by a key pair; a key set never allows HS256, where its public half would be the secret. */
const KEY_SET_ALGORITHMS = ['RS256', 'PS256', 'ES256', 'EdDSA'];

/** The bytes of a secret file, a last line break left out. @throws HawserError ERR_OPTION when it can't be read, or is too short. */
export async function readSecret(file: string): Promise<Uint8Array> {
  const bytes = await readFile(file).catch((cause: unknown) => {
    throw new HawserError('ERR_OPTION', `the secret file can't be read: ${file}`, { cause });
  });
  const text = bytes.toString('latin1').replace(/\r?\n$/, '');
  const secret = new Uint8Array(Buffer.from(text, 'latin1'));
  if (secret.length < SECRET_BYTES) {
    throw new HawserError('ERR_OPTION', `a secret has at least ${SECRET_BYTES} bytes: try "openssl rand -hex 32"`);
  }
  return secret;
}

/** Lets in who brings a JSON Web Token that the secret signed (HS256). */
export function bySecret(secret: Uint8Array): Authenticate {
  return ({ token }) =>
    verify(token, (text, options) => jwtVerify(text, secret, { ...options, algorithms: ['HS256'] }));
}

/** Lets in who brings a JSON Web Token that a key of the set (RFC 7517) signed. @throws HawserError ERR_OPTION. */
export async function byKeySet(file: string): Promise<Authenticate> {
  let keys: ReturnType<typeof createLocalJWKSet>;
  try {
    keys = createLocalJWKSet(JSON.parse(await readFile(file, 'utf8')));
  } catch (cause) {
    throw new HawserError('ERR_OPTION', `no key set (JWKS) can be read from ${file}`, { cause });
  }
  return ({ token }) =>
    verify(token, (text, options) => jwtVerify(text, keys, { ...options, algorithms: KEY_SET_ALGORITHMS }));
}

type Check = (token: string, options: JWTVerifyOptions) => Promise<{ readonly payload: JWTPayload }>;

async function verify(token: string | undefined, check: Check): Promise<{ user: string; claims: Claims }> {
  if (token === undefined) throw new HawserError('ERR_AUTH_REQUIRED', 'say hello with a token first');
  let payload: JWTPayload;
  try {
    ({ payload } = await check(token, { requiredClaims: ['sub', 'exp'] }));
  } catch (cause) {
    throw new HawserError('ERR_AUTH_FAILED', 'the token is not valid', { cause });
  }
  const rooms = payload['rooms'];
  const isPatterns = Array.isArray(rooms) && rooms.every((pattern) => typeof pattern === 'string');
  if (rooms !== undefined && !isPatterns) throw new HawserError('ERR_AUTH_FAILED', 'the token is not valid');
  return { user: payload.sub ?? '', claims: { rooms } };
}

/** A token for `user`, good for `seconds`; without `rooms` it covers all. */
export function makeToken(
  secret: Uint8Array,
  user: string,
  rooms: readonly string[] | undefined,
  seconds: number,
): Promise<string> {
  const now = Math.floor(Date.now() / 1000);
  return new SignJWT(rooms === undefined ? {} : { rooms })
    .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
    .setSubject(user)
    .setIssuedAt(now)
    .setExpirationTime(now + seconds)
    .sign(secret);
}
