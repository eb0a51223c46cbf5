import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openBrowser } from '../support/browser.ts';
import { CuttingProxy } from '../support/proxy.ts';
import { type Comeback, type Heard, type Member, PageMember, ProgramMember } from './members.ts';
import { Served, socketFolder } from './served.ts';

const ROOM = 'harbour';
const NAMES = ['ann', 'ben', 'ida', 'tom'];
/** Conditions are looked at anew until they hold; the line comes back within seconds. */
const SOON = { timeout: 40_000, interval: 50 };

/** One after another: what a test leaves is where the next begins. */
describe('two browsers, a TCP client and an IPC client in one room', () => {
  const folder = socketFolder();
  const browsers: Browser[] = [];
  const proxies = new Map<string, CuttingProxy>();
  const members = new Map<string, Member>();
  let server: Served;

  beforeAll(async () => {
    const socket = join(folder.path, 'hawser');
    server = await Served.start(['ws://127.0.0.1:0', 'tcp://127.0.0.1:0', `ipc://${socket}`]);
    proxies.set('ann', await CuttingProxy.open({ target: { port: server.port('ws') } }));
    proxies.set('ben', await CuttingProxy.open({ target: { port: server.port('ws') } }));
    proxies.set('ida', await CuttingProxy.open({ target: { path: socket }, path: join(folder.path, 'proxy') }));
    proxies.set('tom', await CuttingProxy.open({ target: { port: server.port('tcp') } }));
    for (const name of ['ann', 'ben']) {
      const browser = await openBrowser();
      browsers.push(browser);
      members.set(name, await PageMember.join(browser, `http://127.0.0.1:${proxyOf(name).port}/`, ROOM, name));
    }
    members.set('ida', await ProgramMember.join(`ipc://${proxyOf('ida').path}`, ROOM, 'ida'));
    members.set('tom', await ProgramMember.join(`tcp://127.0.0.1:${proxyOf('tom').port}`, ROOM, 'tom'));
  });

  afterAll(async () => {
    for (const member of members.values()) await member[Symbol.asyncDispose]();
    for (const browser of browsers) await browser.close();
    await server?.[Symbol.asyncDispose]();
    for (const proxy of proxies.values()) await proxy.close();
    folder[Symbol.dispose]();
  });

  function memberOf(name: string): Member {
    return members.get(name) as Member;
  }

  function proxyOf(name: string): CuttingProxy {
    return proxies.get(name) as CuttingProxy;
  }

  async function waitForComebacks(name: string, expected: readonly Comeback[]): Promise<void> {
    await expect
      .poll(() => memberOf(name).comebacks(), { ...SOON, message: `how ${name} came back` })
      .toEqual(expected);
  }

  async function expectAllPresent(): Promise<void> {
    for (const name of NAMES) {
      await expect.poll(() => memberOf(name).present(), { ...SOON, message: `whom ${name} sees` }).toEqual(NAMES);
    }
  }

  /** Waits until everybody has heard all that the others said in one part of the test: each text once, in order. */
  async function expectHeard(part: string, said: ReadonlyMap<string, readonly string[]>): Promise<void> {
    for (const listener of NAMES) {
      const heard = async (): Promise<readonly Heard[]> =>
        (await memberOf(listener).heard()).filter(({ text }) => text.startsWith(part));
      const others = NAMES.filter((name) => name !== listener);
      const wanted = others.reduce((sum, name) => sum + (said.get(name)?.length ?? 0), 0);
      const count = async (): Promise<number> => (await heard()).length;
      await expect.poll(count, { ...SOON, message: `how much ${listener} heard` }).toBeGreaterThanOrEqual(wanted);
      for (const speaker of others) {
        const texts = (await heard()).filter(({ from }) => from === speaker).map(({ text }) => text);
        expect(texts, `what ${listener} heard of ${speaker}`).toEqual(said.get(speaker));
      }
      expect(await count()).toBe(wanted);
    }
  }

  /** Everybody talks, a sentence after the other, until `done`. */
  async function talkUntil(part: string, done: Promise<void>): Promise<Map<string, string[]>> {
    const said = new Map<string, string[]>(NAMES.map((name) => [name, []]));
    const state = { talking: true };
    const talk = async (name: string): Promise<void> => {
      while (state.talking) {
        const texts = said.get(name) ?? [];
        texts.push(`${part} ${name} ${texts.length}`);
        await memberOf(name).say(texts.at(-1) ?? '');
      }
    };
    const stop = (): void => {
      state.talking = false;
    };
    await Promise.all([done.finally(stop), ...NAMES.map(talk)]);
    return said;
  }

  test('see each other, and hear every message once and in order while the link of each is cut in turn', async () => {
    await expectAllPresent();
    const cutAll = async (): Promise<void> => {
      for (const name of NAMES) {
        proxyOf(name).cut();
        await waitForComebacks(name, ['recovered']);
        await proxyOf(name).cutInMidFrame('up');
        await waitForComebacks(name, ['recovered', 'recovered']);
        await proxyOf(name).cutInMidFrame('down');
        await waitForComebacks(name, ['recovered', 'recovered', 'recovered']);
      }
    };
    const said = await talkUntil('first', cutAll());
    for (const name of NAMES) expect(said.get(name)?.length, `sentences of ${name}`).toBeGreaterThan(10);
    await expectHeard('first', said);
    await expectAllPresent();
  });

  test('come back by themselves to a server that was killed and started again, and are told what is lost', async () => {
    const { page } = memberOf('ann') as PageMember;
    const { page: other } = memberOf('ben') as PageMember;
    // On its way, and nobody can know whether it arrived.
    proxyOf('ann').hold();
    await memberOf('ann').say('into the dark');
    await page.locator('[data-testid=own][data-progress=sent]', { hasText: 'into the dark' }).waitFor();
    await server.kill();
    proxyOf('ann').cut();
    proxyOf('ann').release();
    await other.locator('[data-testid=status]:not([data-state=up])').waitFor();
    await memberOf('ben').say('when you hear this');

    server = await Served.start(server.endpoints);
    for (const name of NAMES) await waitForComebacks(name, ['recovered', 'recovered', 'recovered', 'lost']);
    await expectAllPresent();

    await page.getByText('session lost: ').waitFor();
    await expect.poll(() => page.getByTestId('unacknowledged').allTextContents()).toEqual(['into the dark']);
    await page.locator('[data-testid=own][data-progress=unknown]', { hasText: 'into the dark' }).waitFor();
    await other.locator('[data-testid=own][data-progress=there]', { hasText: 'when you hear this' }).waitFor();
    expect(await other.getByTestId('unacknowledged').count()).toBe(0);
    for (const name of ['ann', 'ben']) {
      await (memberOf(name) as PageMember).page
        .locator('[data-testid=status][data-session=lost][data-state=up]')
        .waitFor();
    }
  });

  test('hear every message after that once', async () => {
    const said = new Map(NAMES.map((name) => [name, Array.from({ length: 20 }, (_, at) => `then ${name} ${at}`)]));
    const speak = async (name: string): Promise<void> => {
      for (const text of said.get(name) ?? []) await memberOf(name).say(text);
    };
    await Promise.all(NAMES.map(speak));
    await expectHeard('then', said);
    for (const name of NAMES) expect(await memberOf(name).comebacks()).toHaveLength(4);
  });

  test('and no page complained', () => {
    for (const name of ['ann', 'ben']) expect((memberOf(name) as PageMember).complaints).toEqual([]);
    expect(server.errors).toEqual([]);
  });
});
