import type { RequestListener } from 'node:http';
import { realWorld } from '../runtime/index.ts';
import { resolveStaticOptions, type StaticOptions } from './options.ts';
import { Site } from './site.ts';

/**
 * Answers GET and HEAD with the files of a folder: an `onRequest` of a server, or a listener of node:http, node:https and node:http2 (the
 * compatibility API). docs/guides/http.md has what is answered when.
 * @throws HawserError ERR_OPTION.
 */
export function serveFiles(folder: string, options: StaticOptions = {}): RequestListener {
  const site = new Site(resolveStaticOptions(folder, options), realWorld());
  return (request, response) => site.answer(request, response);
}

export type { StaticOptions } from './options.ts';
