import { canonicalAddress } from './addresses.ts';

type Headers = Readonly<Record<string, string>>;

/** What a proxy says of the peer that it speaks for. */
export interface Claim {
  /** An IP address, or what the proxy puts in its place: `unknown`, or an identifier of its own (RFC 7239 6.3). */
  readonly address: string;
  /** The host that the peer asked for; undefined where the proxy doesn't say. */
  readonly host: string | undefined;
}

/** More hops than this are nobody's. */
const HOPS_MOST = 32;

/** What proxies write; `claimOf` reads the first two for the peer's address, the third for its host. */
const SIGNS = ['forwarded', 'x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto', 'x-real-ip'] as const;

/** Whether a request says that it came by a proxy. */
export function isForwarded(headers: Headers): boolean {
  return SIGNS.some((name) => headers[name] !== undefined);
}

/**
 * The peer behind the proxies that are trusted: from the last hop back to the first that is none of them. By Forwarded (RFC 7239), or by
 * X-Forwarded-For and X-Forwarded-Host; a proxy that writes one of them passes on what its peer wrote into the other, so that both must say the
 * same. Undefined when no header says anything, 'malformed' when one can't be read or they differ.
 */
export function claimOf(headers: Headers, trusts: (address: string) => boolean): Claim | 'malformed' | undefined {
  const { forwarded } = headers;
  const plain = walk(plainHops(headers), trusts);
  if (forwarded === undefined || plain === 'malformed') return plain;
  const standard = walk(forwardedHops(forwarded), trusts);
  if (standard === 'malformed' || plain === undefined) return standard;
  return plain.address === standard?.address ? standard : 'malformed';
}

function walk(
  hops: readonly Claim[] | undefined,
  trusts: (address: string) => boolean,
): Claim | 'malformed' | undefined {
  if (hops === undefined || hops.length > HOPS_MOST) return 'malformed';
  let claim: Claim | undefined;
  for (const hop of hops.toReversed()) {
    claim = { address: hop.address, host: hop.host ?? claim?.host };
    if (!trusts(hop.address)) break;
  }
  return claim;
}

function plainHops(headers: Headers): Claim[] | undefined {
  const list = headers['x-forwarded-for'];
  if (list === undefined) return [];
  // Of several hosts the last one is the nearest proxy's word.
  const host = headers['x-forwarded-host']?.split(',').at(-1)?.trim();
  const hops = list.split(',').map((text): Claim => ({ address: nodeOf(text.trim()), host: undefined }));
  const last = hops.pop();
  return last && [...hops, { ...last, host }];
}

/** The elements of a Forwarded header; undefined when it is not as RFC 7239 4 has it. */
function forwardedHops(text: string): Claim[] | undefined {
  const hops: Claim[] = [];
  let fields: Record<string, string> = {};
  let at = 0;
  for (;;) {
    PAIR.lastIndex = at;
    const pair = PAIR.exec(text);
    if (pair === null) return undefined;
    at = PAIR.lastIndex;
    const [, name, token, quoted, end] = pair;
    if (name !== undefined) {
      const key = name.toLowerCase();
      if (fields[key] !== undefined) return undefined;
      fields[key] = token ?? (quoted ?? '').replace(/\\(.)/g, '$1');
    }
    if (end === ';') continue;
    hops.push({ address: nodeOf(fields['for'] ?? ''), host: fields['host'] });
    fields = {};
    if (end === '') return hops;
  }
}

/** `name=token`, `name="quoted"` or nothing, up to a semicolon, a comma, or the end. No part of it can match in two ways. */
const PAIR =
  /[ \t]*(?:([!#$%&'*+.^_`|~0-9A-Za-z-]+)=(?:([!#$%&'*+.^_`|~0-9A-Za-z-]+)|"((?:[^"\\]|\\[\t\x20-\x7e])*)")[ \t]*)?([;,]|$)/y;

/** A node without its port: an IP address in its one form, an identifier that begins with `_`, or `unknown`. */
function nodeOf(text: string): string {
  const inner = /^\[(.+)\](?::[\w.]+)?$/.exec(text)?.[1] ?? text.replace(/^([\d.]+):[\w.]+$/, '$1');
  const address = canonicalAddress(inner);
  if (address !== undefined) return address;
  return /^_[\w.-]{1,100}$/.test(text) ? text : 'unknown';
}
