import { execFileSync } from 'node:child_process';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { cert } from './cert.ts';
import type { Output } from './output.ts';

let folder = '';
let told: Record<string, unknown> = {};
const output = {
  json: true,
  tell: (event: Readonly<Record<string, unknown>>) => {
    told = { ...event };
  },
  remark: () => {},
  error: () => {},
} as unknown as Output;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hawser-'));
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true, force: true });
});

const make = (change: Partial<Parameters<typeof cert>[0]> = {}): Promise<number> =>
  cert({ out: folder, names: undefined, days: undefined, hosts: [], ...change }, output);
const contentOf = (name: string): string => readFileSync(join(folder, name), 'utf8');

test('the certificate is for this machine, of P-256, can vouch for nothing else, and the key is its owner’s alone', async () => {
  expect(await make({ hosts: ['dev.example', '*.DEV.example', '10.0.0.5', '[fd00::1]'], days: '3' })).toBe(0);
  const made = new X509Certificate(contentOf('cert.pem'));
  expect(made.checkPrivateKey(createPrivateKey(contentOf('key.pem')))).toBe(true);
  expect(made.publicKey.asymmetricKeyDetails?.namedCurve).toBe('prime256v1');
  expect(made.ca).toBe(false);
  for (const host of ['localhost', 'dev.example', 'a.dev.example']) expect(made.checkHost(host), host).toBeDefined();
  for (const ip of ['127.0.0.1', '::1', '10.0.0.5', 'fd00::1']) expect(made.checkIP(ip), ip).toBeDefined();
  expect(made.checkHost('other.example')).toBeUndefined();
  const days = (Date.parse(made.validTo) - Date.parse(made.validFrom)) / 86_400_000;
  expect(days).toBeCloseTo(3, 2);
  expect(statSync(join(folder, 'key.pem')).mode & 0o777).toBe(0o600);
  expect(told).toMatchObject({
    cert: join(folder, 'cert.pem'),
    key: join(folder, 'key.pem'),
    fingerprint: made.fingerprint256,
    endpoint: `https://127.0.0.1:8443?cert=${join(folder, 'cert.pem')}&key=${join(folder, 'key.pem')}`,
  });
  const print = execFileSync('openssl', ['x509', '-in', join(folder, 'cert.pem'), '-noout', '-fingerprint', '-sha256']);
  expect(print.toString()).toContain(made.fingerprint256);
});

test('what is there is not overwritten, and nothing is left beside it', async () => {
  for (const taken of ['cert.pem', 'key.pem']) {
    writeFileSync(join(folder, taken), 'mine');
    await expect(make()).rejects.toMatchObject({ code: 'ERR_FILE_EXISTS' });
    expect([readdirSync(folder), contentOf(taken)]).toEqual([[taken], 'mine']);
    rmSync(join(folder, taken));
  }
  expect(await make({ names: 'a.pem,b.pem' })).toBe(0);
  expect(contentOf('b.pem')).toContain('PRIVATE KEY');
});

test('without openssl it says what to install', async () => {
  vi.stubEnv('PATH', folder);
  await expect(make()).rejects.toMatchObject({
    code: 'ERR_UNSUPPORTED',
    message: expect.stringContaining('apt-get install openssl'),
  });
  expect(readdirSync(folder)).toEqual([]);
});

test('an openssl that fails is told in its own words', async () => {
  const bin = mkdtempSync(join(tmpdir(), 'hawser-bin-'));
  writeFileSync(join(bin, 'openssl'), '#!/bin/sh\necho "no such curve" >&2\nexit 1\n', { mode: 0o755 });
  vi.stubEnv('PATH', `${bin}:${process.env['PATH']}`);
  await expect(make()).rejects.toMatchObject({
    code: 'ERR_UNSUPPORTED',
    message: expect.stringContaining('no such curve'),
  });
  rmSync(bin, { recursive: true });
});

test('hosts, days and names that can not be are refused before anything is made', async () => {
  const hosts = ['a b', 'a\nb', 'x,DNS:y', '*', 'a..b', 'fe80::1%eth0', '', '-a', `${'a'.repeat(64)}.b`, 'a/../b'];
  for (const host of hosts) await expect(make({ hosts: [host] }), host).rejects.toThrow('--host takes');
  for (const days of ['0', '-1', '1.5', 'x', '4000', 'Infinity']) {
    await expect(make({ days }), days).rejects.toThrow('--days takes');
  }
  for (const names of ['a', 'a,a', '../a,b', 'a,b,c'])
    await expect(make({ names }), names).rejects.toThrow('--names takes');
  expect(readdirSync(folder)).toEqual([]);
});
