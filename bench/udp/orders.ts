import type { Latency } from '../asking.ts';
import type { Place, Target } from './peer.ts';
import type { PeerName } from './peers/index.ts';

/** What the conductor orders a process to do; each is answered by one `Answer`. */
export type Order =
  | { readonly do: 'serve'; readonly peer: PeerName; readonly place: Place }
  | { readonly do: 'mode'; readonly mode: Mode }
  | { readonly do: 'verify'; readonly peer: PeerName; readonly place: Place; readonly target: Target }
  | { readonly do: 'begin'; readonly load: Load; readonly forgery?: Forgery }
  | { readonly do: 'forge'; readonly target: Target; readonly id: string | undefined; readonly perSecond: number }
  | { readonly do: 'id' }
  | { readonly do: 'mark' }
  | { readonly do: 'finish' };

/** What a server does with the streams that are opened from now on. */
export type Mode = 'echo' | 'count' | 'clock' | 'gaps' | 'pour';

/** What a load generator does until it is told to finish. */
export type Load =
  | { readonly kind: 'bulk'; readonly chunk: number }
  | { readonly kind: 'fetch'; readonly chunk: number }
  | { readonly kind: 'round-trips'; readonly size: number }
  | { readonly kind: 'ticks'; readonly size: number; readonly streams: number; readonly everyMs: number }
  | { readonly kind: 'handshakes'; readonly atOnce: number }
  | { readonly kind: 'forged'; readonly size: number };

/** What a forged datagram pretends to be: of a session that lives, of one that doesn't, or the first one of a handshake. */
export type Forgery = 'live' | 'unknown' | 'init';

/** A process at one moment. Counts begin with the process, latencies with the mark before. */
export interface Mark {
  readonly atMs: number;
  readonly cpuUs: number;
  readonly rssBytes: number;
  readonly bytes: number;
  readonly messages: number;
  readonly bytesSent: number | undefined;
  /** That a server got; undefined where it isn't known. */
  readonly datagrams: number | undefined;
  readonly latency: Latency | undefined;
}
