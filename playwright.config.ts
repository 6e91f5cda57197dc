// Browser tests: the started application in the system's Chromium, which is never downloaded.
import { resolve } from 'node:path';
import { defineConfig } from '@playwright/test';
import { findChromium } from './build/chromium.mjs';

const executablePath = findChromium();
if (!executablePath)
  console.error('No chromium, chromium-browser or google-chrome on the PATH: the browser tests cannot run here.');

/** These look at the clock, so `npm test` runs them after the others, alone. */
const MEASURED = ['latency', 'big-project', 'big-run', 'start'].map((name) => `**/${name}.spec.ts`);

// the key with which tests that make projects sign them is not that of who runs them; workers inherit it
process.env.TASTEMAKER_HOME ??= resolve('out/test-home');
process.env.NODE_COMPILE_CACHE ??= resolve('out/test-compiled'); // the services and runs that they start, start sooner

export default defineConfig({
  testDir: 'tests/app',
  projects: [
    { name: 'screens', testMatch: '**/*.spec.ts', testIgnore: MEASURED },
    { name: 'measured', testMatch: MEASURED },
  ],
  globalSetup: './build/window-setup.mjs',
  outputDir: 'test-results',
  workers: 1,
  timeout: 120_000,
  forbidOnly: !!process.env.CI,
  reporter: 'list',
  use: {
    browserName: 'chromium',
    trace: 'retain-on-failure',
    launchOptions: {
      ...(executablePath && { executablePath }),
      args: [
        '--no-sandbox',
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
      ],
    },
  },
});
