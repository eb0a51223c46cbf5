// Makes src/udpack-endpoint/aead-module.ts of wasm/chacha20-poly1305.ts. With --check it compares instead, byte for byte.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const TARGET = join(ROOT, 'src', 'udpack-endpoint', 'aead-module.ts');
const OPTIONS = ['--runtime', 'stub', '--enable', 'simd', '-O3', '--converge', '--noAssert'];
/** One page: places of the module's own below 4 KiB, and room for the longest message above. */
const MEMORY = ['--memoryBase', '16384', '--initialMemory', '1', '--maximumMemory', '1'];
const LINE = 120;

/** The module, made from its source with the compiler that wasm/package-lock.json names. */
function compile() {
  const compiler = join(ROOT, 'wasm', 'node_modules', '.bin', 'asc');
  if (!existsSync(compiler)) run('npm', ['ci', '--no-audit', '--no-fund'], join(ROOT, 'wasm'));
  const folder = mkdtempSync(join(tmpdir(), 'hawser-wasm-'));
  try {
    const out = join(folder, 'module.wasm');
    run(compiler, ['chacha20-poly1305.ts', '--outFile', out, ...OPTIONS, ...MEMORY], join(ROOT, 'wasm'));
    return readFileSync(out);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function run(command, args, cwd) {
  const { status, error, stdout, stderr } = spawnSync(command, args, { cwd, encoding: 'utf8' });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`${stdout}${stderr}`.trim());
}

/** The module as source, so that it needs no file beside the code. */
function asSource(module) {
  const lines = module.toString('base64').match(new RegExp(`.{1,${LINE - 6}}`, 'g')) ?? [];
  const text = lines.map((line) => `  '${line}'`).join(' +\n');
  return `// Made by \`npm run build:wasm\` of wasm/chacha20-poly1305.ts: ${module.length} bytes of WebAssembly, in base64.\nexport const AEAD_MODULE: string =\n${text};\n`;
}

const made = asSource(compile());
if (!process.argv.includes('--check')) writeFileSync(TARGET, made);
else if (readFileSync(TARGET, 'utf8') !== made) {
  console.error('src/udpack-endpoint/aead-module.ts is not what wasm/chacha20-poly1305.ts makes: npm run build:wasm');
  process.exitCode = 1;
}
