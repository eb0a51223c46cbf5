import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import * as own from '../../../test/support/own-udpack-io.ts';
import { KEYS } from '../../../test/support/udpack.ts';
import { clientOptions, sendOver, serverOptions, takeIn } from '../../../test/support/upload-programs.ts';
import { Client, Server } from './index.ts';

/** A few pieces, and not a whole number of them. */
const BYTES = 6 * 1024 * 1024 + 4321;

let folder = '';

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hawser-programs-'));
  mkdirSync(join(folder, 'keys'));
  mkdirSync(join(folder, 'taken'));
  writeFileSync(join(folder, 'keys/pubkey.pem'), KEYS.publicKey);
  writeFileSync(join(folder, 'keys/prikey.pem'), KEYS.privateKey);
  writeFileSync(join(folder, 'some.bin'), randomBytes(BYTES));
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

function digest(file: string): string {
  return createHash('sha256').update(readFileSync(file)).digest('hex');
}

describe.each([
  ['udpack.io', { Server, Client }],
  ['a framework that an application has built on udpack', own],
])('programs written for udpack.io, on %s', (_, framework) => {
  test('send a file, compare it, and both end', async () => {
    const server = new framework.Server(serverOptions(`${folder}/keys`, 0));
    const taken = takeIn(server, join(folder, 'taken'));
    await once(server, 'listening');
    const client = new framework.Client(clientOptions(`${folder}/keys`));
    const port = server.udpack.endpoint?.port ?? 0;
    expect(await sendOver(client, port, join(folder, 'some.bin'))).toBe(BYTES);
    expect((await taken).received).toBe(BYTES);
    expect(digest(join(folder, 'taken/some.bin'))).toBe(digest(join(folder, 'some.bin')));
  });

  test('a client with a wrong token is told, and the server goes on', async () => {
    const server = new framework.Server(serverOptions(`${folder}/keys`, 0));
    await once(server, 'listening');
    const client = new framework.Client({ ...clientOptions(`${folder}/keys`), token: 'of somebody else' });
    const sent = sendOver(client, server.udpack.endpoint?.port ?? 0, join(folder, 'some.bin'));
    await expect(sent).rejects.toThrow(/token was refused|connect_error/);
    await Promise.all([server.udpack.close(), client.udpack.close()]);
  });
});
