import { encodeValue } from '../../wire/index.ts';
import type { NodeNotice } from '../nodes.ts';
import { isCount } from './frame.ts';
import { isMap } from './message-frame.ts';
import type { Reports } from './reports.ts';

/** What a node says of itself beside its name and endpoints, bytes. */
export const METADATA_BYTES: number = 4 * 1024;
/** Endpoints that a node names, and UTF-16 code units of each, and of its name. */
const ENDPOINTS_MOST = 64;
const TEXT_MOST = 1024;

/** What a node says of itself that seldom changes. */
export interface Notice extends Pick<NodeNotice, 'state' | 'endpoints' | 'metadata'> {
  readonly name: string;
  /** Grows with each change. */
  readonly version: number;
}

/** The last notice of this node. */
export class OwnNotice {
  readonly #reports: Reports;
  #said: Uint8Array | undefined;
  notice: Notice;
  sockets = 0;

  constructor(id: string, reports: Reports) {
    this.#reports = reports;
    this.notice = { version: 0, name: id, state: 'up', endpoints: [], metadata: {} };
  }

  get list(): readonly unknown[] {
    const { version, name, state, endpoints, metadata } = this.notice;
    return [version, name, state === 'draining', endpoints, metadata, this.sockets];
  }

  /** Whether others must be told at once. */
  change({ name = this.notice.name, state, endpoints, sockets, metadata }: NodeNotice): boolean {
    this.sockets = sockets;
    const fitting = this.#fits(metadata) ? metadata : {};
    const said = encodeValue([name, state, endpoints, fitting]);
    if (this.#said !== undefined && isEqual(this.#said, said)) return false;
    this.#said = new Uint8Array(said);
    this.notice = { version: this.notice.version + 1, name, state, endpoints: [...endpoints], metadata: fitting };
    return true;
  }

  #fits(metadata: NodeNotice['metadata']): boolean {
    try {
      const { length } = encodeValue(metadata);
      if (length <= METADATA_BYTES) return true;
      const why = `${length} bytes are more than the ${METADATA_BYTES} that a node may say of itself`;
      this.#reports.tell('metadata', 'ERR_OPTION', why, 'announce');
    } catch (error) {
      this.#reports.tell('metadata', 'ERR_UNENCODABLE', 'what the node says of itself', 'announce', error);
    }
    return false;
  }
}

/** What another node said of itself, and how many sockets it has; undefined when it is nothing of the kind. */
export function readNotice(body: readonly unknown[]): (Notice & { readonly sockets: number }) | undefined {
  const [version, name, isDraining, endpoints, metadata, sockets] = body;
  if (!isCount(version) || !isText(name) || typeof isDraining !== 'boolean' || !isCount(sockets)) return undefined;
  if (!isMap(metadata) || !Array.isArray(endpoints)) return undefined;
  if (endpoints.length > ENDPOINTS_MOST || !endpoints.every(isText)) return undefined;
  return { version, name, state: isDraining ? 'draining' : 'up', endpoints, metadata, sockets };
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value.length <= TEXT_MOST;
}

function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}
