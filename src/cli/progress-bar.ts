import { printable } from './output.ts';

/** What a bar shows. */
export interface Standing {
  readonly name: string;
  readonly bytes: number;
  readonly total: number;
  readonly bytesPerSecond: number;
  readonly secondsLeft: number | undefined;
}

const CELLS = 20;

/** A line at the bottom of a terminal that shows how far something is; nothing at all where there is no terminal. */
export class ProgressBar {
  readonly #stream: NodeJS.WriteStream;
  readonly #isOn: boolean;
  #line = '';

  constructor(stream: NodeJS.WriteStream, isOn: boolean) {
    this.#stream = stream;
    this.#isOn = isOn && stream.isTTY;
  }

  show(standing: Standing): void {
    if (!this.#isOn) return;
    this.#line = barOf(standing, this.#stream.columns || 80);
    this.#stream.write(`\r${this.#line}\u001b[K`);
  }

  /** Makes room for what `print` prints, and shows the bar again below it. */
  above(print: () => void): void {
    if (this.#line !== '') this.#stream.write('\r\u001b[K');
    print();
    if (this.#line !== '') this.#stream.write(this.#line);
  }

  clear(): void {
    if (this.#line !== '') this.#stream.write('\r\u001b[K');
    this.#line = '';
  }
}

/** One line of at most `columns` characters. */
export function barOf({ name, bytes, total, bytesPerSecond, secondsLeft }: Standing, columns: number): string {
  const part = total > 0 ? Math.min(1, bytes / total) : 1;
  const full = Math.floor(part * CELLS);
  const percent = `${Math.floor(part * 100)}`.padStart(3);
  const left = secondsLeft === undefined ? '' : ` ${clock(secondsLeft)} left`;
  const speed = bytesPerSecond > 0 ? ` ${sized(bytesPerSecond)}/s` : '';
  const cells = '#'.repeat(full).padEnd(CELLS, '.');
  const text = `${percent}% [${cells}] ${sized(bytes)} of ${sized(total)}${speed}${left} `;
  return `${text}${printable(name)}`.slice(0, Math.max(0, columns - 1));
}

const UNITS = ['bytes', 'kB', 'MB', 'GB', 'TB', 'PB'];

/** An amount as people read it: `999 bytes`, `1.2 MB`. */
export function sized(bytes: number): string {
  const power = bytes < 1000 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log10(bytes) / 3));
  const amount = bytes / 1000 ** power;
  return `${power === 0 || amount >= 100 ? Math.round(amount) : amount.toFixed(1)} ${UNITS[power]}`;
}

/** `0:07`, `12:30`, `3:05:00`. */
export function clock(seconds: number): string {
  const all = Math.min(Math.ceil(seconds), 359_999);
  const [hours, minutes, rest] = [Math.floor(all / 3600), Math.floor(all / 60) % 60, all % 60];
  const two = (value: number): string => `${value}`.padStart(2, '0');
  return hours > 0 ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}
