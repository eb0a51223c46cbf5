import type { UnacknowledgedEvent } from 'hawser/client';
import { badge, make } from './dom.ts';
import type { Heard, Said } from './visit.ts';
import { describeData } from './words.ts';

/** How many entries stay on the page. */
const MOST = 1000;
/** How near to the end one must be, in pixels, to follow what comes. */
const NEAR = 48;

/** The conversation as the page shows it. */
export class Log {
  readonly #list: HTMLElement;
  readonly #entries: Map<Said, HTMLElement> = new Map();
  #lost: HTMLElement | undefined;

  constructor(list: HTMLElement) {
    this.#list = list;
  }

  clear(): void {
    this.#list.replaceChildren();
    this.#entries.clear();
    this.#lost = undefined;
  }

  heard({ from, event, text, direct }: Heard): void {
    const data = { from, event, ...(direct ? { direct: 'true' } : {}) };
    const entry = make('li', { class: 'message', testId: 'message', data }, badge(from), make('b', {}, from));
    if (direct) entry.append(make('span', { class: 'tag' }, 'to you alone'));
    if (event !== 'say') entry.append(make('span', { class: 'tag' }, event));
    entry.append(this.#time(), make('p', { testId: 'message-text' }, text));
    this.#add(entry);
  }

  /** Shows a message of ours; `said` again when it has come further. */
  said(said: Said): void {
    let entry = this.#entries.get(said);
    if (entry === undefined) {
      entry = make('li', { class: 'message own', testId: 'own' });
      if (said.to !== undefined) entry.append(make('span', { class: 'tag' }, `to ${said.to} alone`));
      entry.append(make('span', { class: 'progress' }), make('p', { testId: 'own-text' }, said.text));
      this.#entries.set(said, entry);
      this.#add(entry);
    }
    entry.dataset['progress'] = said.progress;
    const progress = entry.querySelector('.progress');
    if (progress !== null) progress.textContent = [WORDS[said.progress], said.detail].filter(Boolean).join(' ');
    if (said.progress === 'unknown') this.#listUnknown(said.text);
    if (said.progress !== 'waiting' && said.progress !== 'sent') this.#entries.delete(said);
  }

  /** One line about the room or the link. */
  note(kind: string, text: string): HTMLElement {
    const entry = make('li', { class: 'note', testId: 'note', data: { kind } }, make('p', {}, text));
    this.#add(entry);
    return entry;
  }

  /** The session is lost: whatever was under way is listed, now and as it becomes known. */
  lost(unacknowledged: readonly UnacknowledgedEvent[]): void {
    this.#lost = this.note('lost', 'session lost: the server no longer knew us, so a new one has begun');
    for (const { event, data } of unacknowledged) this.#listUnknown(`${event} ${describeData(event, data)}`);
  }

  #listUnknown(text: string): void {
    if (this.#lost === undefined) return;
    const list = this.#lost.querySelector('ul');
    const item = make('li', { testId: 'unacknowledged' }, text);
    if (list === null) this.#lost.append(make('p', {}, 'These may not have arrived:'), make('ul', {}, item));
    else list.append(item);
    this.#follow(true);
  }

  #add(entry: HTMLElement): void {
    const follow = this.#isAtEnd() || entry.classList.contains('own');
    this.#list.append(entry);
    while (this.#list.childElementCount > MOST) this.#list.firstElementChild?.remove();
    this.#follow(follow);
  }

  #isAtEnd(): boolean {
    const { scrollHeight, scrollTop, clientHeight } = this.#list;
    return scrollHeight - scrollTop - clientHeight < NEAR;
  }

  #follow(follow: boolean): void {
    if (follow) this.#list.scrollTop = this.#list.scrollHeight;
  }

  #time(): HTMLElement {
    const now = new Date();
    const time = make('time', {}, now.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' }));
    time.dateTime = now.toISOString();
    return time;
  }
}

const WORDS: Readonly<Record<Said['progress'], string>> = {
  waiting: 'waiting for the line',
  sent: 'on its way',
  there: 'sent',
  unknown: 'unsure:',
  refused: 'refused:',
};
