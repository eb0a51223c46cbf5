/** How texts become UTF-8 and back. */
export interface Utf8 {
  /** Reads what lies from `start` up to `end`. Throws when it is no UTF-8. */
  read: (bytes: Uint8Array, start: number, end: number) => string;
  /** Writes well-formed text from `start` on. Returns how many bytes it took, or undefined when there is not room enough up to `end`. */
  write: (bytes: Uint8Array, start: number, end: number, text: string) => number | undefined;
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

/** By the platform's encoders, until `server-text.ts` knows better. */
export const utf8: Utf8 = {
  read: (bytes, start, end) => decoder.decode(bytes.subarray(start, end)),
  write: (bytes, start, end, text) => {
    const { read, written } = encoder.encodeInto(text, bytes.subarray(start, end));
    return read === text.length ? written : undefined;
  },
};
