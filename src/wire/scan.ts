import { isUtf8 } from '../core/index.ts';

/** How deeply arrays and maps may lie in one another, in both dialects. */
export const DEPTH_MAX = 64;

/** Up to this many keys a map is searched pair by pair for one that comes twice; beyond, with a set. */
const PAIRWISE_KEYS = 16;

/** By level: items still to come, a map's keys and values counted apart. */
const left = new Int32Array(DEPTH_MAX + 1);
/** By level: for a map, where its keys begin in `keys`; -1 for an array. */
const firstKey = new Int32Array(DEPTH_MAX + 1);
/** The keys of the maps that are open: start and length of each in the bytes. */
let keys = new Int32Array(1024);

/**
 * Whether `bytes` from `start` to `end` are exactly one MessagePack value as Hawser has it: no deeper than 64, nothing announced that
 * is not there, strings in UTF-8, map keys strings that come once and are not `__proto__`, no extension but the timestamp. Returns
 * undefined when it is, else what is wrong. Walks without recursion and takes no memory, so that a library's decoder can be let loose on
 * the bytes. `trusted` bytes come from our own encoder: only their depth is looked at.
 */
export function scan(bytes: Uint8Array, start: number, end: number, trusted = false): string | undefined {
  let depth = 0;
  let at = start;
  let keyCount = 0;
  left[0] = 1;
  firstKey[0] = -1;
  for (;;) {
    while (left[depth] === 0) {
      if (depth === 0) return at === end ? undefined : 'bytes after the value';
      const base = firstKey[depth] as number;
      if (base >= 0) keyCount = base;
      depth -= 1;
    }
    if (at >= end) return 'the value ends early';
    const remaining = (left[depth] as number) - 1;
    left[depth] = remaining;
    const type = bytes[at] as number;
    const base = firstKey[depth] as number;
    if (base >= 0 && (remaining & 1) === 1) {
      const header = stringHeader(type);
      if (header === 0) return 'a map key is no string';
      const length = header === 1 ? type & 0x1f : readLength(bytes, at + 1, header - 1, end);
      at += header;
      if (length < 0 || length > end - at) return 'the value ends early';
      if (!trusted) {
        const wrong = checkKey(bytes, at, length, base, keyCount);
        if (wrong !== undefined) return wrong;
      }
      keyCount = pushKey(keyCount, at, length);
      at += length;
      continue;
    }
    at += 1;
    if (type < 0x80 || type >= 0xe0) continue; // fixint
    if (type < 0xa0 || (type >= 0xdc && type <= 0xdf)) {
      const isMap = type < 0xa0 ? type < 0x90 : type >= 0xde;
      const width = type < 0xa0 ? 0 : type & 1 ? 4 : 2;
      const count = width === 0 ? type & 0x0f : readLength(bytes, at, width, end);
      at += width;
      const items = isMap ? count * 2 : count;
      if (count < 0 || items > end - at) return 'announces more items than there are bytes';
      if (depth === DEPTH_MAX) return 'nested too deeply';
      depth += 1;
      left[depth] = items;
      firstKey[depth] = isMap ? keyCount : -1;
      continue;
    }
    const header = stringHeader(type);
    if (header !== 0) {
      const length = header === 1 ? type & 0x1f : readLength(bytes, at, header - 1, end);
      at += header - 1;
      if (length < 0 || length > end - at) return 'the value ends early';
      if (!trusted && !isUtf8(bytes, at, at + length)) return 'a string is no UTF-8';
      at += length;
      continue;
    }
    const size = scalarSize(bytes, type, at, end);
    if (size === -1) return 'the value ends early';
    if (size === -2) return 'a type that has no meaning here';
    at += size;
    if (at > end) return 'the value ends early';
  }
}

/** How long the header of a string is, type byte included; 0 for what is no string. */
function stringHeader(type: number): number {
  if (type >= 0xa0 && type < 0xc0) return 1;
  if (type === 0xd9) return 2;
  if (type === 0xda) return 3;
  return type === 0xdb ? 5 : 0;
}

