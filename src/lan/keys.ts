/** HMAC-SHA-256 (RFC 2104) of these bytes under a key that the function holds: 32 bytes. The bytes are read during the call. */
export type Mac = (bytes: Uint8Array) => Uint8Array;

/** A pre-shared key. */
export interface LanKey {
  /** Which key it is, 32 bits; it travels with what the key signs. */
  readonly id: number;
  readonly mac: Mac;
}

/** The words that a key's id is made of. */
const ID_WORDS = 'hawser lan 1 key id';

/** The key that this function holds; its id follows from it: the first four bytes of the MAC of fixed words. */
export function lanKey(mac: Mac): LanKey {
  const words = mac(Uint8Array.from(ID_WORDS, (letter) => letter.charCodeAt(0)));
  return { id: new DataView(words.buffer, words.byteOffset).getUint32(0), mac };
}
