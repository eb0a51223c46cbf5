/** Hears what an application's function threw. */
export type Report = (error: unknown, during: string) => void;

export const toConsole: Report = (error, during) => console.error(`hawser: ${during} failed:`, error);

/** Calls a function of the application: what it throws is reported, and disturbs nothing else. */
export function hear<T>(listener: ((value: T) => unknown) | undefined, value: T, report: Report, during: string): void {
  try {
    listener?.(value);
  } catch (error) {
    report(error, during);
  }
}
