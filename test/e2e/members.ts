import { setTimeout as pause } from 'node:timers/promises';
import type { Browser, Page } from 'playwright-core';
import { type ClientSocket, connect } from '../../src/client/index.ts';
import { openPage } from '../support/browser.ts';

/** How a link came back: with its session, or with a new one. */
export type Comeback = 'recovered' | 'lost';

export interface Heard {
  readonly from: string;
  readonly text: string;
}

/** Somebody in the room of a test, whatever the program and the transport. */
export interface Member extends AsyncDisposable {
  readonly name: string;
  /** Says one thing to the room. Resolves when it is said, not when it has arrived. */
  say(text: string): Promise<void>;
  /** All that was heard so far, in order. */
  heard(): Promise<readonly Heard[]>;
  /** How the link came back so far, in order. */
  comebacks(): Promise<readonly Comeback[]>;
  /** Who is in the room, sorted. */
  present(): Promise<readonly string[]>;
}

/** Between two sentences of a program, ms: it talks like the page does, and not as fast as it can. */
const PACE = 25;

/** A program with Hawser's client for Node. */
export class ProgramMember implements Member {
  readonly name: string;
  readonly socket: ClientSocket;
  readonly #room: string;
  readonly #heard: Heard[] = [];
  readonly #comebacks: Comeback[] = [];

  private constructor(name: string, room: string, socket: ClientSocket) {
    this.name = name;
    this.#room = room;
    this.socket = socket;
    socket.on('say', (data, { from }) => {
      this.#heard.push({ from: from?.user ?? '', text: (data as { text: string }).text });
    });
    socket.on('up', async ({ recovered }) => {
      if (recovered === false) await this.#join();
      this.#comebacks.push(recovered === true ? 'recovered' : 'lost');
    });
  }

  static async join(url: string, room: string, name: string): Promise<ProgramMember> {
    const member = new ProgramMember(name, room, await connect(url, { user: name, persistent: true }));
    await member.#join();
    return member;
  }

  async say(text: string): Promise<void> {
    const said = this.socket.request('publish', { room: this.#room, event: 'say', data: { text } }, { timeout: 0 });
    // Whether it arrived is for the others to tell; one that a lost session leaves open has no answer.
    said.catch(() => {});
    await pause(PACE);
  }

  heard(): Promise<readonly Heard[]> {
    return Promise.resolve([...this.#heard]);
  }

  comebacks(): Promise<readonly Comeback[]> {
    return Promise.resolve([...this.#comebacks]);
  }

  async present(): Promise<readonly string[]> {
    const { members } = (await this.socket.request('presence', { room: this.#room })) as {
      members: { user: string }[];
    };
    return members.map((member) => member.user).toSorted();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.socket.close();
  }

  async #join(): Promise<void> {
    await this.socket.request('join', { room: this.#room });
  }
}

/** What the page showed, kept by the page as it was shown. */
interface Shown {
  readonly heard: Heard[];
  readonly notes: string[];
}

/** A person with the page in a browser: types, presses Enter, reads. */
export class PageMember implements Member {
  readonly name: string;
  readonly page: Page;
  readonly complaints: readonly string[];

  private constructor(name: string, page: Page, complaints: readonly string[]) {
    this.name = name;
    this.page = page;
    this.complaints = complaints;
  }

  static async join(browser: Browser, url: string, room: string, name: string): Promise<PageMember> {
    const { page, complaints } = await openPage(browser);
    await page.goto(url);
    await enterRoom(page, room, name);
    await page.evaluate(() => {
      const shown: Shown = { heard: [], notes: [] };
      Object.assign(globalThis, { shown });
      const take = (entry: HTMLElement): void => {
        const { testid, from = '', kind = '' } = entry.dataset;
        const text = entry.querySelector('[data-testid="message-text"]')?.textContent ?? '';
        if (testid === 'message') shown.heard.push({ from, text });
        if (testid === 'note') shown.notes.push(kind);
      };
      const log = document.querySelector('[data-testid="log"]') as HTMLElement;
      for (const entry of log.children) take(entry as HTMLElement);
      new MutationObserver((changes) => {
        for (const change of changes) for (const node of change.addedNodes) take(node as HTMLElement);
      }).observe(log, { childList: true });
    });
    return new PageMember(name, page, complaints);
  }

  async say(text: string): Promise<void> {
    await this.page.getByTestId('text').fill(text);
    await this.page.getByTestId('text').press('Enter');
  }

  async heard(): Promise<readonly Heard[]> {
    return (await this.#shown()).heard;
  }

  async comebacks(): Promise<readonly Comeback[]> {
    const { notes } = await this.#shown();
    return notes.filter((note): note is Comeback => note === 'recovered' || note === 'lost');
  }

  present(): Promise<readonly string[]> {
    return presentOn(this.page);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.page.context().close();
  }

  #shown(): Promise<Shown> {
    return this.page.evaluate(() => (globalThis as unknown as { shown: Shown }).shown);
  }
}

/** Fills in the form of the page and waits until it is inside. */
export async function enterRoom(page: Page, room: string, name: string): Promise<void> {
  await page.getByTestId('room').fill(room);
  await page.getByTestId('name').fill(name);
  await page.getByTestId('join').click();
  await page.getByTestId('composer').waitFor();
}

/** Who the page shows, sorted; also while the list is not in view. */
export async function presentOn(page: Page): Promise<readonly string[]> {
  const lines = page.getByTestId('member');
  const names = await lines.evaluateAll((items) => items.map((item) => (item as HTMLElement).dataset['user'] ?? ''));
  return names.toSorted();
}
