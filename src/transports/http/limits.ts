import type { ServerOptions } from 'node:http2';
import { fillNumbers } from '../../core/index.ts';
import type { Http2Limits } from '../../transport/index.ts';

export const HTTP2_LIMITS: Http2Limits = {
  streams: 100,
  headers: 128,
  headerBytes: 16_384,
  megabytes: 10,
  resets: 200,
  resetRate: 20,
  controls: 100,
  controlRate: 10,
  requestWait: 60_000,
  idle: 60_000,
};

/** What one stream takes in ahead of who reads it, in bytes, and what all streams of a connection do together. */
export const STREAM_WINDOW = 262_144;
export const CONNECTION_WINDOW: number = 16 * STREAM_WINDOW;
/** The largest number that SETTINGS can hold. */
const MOST = 2 ** 31 - 1;

/** @throws HawserError ERR_OPTION for a name that is unknown, or no number from 0. */
export function resolveLimits(given: Partial<Http2Limits> | undefined): Http2Limits {
  return fillNumbers(HTTP2_LIMITS, given, 'http2');
}

/** The bounds that Node keeps by itself. */
export function nodeOptions({ streams, headers, headerBytes, megabytes }: Http2Limits): ServerOptions {
  return {
    maxHeaderListPairs: whole(headers),
    maxSessionMemory: whole(megabytes),
    settings: {
      enableConnectProtocol: true,
      enablePush: false,
      maxConcurrentStreams: whole(streams),
      maxHeaderListSize: whole(headerBytes),
      initialWindowSize: STREAM_WINDOW,
    },
  };
}

function whole(limit: number): number {
  return Math.min(Math.floor(limit), MOST);
}
