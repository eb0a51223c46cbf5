const SLAB_BYTES = 16_384;
/** Longer frames get memory of their own, so that a waiting one keeps little else alive. */
const SHARED_BYTES = 1024;

let slab: Uint8Array = new Uint8Array(0);
let used = 0;

/** Memory for one frame that is written and forgotten; short ones share a slab, which costs a quarter of their own. */
export function frameMemory(length: number): Uint8Array {
  if (length > SHARED_BYTES) return new Uint8Array(length);
  if (used + length > slab.length) {
    slab = new Uint8Array(SLAB_BYTES);
    used = 0;
  }
  const memory = new Uint8Array(slab.buffer, used, length);
  used += length;
  return memory;
}
