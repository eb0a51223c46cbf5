import type { Peer } from '../peer.ts';

export type PeerName = 'udpack' | 'tls' | 'tcp' | 'quic' | 'kcp' | 'bare';

const LOAD: Readonly<Record<PeerName, () => Promise<Peer>>> = {
  udpack: async () => (await import('./udpack.ts')).udpack,
  tls: async () => (await import('./net.ts')).tls,
  tcp: async () => (await import('./net.ts')).tcp,
  quic: async () => (await import('./quic.ts')).quic,
  kcp: async () => (await import('./kcp.ts')).kcp,
  bare: async () => (await import('./bare.ts')).bare,
};

/** A process loads what it measures, and nothing else. */
export function loadPeer(name: PeerName): Promise<Peer> {
  return LOAD[name]();
}
