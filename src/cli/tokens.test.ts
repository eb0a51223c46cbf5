import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Authenticate, Credentials } from '../index.ts';
import { byKeySet, bySecret, makeToken, readSecret } from './tokens.ts';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'hawser-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const SECRET = new Uint8Array(32).fill(7);

const bring = (authenticate: Authenticate, token: string | undefined): unknown =>
  authenticate({ token } as unknown as Credentials);

test('a token of the secret says who comes and which rooms it covers', async () => {
  const token = await makeToken(SECRET, 'ada', ['team-*'], 60);
  await expect(bring(bySecret(SECRET), token)).resolves.toEqual({ user: 'ada', claims: { rooms: ['team-*'] } });
});

test('no token, another secret, an expired one and one without an end are refused by code', async () => {
  const door = bySecret(SECRET);
  await expect(bring(door, undefined)).rejects.toMatchObject({ code: 'ERR_AUTH_REQUIRED' });
  const other = await makeToken(new Uint8Array(32).fill(8), 'ada', undefined, 60);
  const late = await makeToken(SECRET, 'ada', undefined, -60);
  const endless = await new SignJWT({}).setProtectedHeader({ alg: 'HS256' }).setSubject('ada').sign(SECRET);
  const nobody = await new SignJWT({}).setProtectedHeader({ alg: 'HS256' }).setExpirationTime('1m').sign(SECRET);
  const wrongRooms = new SignJWT({ rooms: 'all' }).setProtectedHeader({ alg: 'HS256' }).setSubject('ada');
  const odd = await wrongRooms.setExpirationTime('1m').sign(SECRET);
  for (const token of [other, late, endless, nobody, odd, 'x.y.z', '']) {
    await expect(bring(door, token)).rejects.toMatchObject({ code: 'ERR_AUTH_FAILED' });
  }
});

test('a key set takes its own signatures only, and never its public half as a secret', async () => {
  const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true });
  const jwk = { ...(await exportJWK(publicKey)), kid: 'one' };
  const file = join(folder, 'keys.json');
  writeFileSync(file, JSON.stringify({ keys: [jwk] }));
  const door = await byKeySet(file);
  const token = new SignJWT({}).setProtectedHeader({ alg: 'ES256', kid: 'one' }).setSubject('ada');
  const good = await token.setExpirationTime('1m').sign(privateKey);
  await expect(bring(door, good)).resolves.toEqual({ user: 'ada', claims: { rooms: undefined } });
  const forged = await makeToken(new TextEncoder().encode(JSON.stringify(jwk)), 'ada', undefined, 60);
  await expect(bring(door, forged)).rejects.toMatchObject({ code: 'ERR_AUTH_FAILED' });
});

test('a secret file that is short, or not there, and a key set that is none, are options that can not be', async () => {
  const short = join(folder, 'short');
  writeFileSync(short, 'too short\n');
  await expect(readSecret(short)).rejects.toMatchObject({ code: 'ERR_OPTION' });
  await expect(readSecret(join(folder, 'none'))).rejects.toMatchObject({ code: 'ERR_OPTION' });
  await expect(byKeySet(short)).rejects.toMatchObject({ code: 'ERR_OPTION' });
  const long = join(folder, 'long');
  writeFileSync(long, `${'x'.repeat(32)}\n`);
  expect((await readSecret(long)).length).toBe(32);
});
