import type { Member } from './api.ts';
import { badge, make } from './dom.ts';

/** Who is here, one line per user, with how many sockets the user has in the room. */
export class People {
  readonly #list: HTMLElement;
  readonly #onChoose: (user: string) => void;

  constructor(list: HTMLElement, onChoose: (user: string) => void) {
    this.#list = list;
    this.#onChoose = onChoose;
  }

  /** Shows them, and returns how many lines that made. */
  show(members: readonly Member[], self: string): number {
    const mine = members.find((member) => member.id === self)?.user;
    const counts = new Map<string, number>();
    for (const { user, id } of members) counts.set(user ?? id, (counts.get(user ?? id) ?? 0) + 1);
    const named = new Set(members.map((member) => member.user));
    const focused = this.#list.ownerDocument.activeElement?.closest<HTMLElement>('[data-user]')?.dataset['user'];
    const sorted = [...counts].toSorted(([a], [b]) => a.localeCompare(b));
    this.#list.replaceChildren(
      ...sorted.map(([name, count]) => this.#line(name, count, name === mine || name === self, named.has(name))),
    );
    if (focused !== undefined) this.#buttonOf(focused)?.focus();
    return counts.size;
  }

  #line(name: string, count: number, own: boolean, named: boolean): HTMLElement {
    const item = make('li', { testId: 'member', data: { user: name, sockets: String(count) } }, badge(name));
    item.append(make('span', { class: 'name' }, name));
    if (own) item.append(make('span', { class: 'tag' }, 'you'));
    if (count > 1) item.append(make('span', { class: 'tag' }, `${count} sockets`));
    if (named && !own) {
      const button = make('button', { class: 'link', testId: 'write-to' }, 'message');
      button.type = 'button';
      button.setAttribute('aria-label', `Message ${name} alone`);
      button.onclick = () => this.#onChoose(name);
      item.append(button);
    }
    return item;
  }

  #buttonOf(user: string): HTMLElement | null | undefined {
    const line = [...this.#list.children].find((item) => (item as HTMLElement).dataset['user'] === user);
    return line?.querySelector('button');
  }
}
