import * as programs from './programs.ts';

/** Before `npm test`: what is missing is told once and plainly, not as a hundred failed tests. */
for (const locate of Object.values(programs).filter((one) => typeof one === 'function')) {
  try {
    locate();
  } catch (error) {
    console.error(`npm test: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 1;
  }
}
