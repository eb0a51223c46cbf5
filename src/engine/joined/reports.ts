import { type ErrorCode, HawserError, type Instant } from '../../core/index.ts';

/** Of one kind, only so often is told, ms. */
export const REPORT_PAUSE = 10_000;

/** Tells of what goes wrong over and over, but not each time: a flood of garbage must be no flood of reports. */
export class Reports {
  readonly #told = new Map<string, { at: Instant; kept: number }>();
  readonly #now: () => Instant;
  readonly #report: (error: unknown, during: string) => void;

  constructor(now: () => Instant, report: (error: unknown, during: string) => void) {
    this.#now = now;
    this.#report = report;
  }

  /** `kind` is one of a few. */
  tell(kind: string, code: ErrorCode, message: string, during: string, cause?: unknown): void {
    const now = this.#now();
    const before = this.#told.get(kind);
    if (before !== undefined && now - before.at < REPORT_PAUSE) {
      before.kept += 1;
      return;
    }
    const more = before === undefined || before.kept === 0 ? '' : ` (and ${before.kept} more like it before)`;
    this.#told.set(kind, { at: now, kept: 0 });
    this.#report(new HawserError(code, `${message}${more}`, { cause }), during);
  }
}
