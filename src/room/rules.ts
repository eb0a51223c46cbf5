import { HawserError, matches } from '../core/index.ts';
import type { HistoryRule } from '../engine/index.ts';

/** How much of their messages rooms keep: whichever bound is reached first. */
export interface HistoryOptions {
  /** Messages of each room, 1 to 100,000. Default 1000. */
  readonly size?: number;
  /** How old a message may be, ms, 1 to 2,678,400,000 (31 days). Default 300,000. */
  readonly age?: number;
}

const SIZE = { usual: 1000, most: 100_000 } as const;
const AGE = { usual: 300_000, most: 31 * 24 * 3_600_000 } as const;

interface PatternRule {
  readonly pattern: string;
  readonly rule: HistoryRule;
}

/** Which rooms of a namespace, or of all that a pattern makes, have history. Of several patterns that fit a room the first counts. */
export class HistoryRules {
  /** The path or pattern of the namespace. */
  readonly #path: string;
  #rules: readonly PatternRule[] = [];

  constructor(path: string) {
    this.#path = path;
  }

  get isEmpty(): boolean {
    return this.#rules.length === 0;
  }

  /** @throws HawserError ERR_OPTION (size, age), ERR_ARGUMENT (no pattern, longer than `longest`, or given before). */
  add(pattern: string, { size = SIZE.usual, age = AGE.usual }: HistoryOptions, longest: number): void {
    if (typeof pattern !== 'string' || pattern === '' || pattern.length > longest) {
      throw new HawserError('ERR_ARGUMENT', `a pattern of rooms has 1 to ${longest} characters`);
    }
    if (this.#rules.some((one) => one.pattern === pattern)) {
      throw new HawserError('ERR_ARGUMENT', `the history of '${pattern}' is set already`);
    }
    check('size', size, SIZE.most);
    check('age', age, AGE.most);
    this.#rules = [...this.#rules, { pattern, rule: { name: `${this.#path} ${pattern}`, size, age } }];
  }

  /** Undefined for a room without history. */
  of(room: string): HistoryRule | undefined {
    return this.#rules.find(({ pattern }) => matches(pattern, room))?.rule;
  }
}

function check(name: string, value: number, most: number): void {
  if (Number.isSafeInteger(value) && value >= 1 && value <= most) return;
  throw new HawserError('ERR_OPTION', `${name} is a whole number from 1 to ${most}, not ${value}`);
}
