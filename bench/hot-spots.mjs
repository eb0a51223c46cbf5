/**
 * Where the time of CPU profiles went: the functions with most time of their own, in shares of the time that was not idle. Of each
 * profile the last seconds count, when the load ran; those of loaders' threads are left out.
 *
 *   node bench/hot-spots.mjs FOLDER|FILE… [--most 25] [--last 2]
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { most: { type: 'string', default: '25' }, last: { type: 'string', default: '2' } },
});

const filesIn = (path) =>
  statSync(path).isDirectory() ? readdirSync(path).flatMap((name) => filesIn(join(path, name))) : [path];

function spotsOf(profile) {
  const nameOf = new Map(
    profile.nodes.map(({ id, callFrame: { functionName, url, lineNumber } }) => {
      const file = url.replace(/^.*\/(dist|node_modules|bench)\//, '').replace(/^file:\/\//, '');
      return [id, `${functionName || '(anonymous)'} ${file}${url === '' ? '' : `:${lineNumber + 1}`}`];
    }),
  );
  const spent = new Map();
  const from = profile.endTime - Number(values.last) * 1e6;
  let at = profile.startTime;
  let all = 0;
  profile.samples.forEach((id, i) => {
    at += profile.timeDeltas[i];
    const name = nameOf.get(id);
    if (at < from || name.startsWith('(idle)')) return;
    const us = profile.timeDeltas[i];
    all += us;
    spent.set(name, (spent.get(name) ?? 0) + us);
  });
  return { all, spots: [...spent].toSorted(([, a], [, b]) => b - a) };
}

for (const path of positionals.flatMap(filesIn).filter((name) => /\.0\.\d+\.cpuprofile$/.test(name))) {
  const { all, spots } = spotsOf(JSON.parse(readFileSync(path, 'utf8')));
  console.log(`\n${path}: ${(all / 1e6).toFixed(2)} s busy`);
  for (const [name, us] of spots.slice(0, Number(values.most))) {
    console.log(`  ${((us / all) * 100).toFixed(1).padStart(5)} %  ${name}`);
  }
}
