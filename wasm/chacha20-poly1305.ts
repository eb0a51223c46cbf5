// ChaCha20-Poly1305 (RFC 8439) for short messages, four ChaCha20 blocks at a time. AssemblyScript: `npm run build:wasm` makes
// src/udpack-endpoint/aead-module.ts of it.
//
// It has no branch, no address and no count of steps that depends on a secret: additions, exclusive ors, shifts by constants and
// multiplications of 32-bit words alone, which take the same time on every processor that V8 makes code for.
//
// Its memory is one page of fixed places. The caller puts in key, nonce, header and text, calls `seal` or `open`, and takes
// out text and tag. Nothing here is allocated, and nothing keeps a state between two calls.

/** Four blocks of key stream. */
const STREAM: usize = 0;
/** The 16 words that ChaCha20 begins with, of which the caller writes key and nonce. */
const STATE: usize = 256;
/** The key of Poly1305, r and s. */
const ONCE: usize = 320;
/** The tag that was made; behind it, the one that `open` is to find. */
const MADE: usize = 352;
const GIVEN: usize = 368;
/** The header ends where the text begins; it is filled with zeros from its end up to there. */
const TEXT: usize = 1024;

export const KEY_AT: usize = STATE + 16;
export const NONCE_AT: usize = STATE + 52;
export const MADE_AT: usize = MADE;
export const GIVEN_AT: usize = GIVEN;
export const TEXT_AT: usize = TEXT;

/** Seals the text in place and makes its tag. */
export function seal(header: i32, length: i32): void {
  begin();
  crypt(length);
  authenticate(header, length);
}

/** Opens the text in place; 0, and the text as it was: the tag is another. */
export function open(header: i32, length: i32): i32 {
  begin();
  authenticate(header, length);
  if (v128.any_true(v128.xor(v128.load(MADE), v128.load(GIVEN)))) return 0;
  crypt(length);
  return 1;
}

/** RFC 8439 2.6: the first block is the key of Poly1305. The three behind it stay where they are. */
function begin(): void {
  stream(0);
  v128.store(ONCE, v128.load(STREAM));
  v128.store(ONCE + 16, v128.load(STREAM + 16));
}

/** RFC 8439 2.4, from block 1 on. Up to 15 bytes behind the text are changed too. */
function crypt(length: i32): void {
  const end = TEXT + <usize>length;
  let at = TEXT;
  let from = STREAM + 64;
  let counter: u32 = 0;
  while (true) {
    for (; from < STREAM + 256 && at < end; from += 16, at += 16) {
      v128.store(at, v128.xor(v128.load(at), v128.load(from)));
    }
    if (at >= end) return;
    counter += 4;
    stream(counter);
    from = STREAM;
  }
}

/** RFC 8439 2.8: header and text, each filled up with zeros to a multiple of 16, and their lengths. */
function authenticate(header: i32, length: i32): void {
  const padded = TEXT + <usize>((length + 15) & ~15);
  v128.store(TEXT + <usize>length, i64x2.splat(0));
  store<u64>(padded, header);
  store<u64>(padded + 8, length);
  poly1305(TEXT - <usize>((header + 15) & ~15), padded + 16);
}

// ChaCha20: RFC 8439 2.3. Each vector holds one word of four blocks.

