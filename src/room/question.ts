import { HawserError } from '../core/index.ts';
import type { Target } from '../engine/index.ts';

/** What a node asks of the sockets of the others. The number in a kind grows when its shape changes: nodes of two versions work together. */
export type Question =
  | { readonly kind: 'find/1'; readonly target: Target; readonly most: number; readonly sockets?: readonly string[] }
  | { readonly kind: 'join/1' | 'leave/1'; readonly target: Target; readonly rooms: readonly string[] }
  | { readonly kind: 'disconnect/1'; readonly target: Target; readonly code: number; readonly reason: string }
  | {
      readonly kind: 'request/1';
      readonly target: Target;
      readonly name: string;
      readonly data: unknown;
      /** ms; 0 waits for ever. */
      readonly timeout: number;
    };

/** Names of rooms, users and sockets in one question. */
const MOST_NAMES = 10_000;
/** Their UTF-16 code units. */
const MOST_LETTERS = 1 << 20;
const NAMESPACE_LETTERS = 1024;
/** The longest list that one node answers with. */
export const MOST_FOUND = 100_000;

/** Whether another node's question is one of ours, whole and within bounds; undefined when it is not. */
export function readQuestion(value: unknown): Question | undefined {
  if (!isRecord(value) || !isTarget(value['target'])) return undefined;
  return isWhole(value) && namesFit(value as unknown as Question) ? (value as unknown as Question) : undefined;
}

/** @throws HawserError ERR_ARGUMENT for more names than a question may have. */
export function checkNames(question: Question): void {
  if (namesFit(question)) return;
  throw new HawserError('ERR_ARGUMENT', `a call to all nodes names at most ${MOST_NAMES} rooms, users and sockets`);
}

function isWhole(value: Readonly<Record<string, unknown>>): boolean {
  switch (value['kind']) {
    case 'find/1':
      return isCount(value['most']) && (value['sockets'] === undefined || isTexts(value['sockets']));
    case 'join/1':
    case 'leave/1':
      return isTexts(value['rooms']);
    case 'disconnect/1':
      return isCount(value['code']) && typeof value['reason'] === 'string';
    case 'request/1':
      return typeof value['name'] === 'string' && isCount(value['timeout']);
    default:
      return false;
  }
}

function isTarget(value: unknown): value is Target {
  if (!isRecord(value) || typeof value['namespace'] !== 'string') return false;
  if (value['namespace'].length > NAMESPACE_LETTERS) return false;
  return ['rooms', 'users', 'exceptRooms', 'exceptSockets'].every((list) => isTexts(value[list]));
}

function namesFit(question: Question): boolean {
  const { rooms, users, exceptRooms, exceptSockets } = question.target;
  const lists = [rooms, users, exceptRooms, exceptSockets];
  if ('rooms' in question) lists.push(question.rooms);
  if ('sockets' in question && question.sockets !== undefined) lists.push(question.sockets);
  const names = lists.reduce((sum, list) => sum + list.length, 0);
  if (names > MOST_NAMES) return false;
  return lists.flat().reduce((sum, name) => sum + name.length, 0) <= MOST_LETTERS;
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((one) => typeof one === 'string');
}

export function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0;
}
