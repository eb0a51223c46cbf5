// The browser client as one file, as dist/client/browser.js has it. docs/decisions/client-size.md says why.
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { minify } from 'terser';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const NAME = 'browser.js';
/** What the client loads when it needs it, and from where among the sources. */
const LATER = 'fallback.js';
const LATER_SOURCE = 'src/transports/http/fallback/browser.ts';

/**
 * Properties that get short names, in whatever class or object they are: what nobody outside of the client sees, neither applications nor
 * transports of theirs nor a server. In alphabetical order.
 *
 * What is not listed keeps its name and costs a few bytes, so a new property needs nothing here. To list one, be sure that it is no word of
 * the API, of the wire, or of the platform as a page's files use it: `of` is listed, so they can't say `Array.of` or `Uint8Array.of`, nor
 * `open` or `remove` of what is not ours. test/client-size.test.ts holds the list against the API, the contract of transports and the
 * wire; words of the platform only the tests in Chromium can find.
 */
export const INTERNAL = `
  ack acknowledge acknowledged acknowledges answer answerAll ask attach broke busy bytesWith canAcknowledge canBe
  canResume channel codec configure credit deadline depart detach dispatch drop ended endings endpoint face fail
  failAll failPending failure finish flush forgetIfOver goaway goOnFrom greets handling heard hello holdBack idle
  inbox inner isEmpty isPaused isReady kept kind left leftovers link load login markSent mustWait news number of offer
  onChange onConfirmed onDown onDropped onGoaway onPeerEnd onRoom onUp onWelcome open over placeOf pong post probe put
  queues ready receive received receivedLast refused remove reply resent response resumed role saidLast sendBy
  sendCredit sendLoose sent sentLast session settle shut socket standings tag take takesMore tell tick trustsInfo unsent wakeAt welcome
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

/** Leaves what is loaded later to a file of its own. */
const later = {
  name: 'later',
  setup: (bundler) => {
    bundler.onResolve({ filter: /fallback[\\/]browser\.ts$/ }, ({ kind }) =>
      kind === 'dynamic-import' ? { path: `./${LATER}`, external: true } : undefined,
    );
  },
};

/** @returns {Promise<{ name: string, code: string, map: string, inputs: Record<string, { bytesInOutput: number }> }>} */
export function bundleClient() {
  return bundle('src/client/browser.ts', NAME, { mangleProps: new RegExp(`^(?:${INTERNAL.join('|')})$`) });
}

/** The fallback over requests, which the client loads when it needs it. Both know the contract of transports alone; no name in it is short. */
export function bundleLater() {
  return bundle(LATER_SOURCE, LATER, {});
}

async function bundle(entry, name, names) {
  const { outputFiles, metafile } = await build({
    absWorkingDir: ROOT,
    entryPoints: [join(ROOT, entry)],
    outfile: join(ROOT, 'dist/client', name),
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    sourcemap: true,
    write: false,
    metafile: true,
    ...names,
    plugins: [onPage, later],
  });
  const text = (end) => outputFiles.find(({ path }) => path.endsWith(end))?.text ?? '';
  const { code = '', map } = await minify(
    { [name]: text('.js') },
    {
      module: true,
      ecma: 2020,
      // `pure_getters` and `unsafe_arrows` are promises about our sources: no getter has an effect that is missed when nobody uses what it returns, and
      // no function expression is called with `new`. Statements weigh less after gzip than sequences.
      compress: { passes: 3, sequences: false, pure_getters: true, unsafe_arrows: true },
      sourceMap: { content: text('.map'), includeSources: true, url: `${name}.map` },
    },
  );
  const [{ inputs } = { inputs: {} }] = Object.entries(metafile.outputs).flatMap(([path, output]) =>
    path.endsWith('.js') ? [output] : [],
  );
  return { name, code: `${code}\n`, map: typeof map === 'string' ? map : '', inputs };
}