/** Four blocks of key stream from `counter` on. */
function stream(counter: u32): void {
  const c0 = i32x4.splat(0x61707865);
  const c1 = i32x4.splat(0x3320646e);
  const c2 = i32x4.splat(0x79622d32);
  const c3 = i32x4.splat(0x6b206574);
  const counters = i32x4.add(i32x4.splat(counter), i32x4(0, 1, 2, 3));
  let x0 = c0;
  let x1 = c1;
  let x2 = c2;
  let x3 = c3;
  let x4 = word(4);
  let x5 = word(5);
  let x6 = word(6);
  let x7 = word(7);
  let x8 = word(8);
  let x9 = word(9);
  let x10 = word(10);
  let x11 = word(11);
  let x12 = counters;
  let x13 = word(13);
  let x14 = word(14);
  let x15 = word(15);
  for (let round = 0; round < 10; round++) {
    // The columns.
    x0 = i32x4.add(x0, x4);
    x1 = i32x4.add(x1, x5);
    x2 = i32x4.add(x2, x6);
    x3 = i32x4.add(x3, x7);
    x12 = left16(v128.xor(x12, x0));
    x13 = left16(v128.xor(x13, x1));
    x14 = left16(v128.xor(x14, x2));
    x15 = left16(v128.xor(x15, x3));
    x8 = i32x4.add(x8, x12);
    x9 = i32x4.add(x9, x13);
    x10 = i32x4.add(x10, x14);
    x11 = i32x4.add(x11, x15);
    x4 = left12(v128.xor(x4, x8));
    x5 = left12(v128.xor(x5, x9));
    x6 = left12(v128.xor(x6, x10));
    x7 = left12(v128.xor(x7, x11));
    x0 = i32x4.add(x0, x4);
    x1 = i32x4.add(x1, x5);
    x2 = i32x4.add(x2, x6);
    x3 = i32x4.add(x3, x7);
    x12 = left8(v128.xor(x12, x0));
    x13 = left8(v128.xor(x13, x1));
    x14 = left8(v128.xor(x14, x2));
    x15 = left8(v128.xor(x15, x3));
    x8 = i32x4.add(x8, x12);
    x9 = i32x4.add(x9, x13);
    x10 = i32x4.add(x10, x14);
    x11 = i32x4.add(x11, x15);
    x4 = left7(v128.xor(x4, x8));
    x5 = left7(v128.xor(x5, x9));
    x6 = left7(v128.xor(x6, x10));
    x7 = left7(v128.xor(x7, x11));
    // The diagonals.
    x0 = i32x4.add(x0, x5);
    x1 = i32x4.add(x1, x6);
    x2 = i32x4.add(x2, x7);
    x3 = i32x4.add(x3, x4);
    x15 = left16(v128.xor(x15, x0));
    x12 = left16(v128.xor(x12, x1));
    x13 = left16(v128.xor(x13, x2));
    x14 = left16(v128.xor(x14, x3));
    x10 = i32x4.add(x10, x15);
    x11 = i32x4.add(x11, x12);
    x8 = i32x4.add(x8, x13);
    x9 = i32x4.add(x9, x14);
    x5 = left12(v128.xor(x5, x10));
    x6 = left12(v128.xor(x6, x11));
    x7 = left12(v128.xor(x7, x8));
    x4 = left12(v128.xor(x4, x9));
    x0 = i32x4.add(x0, x5);
    x1 = i32x4.add(x1, x6);
    x2 = i32x4.add(x2, x7);
    x3 = i32x4.add(x3, x4);
    x15 = left8(v128.xor(x15, x0));
    x12 = left8(v128.xor(x12, x1));
    x13 = left8(v128.xor(x13, x2));
    x14 = left8(v128.xor(x14, x3));
    x10 = i32x4.add(x10, x15);
    x11 = i32x4.add(x11, x12);
    x8 = i32x4.add(x8, x13);
    x9 = i32x4.add(x9, x14);
    x5 = left7(v128.xor(x5, x10));
    x6 = left7(v128.xor(x6, x11));
    x7 = left7(v128.xor(x7, x8));
    x4 = left7(v128.xor(x4, x9));
  }
  put(0, i32x4.add(x0, c0), i32x4.add(x1, c1), i32x4.add(x2, c2), i32x4.add(x3, c3));
  put(16, i32x4.add(x4, word(4)), i32x4.add(x5, word(5)), i32x4.add(x6, word(6)), i32x4.add(x7, word(7)));
  put(32, i32x4.add(x8, word(8)), i32x4.add(x9, word(9)), i32x4.add(x10, word(10)), i32x4.add(x11, word(11)));
  put(48, i32x4.add(x12, counters), i32x4.add(x13, word(13)), i32x4.add(x14, word(14)), i32x4.add(x15, word(15)));
}

/** A word of the state, four times. */
// @ts-expect-error: what AssemblyScript calls a decorator
@inline
function word(index: usize): v128 {
  return v128.load_splat<u32>(STATE + index * 4);
}

/** Four words of four blocks, turned into four words of each block, at `offset` in each. */
// @ts-expect-error: what AssemblyScript calls a decorator
@inline
function put(offset: usize, a: v128, b: v128, c: v128, d: v128): void {
  const ab01 = v128.shuffle<u32>(a, b, 0, 4, 1, 5);
  const ab23 = v128.shuffle<u32>(a, b, 2, 6, 3, 7);
  const cd01 = v128.shuffle<u32>(c, d, 0, 4, 1, 5);
  const cd23 = v128.shuffle<u32>(c, d, 2, 6, 3, 7);
  v128.store(STREAM + offset, v128.shuffle<u64>(ab01, cd01, 0, 2));
  v128.store(STREAM + 64 + offset, v128.shuffle<u64>(ab01, cd01, 1, 3));
  v128.store(STREAM + 128 + offset, v128.shuffle<u64>(ab23, cd23, 0, 2));
  v128.store(STREAM + 192 + offset, v128.shuffle<u64>(ab23, cd23, 1, 3));
}

