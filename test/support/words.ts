export function text(got: Uint8Array): string {
  return Buffer.from(got).toString();
}

export function bytes(words: string): Uint8Array {
  return new TextEncoder().encode(words);
}
