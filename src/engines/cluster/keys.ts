import { createHash } from 'node:crypto';
import type { Subject } from '../../engine/index.ts';

/** Of a key that the hub takes, in bytes. */
export const KEY_BYTES_MAX = 4096;
/** From here on a key is the hash of its text: UTF-16 code units, each of which has 3 bytes at the most. */
const LONG = 1024;

/**
 * What the hub knows a subject by: texts that no other subject has, of the cluster `name`. It compares them and never looks inside, but for the
 * kind at the beginning.
 */
export function keyOf(name: string, subject: Subject): string {
  switch (subject.kind) {
    case 'room':
      return shortened('r', name, within(subject.namespace, subject.room));
    case 'user':
      return shortened('u', name, within(subject.namespace, subject.user));
    case 'node':
      return shortened('n', name, subject.node);
    default:
      return shortened('a', name, '');
  }
}

/** Likewise for the log of a room. */
export function logKeyOf(name: string, namespace: string, room: string): string {
  return shortened('l', name, within(namespace, room));
}

/** The node that the key stands for, if it is one of this cluster and its id is not too long to be read. */
export function nodeOf(name: string, key: string): string | undefined {
  const start = `n${name.length}:${name}`;
  return key.startsWith(start) ? key.slice(start.length) : undefined;
}

/** Whether the key stands for a node; `latin1` is its bytes, as the hub keeps them. */
export function isNodeKey(latin1: string): boolean {
  return latin1.startsWith('n');
}

/** An id as it is sent: as long as it may be, and no longer. */
export function shortId(id: string): string {
  return id.length > LONG ? hashOf(id) : id;
}

function within(namespace: string, name: string): string {
  return `${namespace.length}:${namespace}${name}`;
}

function shortened(kind: string, name: string, rest: string): string {
  const key = `${kind}${name.length}:${name}${rest}`;
  // UTF-8 has no bytes for half a surrogate pair.
  const isWhole = (key as { isWellFormed?(): boolean }).isWellFormed?.() ?? true;
  return key.length > LONG || !isWhole ? `${kind}#${hashOf(key)}` : key;
}

function hashOf(text: string): string {
  return createHash('sha256').update(text, 'utf16le').digest('base64');
}
