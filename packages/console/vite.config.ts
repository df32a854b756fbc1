import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import react from '@vitejs/plugin-react';
import { defineConfig, type Plugin } from 'vite';

/** Where `npm run dev` finds the server; everything that is not a page goes there. */
const SERVER_URL = process.env.SERVER_URL ?? 'http://127.0.0.1:8080';
const SERVER_PATHS = ['/v1', '/openai', '/audio', '/auth', '/health', '/blobs'];

/** React's, with every text made visible. */
const JSX_RUNTIME = fileURLToPath(new URL('./src/text/jsx-runtime.ts', import.meta.url));

/** The server takes calls from its own pages only, so the pages of `vite dev` pass as those. */
const PROXY = {
  target: SERVER_URL,
  ws: true,
  changeOrigin: true,
  rewriteWsOrigin: true,
  headers: { origin: SERVER_URL },
};

/**
 * The colour scheme must be known before the first paint, so a script of a few lines runs ahead of
 * the modules. It is a hashed file and not inline, because our pages allow no inline scripts.
 */
function bootScript(): Plugin {
  const source = readFileSync(new URL('./src/app/boot.js', import.meta.url), 'utf8');
  let fileRef: string | undefined;
  return {
    name: 'holdfast-boot-script',
    apply: 'build',
    buildStart() {
      fileRef = this.emitFile({ type: 'asset', name: 'boot.js', source });
    },
    transformIndexHtml: {
      order: 'post',
      handler(_html, context) {
        const boot = Object.values(context.bundle ?? {}).find(
          file => file.type === 'asset' && file.names.includes('boot.js'),
        );
        if (!fileRef || !boot) return [];
        return [{ tag: 'script', attrs: { src: `/${boot.fileName}` }, injectTo: 'head-prepend' }];
      },
    },
  };
}

export default defineConfig(({ command }) => {
  // A build started from a test run would otherwise carry the library's development checks.
  if (command === 'build') process.env.NODE_ENV = 'production';
  return {
    root: fileURLToPath(new URL('.', import.meta.url)),
    plugins: [react({ jsxImportSource: 'console-text' }), bootScript()],
    resolve: {
      alias: [{ find: /^console-text\/jsx(-dev)?-runtime$/, replacement: JSX_RUNTIME }],
    },
    build: {
      outDir: 'dist',
      emptyOutDir: true,
      target: 'es2022',
      // A worklet inlined as `data:` would be refused by the content security policy.
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false },
    },
    worker: { format: 'es' },
    server: {
      host: '127.0.0.1',
      proxy: Object.fromEntries(SERVER_PATHS.map(path => [path, PROXY])),
    },
  };
});
