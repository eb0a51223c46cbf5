import type { Socket } from 'node:net';
import type { Instant } from '../core/index.ts';
import type { LinkGroup } from '../runtime/index.ts';
import type { ListenOptions, Refusal, Source } from '../transport/index.ts';

/** Connections without a link: they are cut when the listener closes. */
export interface Guest {
  leave(): void;
}

/** What the connections of one listener share. */
export interface Reception {
  readonly group: LinkGroup;
  readonly options: ListenOptions;
  readonly guests: Set<Guest>;
}

/** A connection on its way to a link. */
export interface Arrival {
  readonly socket: Socket;
  /** When it must have become a link. */
  readonly by: Instant;
  /** Where it comes from by the word of a proxy that is believed. */
  readonly source?: Source | undefined;
}

/** How a listener speaks to those that have no link yet. */
export interface Manners {
  /** The last step of a guest's life: its first bytes, readable now, make it a link. */
  welcome(arrival: Arrival): void;
  /** The words that send a guest away. */
  words(refusal: Refusal): Uint8Array;
}
