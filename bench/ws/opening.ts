import { randomBytes } from 'node:crypto';
import type { Framing } from './framing.ts';

/** A step of the opening: what is said, and what has to be heard before the next one. */
export interface Step {
  /** Made for each connection anew. */
  say(): Buffer;
  /** How many of the bytes that came the step takes; 0: more are needed. Throws at what it did not expect. */
  hear(bytes: Buffer): number;
}

const HEAD_END = Buffer.from('\r\n\r\n');

/** An upgrade with the headers that a browser sends. */
export function upgrade(host: string, path: string, protocol?: string): Step {
  const lines = [
    `GET ${path} HTTP/1.1`,
    `Host: ${host}`,
    'Connection: Upgrade',
    'Pragma: no-cache',
    'Cache-Control: no-cache',
    'User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36',
    'Upgrade: websocket',
    `Origin: http://${host}`,
    'Sec-WebSocket-Version: 13',
    'Accept-Encoding: gzip, deflate, br, zstd',
    'Accept-Language: en-GB,en;q=0.9,de;q=0.8',
    'Cookie: session=4f1c9e2ab7d0; theme=dark',
    'Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits',
    ...(protocol === undefined ? [] : [`Sec-WebSocket-Protocol: ${protocol}`]),
    'Sec-WebSocket-Key: ',
  ];
  const head = lines.join('\r\n');
  return {
    say: () => Buffer.from(`${head}${randomBytes(16).toString('base64')}\r\n\r\n`),
    hear: (bytes) => {
      const end = bytes.indexOf(HEAD_END);
      if (end < 0) return 0;
      const answer = bytes.toString('latin1', 0, end);
      if (!answer.startsWith('HTTP/1.1 101')) throw new Error(`the upgrade was refused: ${answer}`);
      return end + HEAD_END.length;
    },
  };
}

/** Waits for one frame whose payload begins with these bytes. */
export function frameStep(framing: Framing, said: Buffer, start: Uint8Array): Step {
  return {
    say: () => said,
    hear: (bytes) => {
      const header = framing.measure(bytes, 0, bytes.length);
      if (header === 0 || bytes.length < header + framing.length) return 0;
      const payload = bytes.subarray(header, header + framing.length);
      if (!payload.subarray(0, start.length).equals(start))
        throw new Error(`unexpected: ${payload.toString('latin1')}`);
      return header + framing.length;
    },
  };
}
