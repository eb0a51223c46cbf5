import type { UnacknowledgedEvent } from 'hawser/client';
import { badge, make } from './dom.ts';
import type { Heard, Said } from './visit.ts';
import { describeData } from './words.ts';

/** How many entries stay on the page. */
const MOST = 1000;
/** How near to the end one must be, in pixels, to follow what comes. */
const NEAR = 48;
/** What comes is shown at the pace of a screen: to lay the list out costs more than to hear a message. ms. */
const FRAME = 16;

/** The conversation as the page shows it. */
export class Log {
  readonly #list: HTMLElement;
  readonly #entries: Map<Said, HTMLElement> = new Map();
  /** What is not in the list yet. */
  #fresh: HTMLElement[] = [];
  #follow = true;
  #lost: HTMLElement | undefined;

  constructor(list: HTMLElement) {
    this.#list = list;
    list.addEventListener('scroll', () => {
      this.#follow = list.scrollHeight - list.scrollTop - list.clientHeight < NEAR;
    });
    new ResizeObserver(() => this.#toEnd()).observe(list);
  }

  clear(): void {
    this.#list.replaceChildren();
    this.#fresh = [];
    this.#entries.clear();
    this.#follow = true;
    this.#lost = undefined;
  }

  heard({ from, event, text, direct }: Heard): void {
    const data = { from, event, ...(direct ? { direct: 'true' } : {}) };
    const head = make('p', { class: 'by' }, make('b', {}, from));
    if (direct) head.append(make('span', { class: 'tag' }, 'to you alone'));
    if (event !== 'say') head.append(make('span', { class: 'tag' }, event));
    head.append(this.#time());
    const said = make('p', { class: 'said', testId: 'message-text' }, text);
    this.#add(make('li', { class: 'message', testId: 'message', data }, badge(from), head, said));
  }

  /** Shows a message of ours; `said` again when it has come further. */
  said(said: Said): void {
    let entry = this.#entries.get(said);
    if (entry === undefined) {
      entry = make('li', { class: 'message own', testId: 'own' });
      if (said.to !== undefined) entry.append(make('span', { class: 'tag' }, `to ${said.to} alone`));
      entry.append(make('span', { class: 'progress' }), make('p', { testId: 'own-text' }, said.text));
      this.#entries.set(said, entry);
      this.#follow = true;
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
    this.#toEnd();
  }

  #add(entry: HTMLElement): void {
    this.#fresh.push(entry);
    if (this.#fresh.length === 1) setTimeout(() => this.#show(), FRAME);
    if (this.#fresh.length > MOST) this.#fresh.shift();
  }

  #show(): void {
    this.#list.append(...this.#fresh);
    this.#fresh = [];
    for (let over = this.#list.childElementCount - MOST; over > 0; over -= 1) this.#list.firstElementChild?.remove();
    this.#toEnd();
  }

  /** Whoever reads at the end stays there. */
  #toEnd(): void {
    if (this.#follow) this.#list.scrollTop = this.#list.scrollHeight;
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
