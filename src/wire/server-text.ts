import { utf8 } from './text.ts';

/** What Node's `Buffer` has beside its documented methods (docs/ARCHITECTURE.md): no view and no object is made for a call. */
export interface NativeText {
  readonly utf8Slice?: (this: Uint8Array, start: number, end: number) => string;
  readonly utf8Write?: (this: Uint8Array, text: string, at: number, most: number) => number;
}

/** Up to this length the cost of a call is most of the cost. */
const SHORT_BYTES = 512;
/** UTF-8 takes at most so many bytes for a unit of UTF-16. */
const BYTES_PER_UNIT = 3;

const { read, write } = utf8;

/** Has short texts read and written by these from now on, in the whole thread; by the platform's encoders where they are not what they were. */
export function useNativeText({ utf8Slice, utf8Write }: NativeText): void {
  utf8.read = read;
  utf8.write = write;
  if (utf8Slice === undefined || utf8Write === undefined || !isSound(utf8Slice, utf8Write)) return;
  utf8.read = (bytes, start, end) => {
    if (end - start > SHORT_BYTES) return read(bytes, start, end);
    const text = utf8Slice.call(bytes, start, end);
    // U+FFFD stands for what is broken, and for itself: the strict decoder knows which.
    return text.includes('\ufffd') ? read(bytes, start, end) : text;
  };
  utf8.write = (bytes, start, end, text) => {
    const most = end - start;
    if (text.length > SHORT_BYTES || text.length * BYTES_PER_UNIT > most) return write(bytes, start, end, text);
    return utf8Write.call(bytes, text, start, most);
  };
}

/** Nobody has promised that they take other arrays than `Buffer`s, nor what they return: a text goes there and back, and nothing is written behind it. */
function isSound(
  utf8Slice: NonNullable<NativeText['utf8Slice']>,
  utf8Write: NonNullable<NativeText['utf8Write']>,
): boolean {
  const bytes = new Uint8Array(8);
  try {
    return utf8Write.call(bytes, 'é1', 1, 7) === 3 && utf8Slice.call(bytes, 1, 5) === 'é1\0' && bytes[4] === 0;
  } catch {
    return false;
  }
}
