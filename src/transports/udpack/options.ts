import { readFile } from 'node:fs/promises';
import { HawserError } from '../../core/index.ts';
import { describeEndpoint, type Endpoint, type LinkOptions, type UdpackLinkOptions } from '../../transport/index.ts';
import type { UdpackTimes } from '../../udpack/index.ts';
import type { HubOptions } from './hub.ts';
import { PREFACE_MOST } from './packets.ts';

/** What all links of a transport are like; for tests and for odd networks. */
export interface UdpackSettings {
  readonly times?: Partial<UdpackTimes>;
  /** ms; a dialled link of which answers are due and nothing is heard for so long is dead, so that the client may go another way. Default 10,000. */
  readonly answerWait?: number;
}

export const ANSWER_WAIT = 10_000;
/** The lanes that a peer may have where nobody says. */
const LANES = 200;
/** Streams of one session that UDPack can count with. */
const STREAMS_MOST = 2 ** 30;
const KEY_TEXT = /^[\w-]{43}$/;

/** Signs of life come from the dialler, who has the reason: the way back to it may be forgotten by what lies between. */
const KEEPALIVE = { listen: 0, dial: 15_000 } as const;
/** A dialler gives up before its client does, and can say why. */
const HANDSHAKE = { listen: 10_000, dial: 5000 } as const;

/** What the endpoint of a link, or of a listener, is made with. */
export function hubOptionsOf(
  side: 'listen' | 'dial',
  { messageBytes, lanes = LANES, closeWait }: LinkOptions,
  { congestion }: UdpackLinkOptions,
  { times }: UdpackSettings,
): HubOptions {
  return {
    congestion,
    limits: {
      // A message has its kind before it.
      packetBytes: Math.max(PREFACE_MOST, Math.min(messageBytes + 1, Number.MAX_SAFE_INTEGER)),
      streams: Math.min(STREAMS_MOST, Math.floor(lanes) + 1),
    },
    times: { handshakeWait: HANDSHAKE[side], keepalive: KEEPALIVE[side], closeWait, ...times },
  };
}

/** The text of a key: what was said beside the URL (`key`), or what its parameter names. @throws HawserError ERR_OPTION. */
export async function keyTextOf(
  endpoint: Endpoint,
  key: string | Uint8Array | undefined,
  whose: string,
): Promise<string | Uint8Array> {
  const named = key ?? endpoint.reserved.key;
  if (named === undefined) {
    throw new HawserError(
      'ERR_OPTION',
      `${describeEndpoint(endpoint)} needs ${whose}: ?key=FILE, made by hawser keygen`,
    );
  }
  if (key !== undefined || KEY_TEXT.test(named as string)) return named;
  try {
    return await readFile(named as string);
  } catch (cause) {
    throw new HawserError('ERR_OPTION', `the file of 'key' can't be read: ${(cause as Error).message}`, { cause });
  }
}
