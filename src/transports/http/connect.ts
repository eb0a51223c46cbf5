import type { ServerHttp2Stream } from 'node:http2';
import type { Socket } from 'node:net';
import { type HttpRefusal, judgeConnect } from '../../websocket/index.ts';
import { type Door, grant, type Lobby } from '../websocket/parts.ts';
import { StreamPort } from './stream-port.ts';

const NO_BYTES = new Uint8Array(0);
/** Not implemented: RFC 8441 4 for a `:protocol` that is unknown, and what a CONNECT to elsewhere is here. */
const UNKNOWN = 501;
const PROTOCOL_VERSION = '13';

/** Answers a CONNECT: a WebSocket on the stream (RFC 8441), or a refusal. True when there is a link. */
export function receiveConnect(
  lobby: Lobby,
  socket: Socket,
  stream: ServerHttp2Stream,
  rawHeaders: readonly string[],
): boolean {
  const verdict = judgeConnect(rawHeaders);
  if (verdict.kind === 'http') {
    stream.respond({ ':status': UNKNOWN }, { endStream: true });
    return false;
  }
  if (verdict.kind === 'refuse') {
    refuseOn(stream, verdict.refusal);
    return false;
  }
  const port = new StreamPort(stream);
  let isUp = false;
  const door: Door = {
    refuse: (_, refusal) => refuseOn(stream, refusal),
    open: (protocol, headers = {}) => {
      stream.respond({
        ':status': 200,
        ...(protocol !== undefined && protocol !== '' && { 'sec-websocket-protocol': protocol }),
        ...lowered(headers),
      });
      return port;
    },
    enter: (link) => {
      isUp = true;
      port.begin(link, lobby.options.net?.idleTimeout ?? 0);
    },
  };
  grant(lobby, socket, verdict.request, door, NO_BYTES);
  return isUp;
}

function refuseOn(stream: ServerHttp2Stream, { status, body }: HttpRefusal): void {
  stream.respond({
    ':status': status,
    'content-type': 'text/plain; charset=utf-8',
    'sec-websocket-version': PROTOCOL_VERSION,
  });
  stream.end(body);
}

function lowered(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
}
