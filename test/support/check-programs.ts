import {
  chromium,
  curl,
  h2load,
  haproxy,
  iproute,
  natsServer,
  nghttp,
  nginx,
  python,
  redisServer,
  socat,
} from './programs.ts';

/** Before `npm test`: what is missing is told once and plainly, not as a hundred failed tests. */
for (const locate of [
  chromium,
  curl,
  h2load,
  haproxy,
  iproute,
  natsServer,
  nghttp,
  nginx,
  python,
  redisServer,
  socat,
]) {
  try {
    locate();
  } catch (error) {
    console.error(`npm test: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 1;
  }
}
