// Where our own sources lie: what is linted and formatted.

export const SOURCES = [
  'core',
  'electron',
  'renderer',
  'build',
  'tests',
  'vitest.config.ts',
  'playwright.config.ts',
  'electron.vite.config.ts',
];
