import type { Reporter, TestModule } from 'vitest/node';

/** Names every test that did not run, so that none is skipped unseen. */
export class SkippedReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    for (const module of modules) {
      for (const test of module.children.allTests('skipped')) {
        console.log(`skipped: ${module.relativeModuleId} > ${test.fullName}`);
      }
    }
  }
}
