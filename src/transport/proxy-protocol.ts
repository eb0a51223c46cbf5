import { canonicalAddress } from './addresses.ts';

/** Where a connection comes from, as the proxy before us says. */
export interface Source {
  readonly address: string;
  readonly port: number;
}

/** What a connection's first bytes are: too few yet, no header, a header (without a source where the proxy speaks for itself), or a broken one. */
export type ProxyVerdict =
  | { readonly kind: 'more' }
  | { readonly kind: 'none' }
  | { readonly kind: 'header'; readonly source: Source | undefined; readonly rest: Uint8Array }
  | { readonly kind: 'broken' };

const MORE: ProxyVerdict = { kind: 'more' };
const NONE: ProxyVerdict = { kind: 'none' };
const BROKEN: ProxyVerdict = { kind: 'broken' };

const V1 = new TextEncoder().encode('PROXY ');
const V2 = Uint8Array.of(0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a);
/** With its line end. */
const V1_MOST = 107;
const V2_HEAD = 16;
/** What follows the head of version 2, bytes: the addresses, and extensions that are passed over. */
const V2_MOST = 4096;
const LF = 10;
const CR = 13;

/**
 * Reads the header of the PROXY protocol, versions 1 and 2 (haproxy.org, proxy-protocol.txt), from the first bytes of a connection, however
 * they are cut. Neither begins as anything else that is spoken here. Checksums and other extensions of version 2 are not looked at.
 */
export class ProxyHeader {
  #seen: Uint8Array = new Uint8Array(0);

  /** All that came, where it was no header. */
  get seen(): Uint8Array {
    return this.#seen;
  }

  receive(chunk: Uint8Array): ProxyVerdict {
    const seen = new Uint8Array(this.#seen.length + chunk.length);
    seen.set(this.#seen);
    seen.set(chunk, this.#seen.length);
    this.#seen = seen;
    if (startsWith(seen, V1)) return seen.length < V1.length ? MORE : readText(seen);
    if (startsWith(seen, V2)) return seen.length < V2_HEAD ? MORE : readBinary(seen);
    return NONE;
  }
}

/** Whether the bytes are the beginning of the signature, or begin with it. */
function startsWith(bytes: Uint8Array, signature: Uint8Array): boolean {
  const length = Math.min(bytes.length, signature.length);
  for (let i = 0; i < length; i++) if (bytes[i] !== signature[i]) return false;
  return true;
}

function readText(bytes: Uint8Array): ProxyVerdict {
  const end = bytes.subarray(0, V1_MOST).indexOf(LF);
  if (end < 0) return bytes.length < V1_MOST ? MORE : BROKEN;
  if (bytes[end - 1] !== CR) return BROKEN;
  const rest = bytes.subarray(end + 1);
  const [, family, from = '', to = '', fromPort = '', toPort = '', ...more] = String.fromCharCode(
    ...bytes.subarray(0, end - 1),
  ).split(' ');
  if (family === 'UNKNOWN') return { kind: 'header', source: undefined, rest };
  const isKnown = family === 'TCP4' || family === 'TCP6';
  if (!isKnown || more.length > 0 || !fits(family, from) || !fits(family, to)) return BROKEN;
  const port = portOf(fromPort);
  if (port === undefined || portOf(toPort) === undefined) return BROKEN;
  return { kind: 'header', source: { address: canonicalAddress(from) ?? '', port }, rest };
}

function fits(family: string, address: string): boolean {
  return canonicalAddress(address) !== undefined && address.includes(':') === (family === 'TCP6');
}

function portOf(text: string): number | undefined {
  return /^(?:0|[1-9]\d{0,4})$/.test(text) && Number(text) <= 65_535 ? Number(text) : undefined;
}

function readBinary(bytes: Uint8Array): ProxyVerdict {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const length = view.getUint16(14);
  const command = view.getUint8(12);
  if ((command !== 0x20 && command !== 0x21) || length > V2_MOST) return BROKEN;
  const end = V2_HEAD + length;
  if (bytes.length < end) return MORE;
  const rest = bytes.subarray(end);
  const family = view.getUint8(13);
  // A health check of the proxy's own, or a family that it doesn't name.
  if (command === 0x20 || family === 0) return { kind: 'header', source: undefined, rest };
  const body = bytes.subarray(V2_HEAD, end);
  if (family === 0x11 && length >= 12) {
    return { kind: 'header', source: { address: body.subarray(0, 4).join('.'), port: view.getUint16(24) }, rest };
  }
  if (family === 0x21 && length >= 36) {
    return { kind: 'header', source: { address: ipv6Of(view), port: view.getUint16(48) }, rest };
  }
  if (family === 0x31 && length >= 216) return { kind: 'header', source: { address: '', port: 0 }, rest };
  return BROKEN;
}

function ipv6Of(view: DataView): string {
  const groups = Array.from({ length: 8 }, (_, i) => view.getUint16(V2_HEAD + 2 * i).toString(16));
  return canonicalAddress(groups.join(':')) ?? '';
}
