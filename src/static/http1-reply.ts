import type { ServerResponse } from 'node:http';
import type { OpenFile } from './open-files.ts';
import type { Span } from './ranges.ts';
import type { Fields, Reply } from './reply.ts';

export class Http1Reply implements Reply {
  readonly #response: ServerResponse;

  constructor(response: ServerResponse) {
    this.#response = response;
  }

  get isOver(): boolean {
    const { destroyed, headersSent, writableEnded } = this.#response;
    return destroyed || headersSent || writableEnded;
  }

  /** The answer at the head of the line has the connection, and no other hears when that closes. */
  get turn(): Promise<void> | undefined {
    const response = this.#response;
    if (response.socket !== null || this.isOver) return undefined;
    return new Promise((resolve) => response.once('socket', () => resolve()));
  }

  head(status: number, fields: Fields): 'sent' {
    if (!this.isOver) this.#response.writeHead(status, fields).end();
    return 'sent';
  }

  bytes(status: number, fields: Fields, bytes: Uint8Array): 'sent' {
    if (!this.isOver) this.#response.writeHead(status, fields).end(bytes);
    return 'sent';
  }

  file(status: number, fields: Fields, file: OpenFile, span: Span): 'sent' {
    if (this.isOver || span.start === span.end) {
      file.release();
      return this.head(status, fields);
    }
    const response = this.#response.writeHead(status, fields);
    void pour(file, span, response).then(
      (isWhole) => (isWhole ? response.end() : response.destroy()),
      (error: Error) => response.destroy(error),
    );
    return 'sent';
  }
}

/**
 * Sends a span of a file, no faster than the client reads; then releases it. Not a stream of node:fs: when that is destroyed it closes the descriptor,
 * which is others' too. Resolves with false when the client has gone, or the file has become shorter.
 */
async function pour(file: OpenFile, { start, end }: Span, response: ServerResponse): Promise<boolean> {
  try {
    for (let at = start; at < end; ) {
      const bytes = Buffer.allocUnsafe(Math.min(CHUNK, end - at));
      const got = await file.read(at, bytes);
      if (got === 0 || response.destroyed) return false;
      at += got;
      if (!response.write(bytes.subarray(0, got)) && !(await drained(response))) return false;
    }
    return true;
  } finally {
    file.release();
  }
}

/** False when the client has gone. */
async function drained(response: ServerResponse): Promise<boolean> {
  return await new Promise((resolve) => {
    const told = (): void => {
      response.off('drain', told).off('close', told);
      resolve(!response.destroyed);
    };
    response.on('drain', told).on('close', told);
  });
}

/** bytes */
const CHUNK = 65_536;
