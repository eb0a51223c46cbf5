import { createServer, type IncomingMessage, type RequestListener, type Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type HttpRefusal, judgeUpgrade, refuse } from '../../websocket/index.ts';
import { tune, wholeMs } from '../settings.ts';
import { detach, watchIdle } from '../sockets.ts';
import { receiveUpgrade, sendAway, upgradeRequired } from './grant.ts';
import { type Lobby, pathOf } from './routes.ts';

/**
 * The HTTP server behind a port that speaks WebSocket: it is handed the connections whose first request is no upgrade,
 * and listens on nothing itself.
 */
export function hiddenHttpServer(lobby: Lobby): Server {
  const { loginWait, writeWait = WRITE_WAIT, net } = lobby.options;
  const server = createServer({
    headersTimeout: wholeMs(loginWait),
    requestTimeout: wholeMs(Math.max(loginWait, REQUEST_WAIT)),
    connectionsCheckingInterval: wholeMs(Math.max(MIN_CHECK, Math.min(loginWait, MAX_CHECK))),
  });
  const idleTimeout = net?.idleTimeout ?? 0;
  server.timeout = wholeMs(idleTimeout > 0 ? idleTimeout : writeWait);
  if (idleTimeout > 0) server.keepAliveTimeout = Math.min(server.keepAliveTimeout, wholeMs(idleTimeout));
  server.on('timeout', (socket) => {
    // An answer that is still being made may take its time; one that nobody reads may not.
    if (idleTimeout > 0 || !isAnswering(socket) || socket.writableLength > 0) socket.destroy();
  });
  server.on('request', (request, response) => void answer(lobby, request, response));
  server.on('upgrade', (request, socket, head) => onUpgrade(lobby, server, request, socket, head));
  // Without a port of its own it would never begin to look for requests that take too long.
  server.emit('listening');
  return server;
}

/** Has a request answered; what the application throws meanwhile, now or later, costs that connection alone. */
export async function answer(lobby: Lobby, request: IncomingMessage, response: ServerResponse): Promise<void> {
  try {
    if (lobby.annex?.take(request, response) === true) return;
    // A listener promises nothing by its type, and may all the same.
    const result: unknown = handlerOf(lobby, request)(request, response);
    await result;
  } catch (error) {
    const { options } = lobby;
    if (options.report === undefined) options.world.report?.(error);
    else options.report(error, 'onRequest');
    if (response.headersSent) response.destroy();
    else response.writeHead(500, isOld(request) ? { Connection: 'close' } : {}).end();
  }
}

/** What the owner of the path answers with, or else the first who answers at all. */
function handlerOf({ routes }: Lobby, request: IncomingMessage): RequestListener {
  const own = routes.find(pathOf(request.url ?? ''))?.reception.options.onRequest;
  const other = isListener(own) ? own : routes.first(({ reception }) => reception.options.onRequest);
  return isListener(other) ? other : answerUpgradeRequired;
}

/** ms. */
const REQUEST_WAIT = 60_000;
const WRITE_WAIT = 30_000;
const MIN_CHECK = 100;
const MAX_CHECK = 5000;

/** Hands over a connection with what was read of it. */
export function handToHttp(server: Server, socket: Socket, bytes: Uint8Array): void {
  socket.pause();
  detach(socket);
  server.emit('connection', socket);
  socket.unshift(bytes);
  socket.resume();
}

/** An upgrade that an HTTP server found, `server` where there is one to ask. What asks for another protocol gets an answer in HTTP, as RFC 9110 7.8 allows. */
export function onUpgrade(
  lobby: Lobby,
  server: Server | undefined,
  request: IncomingMessage,
  stream: Duplex,
  head: Uint8Array,
): void {
  const socket = stream as Socket;
  if (isAnswering(socket)) {
    socket.destroy();
    return;
  }
  const verdict = judgeUpgrade(request.method ?? '', request.url ?? '', request.httpVersion, request.rawHeaders);
  if (verdict.kind === 'http') {
    if (server === undefined) sendAway(lobby, socket, upgradeRequired());
    else answerOnce(lobby, server, request, socket);
    return;
  }
  watchIdle(socket, lobby.options.net?.idleTimeout ?? 0);
  if (verdict.kind === 'refuse') {
    sendAway(lobby, socket, verdict.refusal);
    return;
  }
  tune(socket, 'ws', lobby.options.net ?? {});
  receiveUpgrade(lobby, socket, verdict.request, head);
}

/**
 * Whether an earlier request on the connection has no whole answer yet. Who sends an upgrade behind it can't know what will be spoken, and an
 * answer in the midst of another protocol is none.
 */
function isAnswering(socket: Socket): boolean {
  // Where node:http keeps the answer that has the connection; it refuses to assign a second by the same word.
  return (Reflect.get(socket, '_httpMessage') ?? null) !== null;
}

/** Node has taken the connection away from its server: the request is answered, and the connection ends with it. */
function answerOnce(lobby: Lobby, server: Server, request: IncomingMessage, socket: Socket): void {
  if (hasBody(request)) {
    sendAway(lobby, socket, refuse(400, 'an upgrade with a body is not served'));
    return;
  }
  const response = new ServerResponse(request);
  response.shouldKeepAlive = false;
  response.assignSocket(socket);
  response.on('finish', () => {
    response.detachSocket(socket);
    socket.destroySoon();
  });
  socket.on('error', () => socket.destroy());
  socket.setTimeout(server.timeout, () => server.emit('timeout', socket) || socket.destroy());
  socket.resume();
  server.emit('request', request, response);
}

function hasBody(request: IncomingMessage): boolean {
  return request.headers['transfer-encoding'] !== undefined || (request.headers['content-length'] ?? '0') !== '0';
}

/** Whether a connection carries one request at a time, and says so. */
function isOld(request: IncomingMessage): boolean {
  return request.httpVersionMajor < 2;
}

function answerUpgradeRequired(request: IncomingMessage, response: ServerResponse): void {
  const refusal: HttpRefusal = isOld(request) ? upgradeRequired() : NOTHING_ELSE;
  response.writeHead(refusal.status, { ...refusal.headers, 'Content-Type': 'text/plain; charset=utf-8' });
  response.end(refusal.body);
}

/** HTTP/2 has no upgrade that could be asked for. */
const NOTHING_ELSE: HttpRefusal = refuse(404, 'nothing but WebSocket is served here');

/** `ListenOptions` knows nothing of Node, so that its type says nothing either. */
function isListener(onRequest: unknown): onRequest is RequestListener {
  return typeof onRequest === 'function';
}
