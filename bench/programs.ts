import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { build } from 'esbuild';

/** Compiles programs before they run: what compiles them on the way would be measured, too. */
export async function buildInto(folder: string, programs: readonly string[]): Promise<void> {
  await build({
    entryPoints: [...programs],
    outdir: folder,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    splitting: true,
    packages: 'external',
    format: 'esm',
    target: 'node20',
    logLevel: 'warning',
  });
}

/** CPU time of all threads of a process so far, us, whatever it runs in; 0 when it is gone. */
export function cpuUsOf(pid: number): number {
  const folder = `/proc/${pid}/task`;
  if (!existsSync(folder)) return 0;
  const nanos = readdirSync(folder).map((thread) =>
    Number(readFileSync(`${folder}/${thread}/schedstat`, 'utf8').split(' ')[0]),
  );
  return nanos.reduce((sum, one) => sum + one, 0) / 1e3;
}

/** bytes */
export function rssOf(pid: number): number {
  const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kilobytes) * 1024;
}
