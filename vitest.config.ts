import { defineConfig, type ViteUserConfig } from 'vitest/config';
import { SkippedReporter } from './test/support/skipped-reporter.ts';

/** A file for the results as JSON, beside what is printed. */
const report = process.env['TEST_REPORT'];

/**
 * Two projects: `unit` needs nothing but Node and takes seconds; `system` opens browsers and other people's
 * programs. `npm run check` runs the first, `npm test` both.
 */
const config: ViteUserConfig = defineConfig({
  test: {
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 20_000,
    hookTimeout: 60_000,
    // As patient as `until`: a machine with other work takes its time.
    expect: { poll: { timeout: 15_000 } },
    reporters: [
      'default',
      new SkippedReporter(),
      ...(report === undefined ? [] : [['json', { outputFile: report }] as ['json', { outputFile: string }]]),
    ],
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: [
            'src/**/*.test.ts',
            'test/*.test.ts',
            'test/sim/**/*.test.ts',
            'test/faults/**/*.test.ts',
            'bench/report/*.test.ts',
          ],
        },
      },
      {
        extends: true,
        test: {
          name: 'system',
          include: ['test/e2e/**/*.test.ts', 'test/interop/**/*.test.ts'],
          testTimeout: 120_000,
          fileParallelism: false,
        },
      },
    ],
  },
});

export default config;
