import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { build, type Metafile } from 'esbuild';
import { minify } from 'terser';
import { beforeAll, describe, expect, test } from 'vitest';
import { ROOT, textOf } from './support/tree.ts';

/**
 * What `hawser/client` may weigh in a page, bytes after gzip: the record in client-size.json may change, this may not
 * (docs/decisions/client-size.md).
 */
const MOST = 19 * 1024;
/** How far from its record a size may be, bytes: room for a release of a bundler, not for a feature. */
const TOLERANCE = 64;

interface Bundle {
  readonly bytes: number;
  readonly gzip: number;
  readonly parts: readonly (readonly [path: string, bytes: number])[];
}

describe('hawser/client in a browser', () => {
  const record = JSON.parse(textOf('test/client-size.json')) as { readonly gzip: number };
  let bundle: Bundle;

  beforeAll(async () => {
    bundle = await bundleClient();
    const lines = bundle.parts.map(([path, bytes]) => `${String(bytes).padStart(7)}  ${path}`);
    console.log(`hawser/client: ${bundle.bytes} bytes, ${bundle.gzip} after gzip; by part, before minifying:`);
    console.log(lines.join('\n'));
  });

  test('is small', () => {
    expect(bundle.gzip).toBeLessThanOrEqual(MOST);
  });

  test('has the size on record: a change of it is meant, and its record goes with it', () => {
    expect(Math.abs(bundle.gzip - record.gzip), `${bundle.gzip}, on record ${record.gzip}`).toBeLessThanOrEqual(
      TOLERANCE,
    );
  });

  test('has nothing of Node in it', () => {
    expect(bundle.parts.filter(([path]) => /(?:body-node|transports\/net|^node:)/.test(path))).toEqual([]);
  });
});

/** As a page gets it from webpack's habits: one file, minified by terser; what is loaded on first use is not counted. */
async function bundleClient(): Promise<Bundle> {
  const { outputFiles, metafile } = await build({
    entryPoints: [join(ROOT, 'src/client/browser.ts')],
    bundle: true,
    minify: true,
    splitting: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    outdir: join(ROOT, 'out'),
    absWorkingDir: ROOT,
    write: false,
    metafile: true,
  });
  const first = eagerChunks(metafile);
  const files = outputFiles.filter((file) => first.some((path) => file.path === join(ROOT, path)));
  const codes = await Promise.all(files.map(async (file) => (await minify(file.text, { module: true })).code ?? ''));
  return {
    bytes: sum(codes.map((code) => Buffer.byteLength(code))),
    gzip: sum(codes.map((code) => gzipSync(code, { level: 9 }).length)),
    parts: first.flatMap((path) => partsOf(metafile, path)).toSorted(([, a], [, b]) => b - a),
  };
}

/** The entry file and whatever it imports at once. */
function eagerChunks({ outputs }: Metafile): string[] {
  const entry = Object.keys(outputs).filter((path) => outputs[path]?.entryPoint === 'src/client/browser.ts');
  const seen = new Set(entry);
  for (const path of seen) {
    for (const { path: next, kind } of outputs[path]?.imports ?? []) if (kind === 'import-statement') seen.add(next);
  }
  return [...seen];
}

function partsOf({ outputs }: Metafile, path: string): [string, number][] {
  const inputs = Object.entries(outputs[path]?.inputs ?? {});
  return inputs.map(([input, { bytesInOutput }]): [string, number] => [input, bytesInOutput]).filter(([, n]) => n > 0);
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
