// Opens the workstation on its sources: the window changes as they are saved. `npm run dev [-- --project DIR]`.
//
// In Electron where it is here, with its main process started anew when that changes; else in a browser, where the
// development server hands on to the host what is the service's. The service is the real one, and stays as it started.
import { spawn } from 'node:child_process';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { createServer as startInElectron, resolveConfig } from 'electron-vite';
import { createServer, mergeConfig } from 'vite';
import { ensureBuiltOrSay, forgetBuilt } from './bundles.mjs';
import { findDesktop } from './electron.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
/** What the page asks of the host (core/host/), as the development server's patterns. */
const OF_THE_HOST = ['^/session$', '^/socket\\?', '^/upload\\?'];

/** Starts `tastemaker serve`; resolves to its process and address. */
async function startHost(args) {
  const words = [
    '--disable-warning=ExperimentalWarning',
    join(root, 'core/cli/main.ts'),
    'serve',
    '--json',
    '--no-open',
  ];
  const rest = args.filter((arg) => !['--json', '--no-open'].includes(arg));
  const child = spawn(process.execPath, [...words, ...rest], { stdio: ['ignore', 'pipe', 'inherit'] });
  child.once('exit', (code) => process.exit(code ?? 1));
  const line = await new Promise((found) => createInterface(child.stdout).once('line', found));
  return { child, url: new URL(JSON.parse(line).url) };
}

/**
 * Hands requests on to the host as its own page would send them. The host refuses every page but its own, so what
 * another page sends keeps its Origin.
 */
function handOn(target, isOurs) {
  const configure = (proxy) => {
    for (const event of ['proxyReq', 'proxyReqWs'])
      proxy.on(event, (outgoing, incoming) => {
        if (isOurs(incoming.headers.origin)) outgoing.setHeader('origin', target);
      });
  };
  return Object.fromEntries(OF_THE_HOST.map((path) => [path, { target, changeOrigin: true, ws: true, configure }]));
}

async function startInBrowser(args) {
  if (!(await ensureBuiltOrSay(root))) process.exit(1); // the host has a window of its own, too
  const { child, url } = await startHost(args);
  let address = '';
  const proxy = handOn(url.origin, (origin) => origin === address);
  const { config } = await resolveConfig({ root }, 'serve', 'development');
  const server = await createServer(mergeConfig(config.renderer, { server: { proxy } }));
  await server.listen();
  const { port } = server.httpServer.address();
  address = `http://127.0.0.1:${port}`;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  const page = `${address}/${url.hash}`;
  process.stdout.write(
    args.includes('--json') ? `${JSON.stringify({ url: page, port })}\n` : `Tastemaker is at ${page}\n`,
  );
}

const args = process.argv.slice(2);
const electron = findDesktop(root, process.execPath, args);
if (electron) {
  forgetBuilt(root);
  process.env.ELECTRON_CLI_ARGS = JSON.stringify(args);
  await startInElectron({ root, build: { watch: {} } }, {});
} else await startInBrowser(args);
