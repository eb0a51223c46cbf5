import { fileURLToPath } from 'node:url';
import { defineConfig, type UserConfig } from 'vite';

/**
 * The page imports the client by its public name. That name leads to the source and not to dist/: dist/ is put in place
 * only after the page is built, so it would be missing at the first build and one build old at every other.
 */
const config: UserConfig = defineConfig({
  base: './',
  resolve: {
    alias: { 'hawser/client': fileURLToPath(new URL('../src/client/browser.ts', import.meta.url)) },
  },
  build: {
    target: 'es2023',
    outDir: '../dist/console',
    emptyOutDir: true,
    // The page's Content-Security-Policy is default-src 'self': nothing inline, not even as a data: URL.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
});

export default config;
