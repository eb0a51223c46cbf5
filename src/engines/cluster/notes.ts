import type { HubDoor } from './hub.ts';

/** What the primary process and a worker tell each other over node:cluster's own channel: little, and never a message of a room. */
export type NoteToWorker =
  | { readonly hawser: 'door'; readonly path: string; readonly secret: string }
  /** It is to go: to close what it has, and end. */
  | { readonly hawser: 'stop' }
  /** No connection is on its way to it. */
  | { readonly hawser: 'left' }
  /** A connection that the primary has accepted, with its socket. */
  | { readonly hawser: 'socket'; readonly at: number };

export type NoteToPrimary =
  | { readonly hawser: 'door?' }
  /** It hears `stop`: no signal is needed. */
  | { readonly hawser: 'stops' }
  /** It listens no more. */
  | { readonly hawser: 'leaves' }
  | { readonly hawser: 'ready'; readonly data: unknown }
  | { readonly hawser: 'taken' };

/** The worker's number in its environment. */
export const NUMBER_VARIABLE = 'HAWSER_WORKER';
/** Numbers of workers that live at one time. */
export const NUMBERS = 256;

/** Anything may come over that channel: undefined where it is none of ours. */
export function noteOf(message: unknown): object | undefined {
  const isOurs = typeof message === 'object' && message !== null && 'hawser' in message;
  return isOurs ? message : undefined;
}

export function doorNote({ path, secret }: HubDoor): NoteToWorker {
  return { hawser: 'door', path, secret: Buffer.from(secret).toString('base64') };
}
