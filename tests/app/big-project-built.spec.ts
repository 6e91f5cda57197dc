// The project that big-project.spec.ts measures is built here, where others run: building it is not measured.
import { mkdirSync, rmSync } from 'node:fs';
import { expect, test } from '@playwright/test';
import { buildBigProject } from '#core/cli/bench-project.ts';
import { openProject } from '#core/store/database.ts';
import { countPrompts } from '#core/store/prompts.ts';
import { BIG_FOLDER, BIG_PLACE, BIG_SIZE } from './big-project.ts';

test('a project of 100,000 prompts is built, and holds them', () => {
  test.setTimeout(420_000);
  rmSync(BIG_PLACE, { recursive: true, force: true, maxRetries: 5 }); // of a run that was broken off
  mkdirSync(BIG_PLACE, { recursive: true });
  buildBigProject(BIG_FOLDER, BIG_SIZE, () => {});
  const project = openProject(BIG_FOLDER, { write: false });
  try {
    const { train, validation, test: held } = countPrompts(project);
    expect(train + validation + held).toBe(BIG_SIZE.prompts);
  } finally {
    project.close();
  }
});
