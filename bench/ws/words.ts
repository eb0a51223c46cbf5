import { pattern } from '../udp/tally.ts';

const LETTERS = 'abcdefghijklmnopqrstuvwxyz0123456789';

/** ASCII that looks like chance, the same each time. */
export function words(length: number): string {
  return Array.from(pattern(length), (byte) => LETTERS[byte % LETTERS.length]).join('');
}