/** What follows the type byte of a scalar; -1 when the bytes end, -2 when the type is none of ours. */
function scalarSize(bytes: Uint8Array, type: number, at: number, end: number): number {
  switch (type) {
    case 0xc0:
    case 0xc2:
    case 0xc3:
      return 0;
    case 0xc4:
    case 0xc5:
    case 0xc6: {
      const width = 1 << (type - 0xc4);
      const length = readLength(bytes, at, width, end);
      return length < 0 ? -1 : width + length;
    }
    case 0xc7: // ext 8: the 96-bit timestamp is 12 bytes of type -1
      if (at + 2 > end) return -1;
      return bytes[at] === 12 && bytes[at + 1] === 0xff ? 14 : -2;
    case 0xcc:
    case 0xd0:
      return 1;
    case 0xcd:
    case 0xd1:
      return 2;
    case 0xca:
    case 0xce:
    case 0xd2:
      return 4;
    case 0xcb:
    case 0xcf:
    case 0xd3:
      return 8;
    case 0xd6: // fixext 4 and 8: the 32-bit and the 64-bit timestamp
    case 0xd7:
      if (at >= end) return -1;
      return bytes[at] === 0xff ? (type === 0xd6 ? 5 : 9) : -2;
    default:
      return -2;
  }
}

/** A length of 1, 2 or 4 bytes; -1 when the bytes end before it does. */
function readLength(bytes: Uint8Array, at: number, width: number, end: number): number {
  if (at + width > end) return -1;
  let length = 0;
  for (let i = 0; i < width; i++) length = length * 256 + (bytes[at + i] as number);
  return length;
}

function checkKey(bytes: Uint8Array, at: number, length: number, base: number, keyCount: number): string | undefined {
  if (!isUtf8(bytes, at, at + length)) return 'a string is no UTF-8';
  if (length === 9 && isProto(bytes, at)) return 'the key __proto__';
  if (keyCount - base <= PAIRWISE_KEYS) {
    for (let i = base; i < keyCount; i++) if (sameKey(bytes, at, length, i)) return 'a key comes twice';
    return undefined;
  }
  return comesTwice(bytes, at, length, base, keyCount) ? 'a key comes twice' : undefined;
}

/** The names of a long map; built anew when another map is looked at. */
let longMap: { base: number; count: number; bytes: Uint8Array; names: Set<string> } | undefined;

function comesTwice(bytes: Uint8Array, at: number, length: number, base: number, keyCount: number): boolean {
  if (longMap === undefined || longMap.bytes !== bytes || longMap.base !== base || longMap.count !== keyCount) {
    longMap = { base, count: base, bytes, names: new Set() };
  }
  for (; longMap.count < keyCount; longMap.count++) {
    const i = longMap.count * 2;
    longMap.names.add(latin1(bytes, keys[i] as number, keys[i + 1] as number));
  }
  const name = latin1(bytes, at, length);
  if (longMap.names.has(name)) {
    longMap = undefined;
    return true;
  }
  longMap.names.add(name);
  longMap.count += 1;
  return false;
}

function latin1(bytes: Uint8Array, at: number, length: number): string {
  let name = '';
  for (let i = at; i < at + length; i++) name += String.fromCharCode(bytes[i] as number);
  return name;
}

function sameKey(bytes: Uint8Array, at: number, length: number, index: number): boolean {
  if (keys[index * 2 + 1] !== length) return false;
  const other = keys[index * 2] as number;
  for (let i = 0; i < length; i++) if (bytes[at + i] !== bytes[other + i]) return false;
  return true;
}

function pushKey(count: number, at: number, length: number): number {
  if (count * 2 + 2 > keys.length) {
    const more = new Int32Array(keys.length * 2);
    more.set(keys);
    keys = more;
  }
  keys[count * 2] = at;
  keys[count * 2 + 1] = length;
  return count + 1;
}

const PROTO = [0x5f, 0x5f, 0x70, 0x72, 0x6f, 0x74, 0x6f, 0x5f, 0x5f];

function isProto(bytes: Uint8Array, at: number): boolean {
  for (let i = 0; i < 9; i++) if (bytes[at + i] !== PROTO[i]) return false;
  return true;
}
