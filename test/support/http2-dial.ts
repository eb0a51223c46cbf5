import { isUtf8 } from 'node:buffer';
import { type ClientHttp2Session, type ClientHttp2Stream, connect, type IncomingHttpHeaders } from 'node:http2';
import { type ErrorCode, HawserError } from '../../src/core/index.ts';
import { byteStreamLink, LinkGroup } from '../../src/runtime/index.ts';
import { type DialOptions, describeEndpoint, type Endpoint, type Link } from '../../src/transport/index.ts';
import { StreamPort } from '../../src/transports/http/stream-port.ts';
import { resolveCompression, ZlibCompression } from '../../src/transports/websocket/compression.ts';
import { offerDeflate, readDeflateAnswer, WebSocketFraming } from '../../src/websocket/index.ts';

/** A client's connection that speaks HTTP/2, once the server's SETTINGS are there. */
export async function openSession(url: string, ca?: string): Promise<ClientHttp2Session> {
  const session = connect(url, { ...(ca !== undefined && { ca }) });
  await new Promise<void>((resolve, reject) => {
    session.once('remoteSettings', () => resolve());
    session.once('error', reject);
    session.once('close', () => reject(new Error('closed')));
  });
  session.on('error', () => undefined);
  return session;
}

/** Asks for a WebSocket by an extended CONNECT; resolves with the stream and its answer. */
export async function extendedConnect(
  session: ClientHttp2Session,
  path: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<{ readonly stream: ClientHttp2Stream; readonly answer: IncomingHttpHeaders }> {
  const stream = session.request(
    { ':method': 'CONNECT', ':protocol': 'websocket', ':path': path, 'sec-websocket-version': '13', ...headers },
    { endStream: false },
  );
  const answer = await new Promise<IncomingHttpHeaders>((resolve, reject) => {
    stream.once('response', resolve);
    stream.once('error', reject);
    stream.once('close', () => reject(new Error('closed')));
  });
  stream.on('error', () => undefined);
  return { stream, answer };
}

/** Dials `ws:` and `wss:` by HTTP/2 (RFC 8441), each on a connection of its own. */
export async function dialByHttp2(endpoint: Endpoint, options: DialOptions, ca?: string): Promise<Link> {
  const { signal, plain, protocols } = options;
  const fail = (code: ErrorCode, cause?: unknown, data?: unknown): HawserError =>
    new HawserError(code, describeEndpoint(endpoint), { cause, data });
  if (signal.aborted) throw fail('ERR_ABORTED');
  let session: ClientHttp2Session | undefined;
  const aborted = new Promise<never>((_, reject) =>
    signal.addEventListener('abort', () => reject(fail('ERR_ABORTED')), { once: true }),
  );
  aborted.catch(() => undefined);
  try {
    const url = `${endpoint.scheme.replace('ws', 'http')}://${endpoint.host}:${endpoint.port}`;
    const opened = openSession(url, ca).catch((cause: unknown) => Promise.reject(fail('ERR_CONNECT_FAILED', cause)));
    session = await Promise.race([opened, aborted]);
    const settings = resolveCompression(options.compression);
    const { stream, answer } = await Promise.race([
      extendedConnect(session, `${endpoint.path || '/'}?${new URLSearchParams(endpoint.query).toString()}`, {
        ...(!plain && { 'sec-websocket-protocol': protocols.join(', ') }),
        ...(settings && { 'sec-websocket-extensions': offerDeflate(settings.wishes) }),
        ...options.headers,
      }),
      aborted,
    ]);
    if (Number(answer[':status']) !== 200)
      throw fail('ERR_HANDSHAKE_REFUSED', undefined, { status: answer[':status'] });
    return linkOn(stream, session, endpoint, options, answer);
  } catch (error) {
    session?.destroy();
    throw error instanceof HawserError ? error : fail('ERR_CONNECT_FAILED', error);
  }
}

function linkOn(
  stream: ClientHttp2Stream,
  session: ClientHttp2Session,
  endpoint: Endpoint,
  options: DialOptions,
  answer: IncomingHttpHeaders,
): Link {
  const { messageBytes, world, plain } = options;
  const group = new LinkGroup({ ...options, transport: endpoint.scheme });
  const settings = resolveCompression(options.compression);
  const agreed = settings && readDeflateAnswer(answer['sec-websocket-extensions'], settings.wishes);
  if (typeof agreed === 'string') throw new Error(agreed);
  const framing = new WebSocketFraming({
    role: 'client',
    messageBytes,
    isUtf8,
    maskKey: () => Math.floor(world.random.unit() * 2 ** 32),
    compression: settings && agreed && new ZlibCompression(settings, agreed, 'client'),
  });
  const port = new StreamPort(stream);
  const protocol = plain?.protocol ?? answer['sec-websocket-protocol'] ?? 'hawser.v1.json';
  const peer = { address: '127.0.0.1', port: 0, local: true, path: undefined, query: {}, headers: {} };
  const link = byteStreamLink({ group, port, framing, protocol, peer });
  port.begin(link, 0);
  stream.once('close', () => session.close());
  return link;
}
