/** What a program of benchmarks records of one workload. */
export interface Recorded<Plan, Row> {
  readonly plan: Plan;
  readonly command: string;
  readonly when: string;
  readonly commit: string;
  readonly machine: { readonly cpu: string; readonly cores: number; readonly kernel: string };
  readonly versions: Readonly<Record<string, string>>;
  readonly rows: readonly Row[];
}
