// The version that runs, models and cards carry is that of package.json.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { VERSION } from '#core/version.ts';

test('it is that of package.json', () => {
  expect(readFileSync('package.json', 'utf8')).toContain(`"version": "${VERSION}"`);
  expect(VERSION).toMatch(/^\d+\.\d+\.\d+$/);
});
