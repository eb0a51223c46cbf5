import type { IncomingMessage, ServerResponse } from 'node:http';
import { Http1Reply } from './http1-reply.ts';
import { Http2Reply, type Http2Response } from './http2-reply.ts';
import type { OpenFile } from './open-files.ts';
import type { Span } from './ranges.ts';

/** Names in lower case. */
export type Fields = Readonly<Record<string, string | number>>;

/** One answer, over whichever version of HTTP. Nothing happens where the client is gone. */
export interface Reply {
  /** Whether nobody waits for it, or it has begun. */
  readonly isOver: boolean;
  /**
   * When bytes of it can be sent, where that isn't now: on HTTP/1.1 answers stand in line. Never resolves where the client leaves before, so that
   * nothing may be held meanwhile.
   */
  readonly turn: Promise<void> | undefined;
  /** An answer without a body. */
  head(status: number, fields: Fields): 'sent';
  bytes(status: number, fields: Fields, bytes: Uint8Array): 'sent';
  /** Bytes of a file; it is released when they are sent, or can't be. */
  file(status: number, fields: Fields, file: OpenFile, span: Span): 'sent';
}

export function replyTo(request: IncomingMessage, response: ServerResponse): Reply {
  return request.httpVersionMajor === 2
    ? new Http2Reply(response as unknown as Http2Response)
    : new Http1Reply(response);
}
