import { part, partOf } from './dom.ts';

/** What somebody wrote into the form. */
export interface Wish {
  readonly room: string;
  readonly name: string;
  readonly token: string;
}

const NAME_KEY = 'hawser.name';

/** The form one comes in by. The room may be in the address (`/#lobby`), the name is the one used last. */
export class Door {
  readonly #form: HTMLFormElement = partOf('join-form', HTMLFormElement);
  readonly #room: HTMLInputElement = partOf('room', HTMLInputElement);
  readonly #name: HTMLInputElement = partOf('name', HTMLInputElement);
  readonly #token: HTMLInputElement = partOf('token', HTMLInputElement);

  constructor(onJoin: (wish: Wish) => void, onCancel: () => void) {
    this.#room.value = roomOf(location.hash) || this.#room.value;
    this.#name.value = remembered();
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault();
      const wish = { room: this.#room.value.trim(), name: this.#name.value.trim(), token: this.#token.value.trim() };
      if (wish.name === '' && wish.token === '') {
        this.complain('Give a name, or a token that has one.');
        this.#name.focus();
        return;
      }
      this.complain('');
      remember(wish.name);
      onJoin(wish);
    });
    part('cancel').addEventListener('click', onCancel);
  }

  open(): void {
    part('door').hidden = false;
    (this.#name.value === '' ? this.#name : part('join')).focus();
  }

  close(): void {
    part('door').hidden = true;
  }

  /** While we try to get in there is nothing to fill in, and a way to give up. */
  busy(busy: boolean): void {
    partOf('join', HTMLButtonElement).disabled = busy;
    part('cancel').hidden = !busy;
  }

  /** Says what went wrong; nothing with an empty text. */
  complain(text: string): void {
    const problem = part('problem');
    problem.textContent = text;
    problem.hidden = text === '';
  }

  askForToken(): void {
    partOf('token-part', HTMLDetailsElement).open = true;
    this.#token.focus();
  }
}

function roomOf(hash: string): string {
  try {
    return decodeURIComponent(hash.slice(1));
  } catch {
    return '';
  }
}

/** Storage may be forbidden; then the name is asked for each time. */
function remembered(): string {
  try {
    return localStorage.getItem(NAME_KEY) ?? '';
  } catch {
    return '';
  }
}

function remember(name: string): void {
  try {
    localStorage.setItem(NAME_KEY, name);
  } catch {}
}
