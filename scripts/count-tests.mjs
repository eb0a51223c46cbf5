// Prints the one line that sums up a test run, from vitest's JSON report; fails when a test failed or none ran.
import { existsSync, readFileSync } from 'node:fs';

const [, , path = ''] = process.argv;
const report = existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : undefined;
const files = report?.testResults ?? [];
const passed = report?.numPassedTests ?? 0;
// A file that did not load has no tests to fail: it counts as one.
const broken = files.filter((file) => file.status === 'failed' && file.assertionResults.length === 0).length;
const failed = (report?.numFailedTests ?? 0) + broken;
const skipped = (report?.numPendingTests ?? 0) + (report?.numTodoTests ?? 0);

if (report === undefined) console.log('no test report: the tests did not run');
console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
