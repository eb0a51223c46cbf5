/**
 * Loaded with `--import` before anything else in a node: what it takes for the time of day can be moved. The clock that only runs
 * (performance.now) stays as it is, as it does in life.
 */
const state = { offset: Number(process.env['FAULTS_CLOCK'] ?? 0) };
const RealDate = Date;
const { timeOrigin } = performance;

class MovedDate extends RealDate {
  constructor(...parts: unknown[]) {
    super(...((parts.length === 0 ? [RealDate.now() + state.offset] : parts) as [number]));
  }

  static override now(): number {
    return RealDate.now() + state.offset;
  }
}

globalThis.Date = MovedDate as DateConstructor;
Object.defineProperty(performance, 'timeOrigin', { get: () => timeOrigin + state.offset });
Object.defineProperty(globalThis, Symbol.for('faults.clock'), { value: state });
