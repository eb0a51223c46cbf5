import { createHash } from 'node:crypto';
import type { HistoryRule, Subject } from '../../engine/index.ts';

/**
 * What names may stand in a subject as they are: short ones without a dot, blank, wildcard or `~`. All others stand as `~` and 132 bits of
 * their SHA-256, so that subjects are short whatever the names are; what travels says whom it is for in full, and two names with one hash
 * are out of anybody's reach.
 */
const PLAIN = /^[\w/:@+-]{1,48}$/;
const HASH_LETTERS = 22;
/** Rules are few, and a stream's description has the name of its own. */
const KEY_LETTERS = 16;

export function tokenOf(name: string): string {
  if (PLAIN.test(name)) return name;
  // Not UTF-8, which makes one of all halves of surrogate pairs.
  return `~${createHash('sha256').update(name, 'utf16le').digest('base64url').slice(0, HASH_LETTERS)}`;
}

/** A room's place below a prefix: two tokens. */
export const pathOf = (namespace: string, room: string): string => `${tokenOf(namespace)}.${tokenOf(room)}`;

/** All subjects and streams of one cluster. */
export class Names {
  readonly #name: string;
  readonly #prefix: string;

  constructor(name: string) {
    this.#name = name;
    this.#prefix = `hawser.${name}`;
  }

  /** Where programs that are no nodes push. */
  get push(): string {
    return `${this.#prefix}.push`;
  }

  /** Where nodes that want to make a stream tell each other. */
  get making(): string {
    return `${this.#prefix}.making`;
  }

  subject(subject: Subject): string {
    if (subject.kind === 'all') return `${this.#prefix}.all`;
    if (subject.kind === 'node') return `${this.#prefix}.node.${tokenOf(subject.node)}`;
    const name = subject.kind === 'room' ? subject.room : subject.user;
    return `${this.#prefix}.${subject.kind}.${pathOf(subject.namespace, name)}`;
  }

  /** Where the logs of a rule's rooms are. */
  logs(rule: HistoryRule): LogNames {
    const key = createHash('sha256').update(rule.name, 'utf16le').digest('hex').slice(0, KEY_LETTERS);
    return new LogNames(this.#prefix, key, `HAWSER_${this.#name}_${key}`);
  }
}

/**
 * One stream per rule. Its subjects name the epoch, which is drawn when the stream is made: what is added for a stream that is no more has
 * nobody to take it, and what is heard says which stream it is of.
 */
export class LogNames {
  readonly #prefix: string;
  readonly #key: string;
  readonly stream: string;

  constructor(prefix: string, key: string, stream: string) {
    this.#prefix = prefix;
    this.#key = key;
    this.stream = stream;
  }

  /** Where entries are added. */
  added(epoch: string): string {
    return `${this.#prefix}.log.${this.#key}.${epoch}`;
  }

  /** What the stream publishes again, numbered, and where. */
  get republish(): { readonly src: string; readonly dest: string } {
    return { src: `${this.#prefix}.log.${this.#key}.>`, dest: `${this.#prefix}.live.${this.#key}.>` };
  }

  /** What a node hears to have a room's entries of whatever epoch. */
  heard(path: string): string {
    return `${this.#prefix}.live.${this.#key}.*.${path}`;
  }

  /** The epoch of a stream that takes these subjects; undefined when it is none of ours. */
  epochOf(subjects: readonly string[]): string | undefined {
    const [subject = ''] = subjects;
    const epoch = epochIn(subject);
    return subjects.length === 1 && subject === `${this.added(epoch)}.*.*` ? epoch : undefined;
  }
}

/** `hawser.<name>.live.<key>.<epoch>.…` */
export function epochIn(subject: string): string {
  return subject.split('.', 5)[4] ?? '';
}
