import { runChannels } from './channels-sim.ts';
import { prove } from './proof.ts';

process.exitCode = await prove('channels', (seed) => {
  const { mostUnread: _, ...sums } = runChannels(seed);
  return sums;
});
