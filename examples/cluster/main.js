// One program on several cores: the primary has the cache, the workers share one HTTP port.
import cluster from 'node:cluster';
import { parseArgs } from 'node:util';
import { runPrimary } from './primary.js';
import { runWorker } from './worker.js';

try {
  const { values } = parseArgs({
    options: {
      port: { type: 'string', default: '3000' },
      workers: { type: 'string', default: 'auto' },
      'max-bytes': { type: 'string', default: '67108864' },
      ttl: { type: 'string', default: '600000' },
    },
  });
  if (cluster.isPrimary) {
    const workers = values.workers === 'auto' ? values.workers : Number(values.workers);
    await runPrimary({ workers, maxBytes: Number(values['max-bytes']), ttl: Number(values.ttl) });
  } else await runWorker(Number(values.port));
} catch (error) {
  console.error(cluster.isPrimary ? 'primary:' : 'worker:', error instanceof Error ? error.message : error);
  process.exitCode = 1;
  if (cluster.isWorker) process.exit();
}
