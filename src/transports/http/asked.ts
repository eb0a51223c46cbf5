import type { IncomingMessage } from 'node:http';
import type { Http2ServerRequest } from 'node:http2';
import type { Socket } from 'node:net';
import { joinHeaders, splitHeaders } from '../../websocket/index.ts';
import type { Asking } from '../websocket/parts.ts';

const NO_NAMES: ReadonlySet<string> = new Set();
/** Of requests by HTTP/2, whose own `socket` is a stand-in. */
const SOCKETS = new WeakMap<object, Socket>();

/** A request of HTTP/2 came by this connection. */
export function cameBy(request: Http2ServerRequest, socket: Socket): void {
  SOCKETS.set(request, socket);
}

/** The connection that a request came by. */
export function socketOf(request: IncomingMessage): Socket {
  return SOCKETS.get(request) ?? request.socket;
}

/** What a request asks for, in the terms of an upgrade. */
export function askedBy(request: IncomingMessage): Asking {
  const { url = '', rawHeaders } = request;
  const [path = '', query = ''] = url.split(/\?(.*)/s);
  const fields = request.httpVersionMajor < 2 ? rawHeaders : splitHeaders(rawHeaders).fields;
  return { path, query, headers: joinHeaders(fields, NO_NAMES).headers, rawHeaders: fields };
}
