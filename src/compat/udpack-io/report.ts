/** Where errors go that concern nobody who could be told. */
export function log(error: unknown, during: string): void {
  console.error(`udpack.io: ${during} failed:`, error);
}