// @ts-expect-error: what AssemblyScript calls a decorator
@inline
function left16(x: v128): v128 {
  return v128.shuffle<u8>(x, x, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
}

// @ts-expect-error: what AssemblyScript calls a decorator
@inline
function left12(x: v128): v128 {
  return v128.or(i32x4.shl(x, 12), i32x4.shr_u(x, 20));
}

// @ts-expect-error: what AssemblyScript calls a decorator
@inline
function left8(x: v128): v128 {
  return v128.shuffle<u8>(x, x, 3, 0, 1, 2, 7, 4, 5, 6, 11, 8, 9, 10, 15, 12, 13, 14);
}

// @ts-expect-error: what AssemblyScript calls a decorator
@inline
function left7(x: v128): v128 {
  return v128.or(i32x4.shl(x, 7), i32x4.shr_u(x, 25));
}

// Poly1305: RFC 8439 2.5. Numbers below 2^130 are five limbs of 26 bits.

const LIMB: u64 = 0x3ffffff;

/** Makes the tag of [at, end), which is a multiple of 16 bytes. */
function poly1305(start: usize, end: usize): void {
  const r0 = <u64>(load<u32>(ONCE) & 0x3ffffff);
  const r1 = <u64>((load<u32>(ONCE + 3) >> 2) & 0x3ffff03);
  const r2 = <u64>((load<u32>(ONCE + 6) >> 4) & 0x3ffc0ff);
  const r3 = <u64>((load<u32>(ONCE + 9) >> 6) & 0x3f03fff);
  const r4 = <u64>((load<u32>(ONCE + 12) >> 8) & 0x00fffff);
  // 2^130 is 5, modulo the prime.
  const s1 = r1 * 5;
  const s2 = r2 * 5;
  const s3 = r3 * 5;
  const s4 = r4 * 5;
  let h0: u64 = 0;
  let h1: u64 = 0;
  let h2: u64 = 0;
  let h3: u64 = 0;
  let h4: u64 = 0;
  for (let at = start; at < end; at += 16) {
    h0 += load<u32>(at) & <u32>LIMB;
    h1 += (load<u32>(at + 3) >> 2) & <u32>LIMB;
    h2 += (load<u32>(at + 6) >> 4) & <u32>LIMB;
    h3 += load<u32>(at + 9) >> 6;
    h4 += (load<u32>(at + 12) >> 8) | (1 << 24);
    const d0 = h0 * r0 + h1 * s4 + h2 * s3 + h3 * s2 + h4 * s1;
    const d1 = h0 * r1 + h1 * r0 + h2 * s4 + h3 * s3 + h4 * s2 + (d0 >> 26);
    const d2 = h0 * r2 + h1 * r1 + h2 * r0 + h3 * s4 + h4 * s3 + (d1 >> 26);
    const d3 = h0 * r3 + h1 * r2 + h2 * r1 + h3 * r0 + h4 * s4 + (d2 >> 26);
    const d4 = h0 * r4 + h1 * r3 + h2 * r2 + h3 * r1 + h4 * r0 + (d3 >> 26);
    h0 = (d0 & LIMB) + (d4 >> 26) * 5;
    h1 = (d1 & LIMB) + (h0 >> 26);
    h0 &= LIMB;
    h2 = d2 & LIMB;
    h3 = d3 & LIMB;
    h4 = d4 & LIMB;
  }
  finish(h0, h1, h2, h3, h4);
}

/** The number modulo 2^130 - 5, plus s, modulo 2^128. */
function finish(h0: u64, h1: u64, h2: u64, h3: u64, h4: u64): void {
  h2 += h1 >> 26;
  h1 &= LIMB;
  h3 += h2 >> 26;
  h2 &= LIMB;
  h4 += h3 >> 26;
  h3 &= LIMB;
  h0 += (h4 >> 26) * 5;
  h4 &= LIMB;
  h1 += h0 >> 26;
  h0 &= LIMB;
  // Less the prime, if it isn't below it: all of it is worked out, and a mask chooses.
  let g0 = h0 + 5;
  let g1 = h1 + (g0 >> 26);
  g0 &= LIMB;
  let g2 = h2 + (g1 >> 26);
  g1 &= LIMB;
  let g3 = h3 + (g2 >> 26);
  g2 &= LIMB;
  const g4 = h4 + (g3 >> 26) - (1 << 26);
  g3 &= LIMB;
  const less = (g4 >> 63) - 1;
  const f0 = (h0 & ~less) | (g0 & less);
  const f1 = (h1 & ~less) | (g1 & less);
  const f2 = (h2 & ~less) | (g2 & less);
  const f3 = (h3 & ~less) | (g3 & less);
  const f4 = (h4 & ~less) | (g4 & less);
  const low = f0 | (f1 << 26) | (f2 << 52);
  const high = (f2 >> 12) | (f3 << 14) | (f4 << 40);
  const sum = low + load<u64>(ONCE + 16);
  store<u64>(MADE, sum);
  store<u64>(MADE + 8, high + load<u64>(ONCE + 24) + <u64>(sum < low));
}
