import { HawserError } from '../../core/index.ts';
import type { Ending } from './connection.ts';

/** Codes from here on are alerts of TLS (RFC 9000 20.1). */
const ALERTS = 0x100;
const ALERTS_END = 0x200;

/** What the alerts say that a peer of ours may send (RFC 8446 6). `%` is who refused whose. */
const ALERT: Readonly<Record<number, string>> = {
  40: 'no way to speak TLS that both sides know',
  42: 'the certificate was refused',
  43: 'the certificate is of a kind that is not taken',
  44: 'the certificate was revoked',
  45: 'the certificate has expired',
  46: 'the certificate was refused',
  48: 'the certificate comes from an authority that is not trusted',
  49: 'access was denied',
  51: 'the signature of the certificate is wrong',
  70: 'no version of TLS that both sides know',
  80: 'TLS failed within',
  112: 'nobody has that name here',
  116: 'a certificate is needed',
  120: 'none of the protocols that were offered by ALPN is spoken',
};

/** What transport errors are called (RFC 9000 20.1). */
const FAULT: readonly string[] = [
  'no error',
  'an internal error',
  'the connection was refused',
  'more bytes than were allowed',
  'more streams than were allowed',
  'a frame that the state of its stream does not allow',
  'a stream whose length changed',
  'a malformed frame',
  'malformed transport parameters',
  'too many connection ids',
  'a breach of the protocol',
  'a token that is not ours',
  'the application ended it in mid-handshake',
  'more of the handshake than fits',
  'a wrong update of keys',
  'too many packets with one key',
  'no path that works',
];

/** The alert of TLS that ended it, if one did. */
export function alertOf({ application, code }: Ending): number | undefined {
  return application || code < ALERTS || code >= ALERTS_END ? undefined : code - ALERTS;
}

/** What an ending means that nobody had asked for. */
export function endingError(ending: Ending): HawserError {
  const { by, application, code, reason, silent } = ending;
  if (silent) return new HawserError('ERR_PEER_SILENT', 'nothing was heard from the peer for too long');
  const who = by === 'peer' ? 'the peer' : 'this side';
  const alert = alertOf(ending);
  if (alert !== undefined) return new HawserError('ERR_TLS', `${who}: ${ALERT[alert] ?? `alert ${alert} of TLS`}`);
  if (application)
    return new HawserError('ERR_CLOSED', reason === '' ? `${who} broke off` : `${who} has closed: ${reason}`);
  return new HawserError('ERR_PROTOCOL', `${who} ended the connection: ${FAULT[code] ?? `error ${code}`}`);
}
