import { fillNumbers } from '../../core/index.ts';
import type { LinkOptions } from '../../transport/index.ts';
import type { MachineConfig } from './quiche.ts';

/** What all links of a transport are like; for tests and for odd networks. */
export interface QuicSettings {
  /** ms; a dial fails when the server has not answered for so long. Default 5000. */
  readonly handshakeWait?: number;
  /** ms; a link on which nothing is heard for so long is dead. The lesser of both sides' counts. Default 30,000. */
  readonly idleWait?: number;
  /** ms; a dialler that has said nothing for so long gives a sign of life. Default 10,000. */
  readonly keepalive?: number;
  /** Bytes of UDP payload that are sent at most. Default 1200 (RFC 9000 14), and 16,384 on loopback. */
  readonly datagramBytes?: number;
  /** Handshakes under way at one time, at one listener. Default 1000. */
  readonly handshakes?: number;
  /** Of them, those of one address that is not loopback. Default 50. */
  readonly handshakesPerAddress?: number;
}

/** What is agreed on by ALPN (RFC 7301): version 1 of how links lie in a connection. docs/PROTOCOL.md 2.5. */
export const ALPN = 'hawser/1';

const IDLE_WAIT = 30_000;
/** ms; what the wire can't hold ends the process in the machine. */
const IDLE_MOST = 2 ** 31 - 1;
const LANES = 200;
const MANY = 2 ** 30;
/** Bytes that the peer may have sent and we have not read: of a stream, and of all; first, and when the way is fast and long. */
const STREAM = 1024 * 1024;
const STREAM_MOST = 8 * 1024 * 1024;
const ALL = 2 * 1024 * 1024;
const ALL_MOST = 12 * 1024 * 1024;
/** Unreliable datagrams that wait in the machine; further ones are lost. */
const DATAGRAMS = 256;
/** What UDP can carry. */
const DATAGRAM_MOST = 65_507;
const DATAGRAM_LEAST = 1200;
const DATAGRAM_LOOPBACK = 16_384;

/** @throws HawserError ERR_OPTION for a name that is unknown, or no number from 0. */
export function checkSettings(settings: QuicSettings): QuicSettings {
  const names: Required<QuicSettings> = {
    handshakeWait: 0,
    idleWait: 0,
    keepalive: 0,
    datagramBytes: 0,
    handshakes: 0,
    handshakesPerAddress: 0,
  };
  fillNumbers(names, settings, 'quic');
  return settings;
}

/** How long a datagram we send may be. Nobody looks for what the path carries, so that off this machine it is what each must. */
export function datagramBytesOf(settings: QuicSettings, loopback: boolean): number {
  const bytes = settings.datagramBytes ?? (loopback ? DATAGRAM_LOOPBACK : DATAGRAM_LEAST);
  return Math.max(DATAGRAM_LEAST, Math.min(DATAGRAM_MOST, Math.floor(bytes)));
}

/** Says what the machine lets the peer do. */
export function setLimits(
  config: MachineConfig,
  side: 'listen' | 'dial',
  options: LinkOptions,
  settings: QuicSettings,
): void {
  config.setApplicationProtos([ALPN]);
  config.setMaxIdleTimeout(Math.min(settings.idleWait ?? IDLE_WAIT, IDLE_MOST));
  config.setMaxRecvUdpPayloadSize(DATAGRAM_MOST);
  config.setInitialMaxData(ALL);
  config.setInitialMaxStreamDataBidiLocal(STREAM);
  config.setInitialMaxStreamDataBidiRemote(STREAM);
  config.setInitialMaxStreamDataUni(STREAM);
  config.setMaxStreamWindow(STREAM_MOST);
  config.setMaxConnectionWindow(ALL_MOST);
  config.setInitialMaxStreamsBidi(side === 'listen' ? 1 : 0);
  // One for each lane, one for messages that keep no order, one for the goodbye.
  config.setInitialMaxStreamsUni(Math.min(MANY, Math.floor(options.lanes ?? LANES) + 2));
  config.enableDgram(true, DATAGRAMS, DATAGRAMS);
  config.setDisableActiveMigration(true);
  config.enablePacing(false);
}
