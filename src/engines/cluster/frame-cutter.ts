import { HEAD_BYTES } from './frames.ts';

/** Hears of each frame: its kind, and where in `bytes` its body lies. False: no more. */
export type FrameUser = (kind: number, bytes: Buffer, at: number, end: number) => boolean;

/** Cuts frames out of chunks, however these were cut. A chunk that holds a frame whole is not copied. */
export class FrameCutter {
  /** The longest frame that is taken, without the four bytes of its length. */
  most: number;
  #pieces: Buffer[] = [];
  #have = 0;
  #need = HEAD_BYTES;

  constructor(most: number) {
    this.most = most;
  }

  /** False when a frame is empty or too long, or `user` wants no more: nothing may be given any more then. */
  receive(chunk: Buffer, user: FrameUser): boolean {
    const bytes = this.#join(chunk);
    if (bytes === undefined) return true;
    let at = 0;
    while (bytes.length - at >= HEAD_BYTES) {
      const length = bytes.readUInt32LE(at);
      if (length === 0 || length > this.most) return false;
      const end = at + 4 + length;
      if (end > bytes.length) break;
      if (!user(bytes[at + 4] as number, bytes, at + HEAD_BYTES, end)) return false;
      at = end;
    }
    this.#keep(bytes, at);
    return true;
  }

  /** All that there is, when it is enough to go on. Memory is taken as bytes come, whatever length was announced. */
  #join(chunk: Buffer): Buffer | undefined {
    if (this.#have === 0) return chunk;
    this.#pieces.push(chunk);
    this.#have += chunk.length;
    if (this.#have < this.#need) return undefined;
    const all = Buffer.concat(this.#pieces, this.#have);
    this.#pieces = [];
    this.#have = 0;
    return all;
  }

  #keep(bytes: Buffer, at: number): void {
    if (at === bytes.length) return;
    const rest = bytes.subarray(at);
    this.#pieces = [rest];
    this.#have = rest.length;
    this.#need = rest.length < HEAD_BYTES ? HEAD_BYTES : 4 + rest.readUInt32LE(0);
  }
}
