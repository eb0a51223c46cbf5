import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { joinHeaders } from '../../websocket/index.ts';
import type { Asking } from '../websocket/parts.ts';

const NO_NAMES: ReadonlySet<string> = new Set();

/** What a request asks for, in the terms of an upgrade. */
export function askedBy(request: IncomingMessage): Asking {
  const { url = '', rawHeaders } = request;
  const [path = '', query = ''] = url.split(/\?(.*)/s);
  return { path, query, headers: joinHeaders(rawHeaders, NO_NAMES).headers, rawHeaders };
}

/** The connection that a request came by. */
export function socketOf(request: IncomingMessage): Socket {
  return request.socket;
}
