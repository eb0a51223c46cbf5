// The browser client as one file, as dist/client/browser.js has it. docs/decisions/client-size.md says why.
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { minify } from 'terser';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const NAME = 'browser.js';

/**
 * Properties that nobody outside of the client sees, neither applications nor transports of theirs nor a server: they get short names.
 * One that is not listed keeps its name; one that is must be no word of the API, of the platform or of the wire.
 */
export const INTERNAL = `
  ack acknowledge acknowledged acknowledges answer answerAll ask attach broke busy bytesWith canAcknowledge canBe canResume channel codec
  configure credit deadline depart detach dispatch ended endings face fail failAll failPending failure forgetIfOver goaway goOnFrom
  greets handling heard hello holdBack idle inbox isEmpty isPaused isReady kept kind leftovers link load login markSent mustWait news
  number offer onChange onConfirmed onDown onDropped onGoaway onPeerEnd onRoom onUp onWelcome over placeOf pong post probe put queues
  receive received receivedLast refused reply resent resumed role saidLast sendBy sendCredit sendLoose sent sentLast session settle shut
  socket tag take takesMore tell tick trustsInfo wakeAt welcome
  ready finish open drop flush response login endpoint inner remove of detach configure
`
  .trim()
  .split(/\s+/);

/** Reads what only Node needs as if it were not there. */
const onPage = {
  name: 'on-page',
  setup: (bundler) => {
    bundler.onLoad({ filter: /[\\/]core[\\/]platform\.ts$/ }, () => ({ contents: 'export const ON_PAGE = true;' }));
  },
};

/** @returns {Promise<{ code: string, map: string, inputs: Record<string, { bytesInOutput: number }> }>} */
export async function bundleClient() {
  const { outputFiles, metafile } = await build({
    absWorkingDir: ROOT,
    entryPoints: [join(ROOT, 'src/client/browser.ts')],
    outfile: join(ROOT, 'dist/client', NAME),
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    sourcemap: true,
    write: false,
    metafile: true,
    mangleProps: new RegExp(`^(?:${INTERNAL.join('|')})$`),
    plugins: [onPage],
  });
  const text = (end) => outputFiles.find(({ path }) => path.endsWith(end))?.text ?? '';
  const { code = '', map } = await minify(
    { [NAME]: text('.js') },
    {
      module: true,
      ecma: 2020,
      compress: { passes: 3, sequences: false, pure_getters: true, unsafe_arrows: true },
      sourceMap: { content: text('.map'), includeSources: true, url: `${NAME}.map` },
    },
  );
  const [{ inputs } = { inputs: {} }] = Object.entries(metafile.outputs).flatMap(([path, output]) =>
    path.endsWith('.js') ? [output] : [],
  );
  return { code: `${code}\n`, map: typeof map === 'string' ? map : '', inputs };
}
