import { createWriteStream, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Writable } from 'node:stream';
import { HawserError } from '../core/index.ts';

/** RFC 7464: each record begins with this and ends with a line feed. */
const RECORD = '\u001e';

/**
 * Writes what happens inside sessions as qlog, as JSON-SEQ (RFC 7464). One stream has all sessions of an endpoint; `group_id` tells them apart.
 * A stream that takes no more loses records rather than holding the endpoint up.
 */
export class Qlog {
  readonly #out: Writable;
  readonly #began: number;
  readonly #own: boolean;
  #lost = 0;
  #failed = false;

  /**
   * @param to A folder, which is made if it isn't there, or a stream.
   * @throws HawserError ERR_FILE_UNWRITABLE when there can't be such a folder.
   */
  constructor(to: string | Writable, name: string, began: number) {
    this.#own = typeof to === 'string';
    this.#out = typeof to === 'string' ? fileIn(to, name) : to;
    this.#began = began;
    // A full disk must not end what is only watched.
    this.#out.on('error', () => {
      this.#failed = true;
    });
    this.#write({
      qlog_format: 'JSON-SEQ',
      qlog_version: '0.3',
      title: name,
      trace: {
        vantage_point: { type: 'unknown' },
        common_fields: { protocol_type: ['UDPACK2'], time_format: 'relative', reference_time: Date.now() },
      },
    });
  }

  /** One event of the session `group`, at a time of the clock that `began` is of. */
  event(name: string, data: Readonly<Record<string, unknown>>, at: number, group: string): void {
    this.#write({ time: at - this.#began, group_id: group, name, data });
  }

  #write(record: object): void {
    if (this.#failed) return;
    if (this.#out.writableNeedDrain) {
      this.#lost++;
      return;
    }
    if (this.#lost > 0) {
      this.#out.write(line({ name: 'loglevel:warning', data: { message: `${this.#lost} events were left out` } }));
      this.#lost = 0;
    }
    this.#out.write(line(record));
  }

  /** Closes the file; a stream that was given belongs to who gave it. */
  close(): Promise<void> {
    if (!this.#own || this.#failed) return Promise.resolve();
    return new Promise((resolve) => void this.#out.end(() => resolve()));
  }
}

/** Enough for a second of a fast transfer. */
const HELD = 4 * 1024 * 1024;

function fileIn(folder: string, name: string): Writable {
  try {
    mkdirSync(folder, { recursive: true });
  } catch (cause) {
    const why = (cause as Error).message;
    throw new HawserError('ERR_FILE_UNWRITABLE', `the folder for qlog can't be made: ${why}`, { cause });
  }
  return createWriteStream(join(folder, `${name}.sqlog`), { highWaterMark: HELD });
}

function line(record: object): string {
  return `${RECORD}${JSON.stringify(record, inWords)}\n`;
}

function inWords(_key: string, value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('hex');
  return value === Number.POSITIVE_INFINITY ? null : value;
}
