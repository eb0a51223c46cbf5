/** What is looked back on to tell the speed, ms. */
const SPAN = 5000;
/** Two marks are at least so far apart, ms. */
const STEP = 100;

/** How fast bytes come, over the last seconds. The time is an argument, in ms. */
export class Meter {
  #marks: { readonly at: number; readonly bytes: number }[] = [];

  /** So many bytes came in all, by now. */
  mark(bytes: number, now: number): void {
    const last = this.#marks.at(-1);
    if (last && (now - last.at < STEP || bytes < last.bytes)) return;
    this.#marks.push({ at: now, bytes });
    while (this.#marks.length > 2 && now - (this.#marks[1]?.at ?? now) > SPAN) this.#marks.shift();
  }

  /** Bytes a second up to now; 0 before there is anything to tell. */
  speed(bytes: number, now: number): number {
    const first = this.#marks[0];
    if (!first || now - first.at < STEP) return 0;
    return Math.max(0, ((bytes - first.bytes) * 1000) / (now - first.at));
  }
}
