// No place knows a recipe by name but its own file and the table: what else names one stands here with its reason.

import fs from 'node:fs';
import { expect, test } from 'vitest';
import { METRICS } from '#core/recipes/metrics.ts';
import { RECIPE_NAMES, RECIPES } from '#core/recipes/table.ts';
import { sourceFiles } from '#tests/architecture.ts';

/** Names that are also ordinary words (a kind of model, a metric, a column): only in the forms that mean the recipe. */
const WORDS: readonly string[] = ['sample', 'score', 'reward'];

/** Files (or folders) that name recipes, and why. */
const EXCEPTIONS: Readonly<Record<string, string>> = {
  'core/formats/': 'columns of other people’s files, whatever they are called',
  'core/cli/bench': 'measures the recipes that it names',
  'core/cli/check-gpu/': 'checks on a card what these recipes do',
  'core/cli/demo': 'plays the demo from sampling to PPO and reports it',
  'core/cli/sample.ts': 'a command that is one recipe',
  'core/service/demo.ts': 'makes the demo: its first two runs sample',
  'core/service/data/measured-by.ts': 'why scores are missing: the scoring runs that were to bring them',
  'core/service/runs/run-follow-up.ts': 'scores what a run left unscored',
  'renderer/components/home/loop.ts': 'the loop that Home shows: which recipe does which of its steps',
  'renderer/components/desk/NothingToLabel.vue': 'leads to the steps of the loop that fill the desk',
  'renderer/components/data/PromptDetails.vue': 'leads to the step of the loop that answers prompts',
  'renderer/components/inspect/scoring.ts': 'the button of Inspect that scores',
  'renderer/views/InspectView.vue': 'leads to the step of the loop that fills Inspect',
};

/** What names a recipe: for an ordinary word its use as one, for any other also a literal, a key or a case. */
function naming(name: string): RegExp {
  const asRecipe = [
    `recipe[=:]\\s*'?${name}\\b`,
    `\\b(?:startRun|runs\\.start|start|prepareRun)\\((?:project, )?'${name}'`,
    `listRuns\\([^)]*kind: '${name}'`,
    `\\bRECIPES\\.${name}\\b`,
    `core/recipes/${name}\\.ts`,
    `case '${name}'`,
  ];
  const asWord = WORDS.includes(name) ? [] : [`['"\`]${name}['"\`]`, `\\b${name}: (?!unknown)`];
  return new RegExp([...asRecipe, ...asWord].join('|'));
}

const files = sourceFiles(process.cwd()).filter(
  (file) =>
    /^(core|renderer|electron)\//.test(file) && !RECIPE_NAMES.some((name) => file === `core/recipes/${name}.ts`),
);
const found = files.flatMap((file) => {
  const text = fs.readFileSync(file, 'utf8');
  return RECIPE_NAMES.filter((name) => naming(name).test(text)).map((name) => ({ file, name }));
});
const excused = ({ file }: { file: string }): string | undefined =>
  Object.keys(EXCEPTIONS).find((place) => file.startsWith(place));

test('no other place knows a recipe by name', () => {
  expect(found.filter((one) => !excused(one)).map(({ file, name }) => `${file} names ${name}`)).toEqual([]);
});

test('every exception is needed', () => {
  const needed = new Set([...found.map(excused), 'core/formats/']); // their words are not ours to choose
  expect(Object.keys(EXCEPTIONS).filter((place) => !needed.has(place))).toEqual([]);
});

test('what is planted is found', () => {
  expect(naming('score').test("await start('score', config, null)")).toBe(true);
  expect(naming('score').test("sort: ['score', true]")).toBe(false);
  expect(naming('ppo').test("const ORDER = ['ppo']")).toBe(true);
  expect(naming('sft').test('const WORDS = { sft: 1 }')).toBe(true);
  expect(naming('reward').test('to="/train?recipe=reward"')).toBe(true);
});

test('every recipe has a title, charts that the glossary knows, and settings that hang on others that are there', () => {
  for (const [name, { title, charts, judgedBy, bestBy, settings, asksFor }] of Object.entries(RECIPES)) {
    expect(title, name).not.toBe('');
    for (const metric of [...charts, ...judgedBy, ...(bestBy ? [bestBy] : [])])
      expect(Object.keys(METRICS), name).toContain(metric);
    expect(charts.length, name).toBeGreaterThan(0);
    expect(asksFor === null || asksFor.setting in settings, name).toBe(true);
    for (const { setting, is } of Object.values(settings).flatMap(({ when }) => when ?? []))
      expect(settings[setting]!.choices).toContain(is);
  }
});
