import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2';
import { realWorld } from '../runtime/index.ts';
import { resolveStaticOptions, type StaticOptions } from './options.ts';
import { Site } from './site.ts';

/** A listener of node:http and node:https, and of node:http2's compatibility API. */
export type FileListener = (
  request: IncomingMessage | Http2ServerRequest,
  response: ServerResponse | Http2ServerResponse,
) => void;

/**
 * Answers GET and HEAD with the files of a folder: an `onRequest` of a server, or a listener of node:http, node:https and node:http2 (the
 * compatibility API). docs/guides/http.md has what is answered when.
 * @throws HawserError ERR_OPTION.
 */
export function serveFiles(folder: string, options: StaticOptions = {}): FileListener {
  const site = new Site(resolveStaticOptions(folder, options), realWorld());
  // Which of both they are the site finds out.
  return (request, response) => site.answer(request as IncomingMessage, response as ServerResponse);
}

export type { StaticOptions } from './options.ts';
