// Browser tests: the started application in the system's Chromium, which is never downloaded.
import { defineConfig } from '@playwright/test';
import { findChromium } from './build/chromium.mjs';

const executablePath = findChromium();
if (!executablePath) console.error('No chromium, chromium-browser or google-chrome on the PATH: the browser tests cannot run here.');

export default defineConfig({
  testDir: 'tests/app',
  testMatch: '**/*.spec.ts',
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
