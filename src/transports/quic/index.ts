import type { Transport } from '../../transport/index.ts';
import { checkSettings, type QuicSettings } from './options.ts';

export type { QuicSettings } from './options.ts';

/**
 * `quic://host:port`: links over QUIC (RFC 9000) by the package @matrixai/quic, which is loaded on first use. TLS 1.3 with certificates, as `tls:` has
 * them; channels don't wait for each other's losses; volatile messages may be lost.
 */
export const quicTransport: Transport = createQuicTransport();

/**
 * The same with other settings: `connect(url, { transports: [createQuicTransport({ datagramBytes: 1452 })] })`.
 * @throws HawserError ERR_OPTION.
 */
export function createQuicTransport(settings: QuicSettings = {}): Transport {
  checkSettings(settings);
  return {
    schemes: ['quic'],
    dial: async (endpoint, options) => (await import('./dial.ts')).dialQuic(endpoint, options, settings),
    listen: async (endpoint, options) => (await import('./listener.ts')).listenQuic(endpoint, options, settings),
  };
}
