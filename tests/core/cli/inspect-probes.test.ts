// `inspect probes`: the table for people and for scripts, what is kept of it, changes, refusals with a sentence.

import path from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { parseCall } from '#core/cli/command.ts';
import { inspectProbesCommand } from '#core/cli/inspect-probes.ts';
import type { ProbeTable } from '#core/contract/probes.ts';
import { createProject, openProject } from '#core/store/database.ts';
import { addLengthReward, errorFrom, makeTinyProject, temporaryProjects } from '#tests/core/recipes/tiny-project.ts';
import { cli } from './command-line.ts';

const fresh = temporaryProjects();
const [folder, empty] = [fresh(), fresh()];
const told: string[] = [];
let probes = 0;

beforeAll(async () => {
  createProject(empty).close();
  const project = await makeTinyProject(folder);
  addLengthReward(project, 'longer', 1);
  addLengthReward(project, 'shorter', -1);
  project.close();
});

interface Printed {
  samples: ProbeTable['samples'];
  models: { name: string; state: string }[];
  probes: {
    id: number;
    sentence: string;
    expected: string | null;
    results: { model: string; mean: number; n: number }[];
  }[];
}
async function run(at: string, ...args: string[]): Promise<{ data: Printed; lines: readonly string[] }> {
  const { words, options, json } = parseCall(inspectProbesCommand, ['--project', at, ...args]);
  const tell = (line: string) => void told.push(line);
  const report = await inspectProbesCommand.run({ words, options: options as never, json, tell });
  return { data: report.data as Printed, lines: report.lines };
}

test('a row a probe, a column a reward model; scripts get the numbers', async () => {
  const { code, stdout } = await cli(path.dirname(folder), 'inspect', 'probes', '--project', folder);
  expect(code).toBe(0);
  expect(stdout).toMatch(/^probe +what is edited +people say +longer +shorter$/m);
  expect(stdout).toMatch(/^1 +Append “please help me” +\+\d\.\d\d \(\+\d\.\d\d to \+\d\.\d\d\), n \d+ +−\d/m);
  expect(stdout).toContain(
    'Measured on 28 answers to train prompts, one a prompt, drawn by seed 1, written by “base”.',
  );
  const { data } = await run(folder, '--model', 'longer');
  probes = data.probes.length;
  expect(data.models).toMatchObject([{ name: 'longer', state: 'measured' }]);
  expect(data.probes[0]!.results).toMatchObject([{ model: 'longer', prompts: expect.any(Number) }]);
  expect(data.probes[0]!.results[0]!.mean).toBeGreaterThan(0);
});

test('probes are added, told what to expect, looked at and taken away', async () => {
  const { data } = await run(folder, '--add', 'replace', '--set', 'search=e', '--set', 'put=', '--expect', 'same');
  const { id } = data.probes.at(-1)!;
  expect(told.at(-1)).toMatch(/^Probe \d+: Take out “e”\. It applies to \d+ of 28 answers\.$/);
  expect(data.probes.at(-1)).toMatchObject({ sentence: 'Take out “e”', expected: 'same' });
  await run(folder, '--add', 'shorten', '--set', 'share=0.25');
  expect(told.at(-1)).toContain('keep the first 25 % of the words');
  const one = await run(folder, '--probe', '1', '--model', 'longer', '--expect', 'fall');
  expect(told.at(-1)).toBe('Of probe 1 it is said that scores should fall.');
  expect(one.data.probes).toMatchObject([{ id: 1, expected: 'fall' }]);
  expect(one.lines.find((line) => line.startsWith('1 '))).toMatch(/100 % the wrong way \(\d+ % to 100 %\)/);
  expect(one.lines.filter((line) => /^ {2}\d+: −?-?\d.* → .* please help me$/.test(line))).toHaveLength(10);
  await run(folder, '--remove', String(id));
  expect((await run(folder)).data.probes).toHaveLength(probes + 1);
});

test('what a window has open is shown as far as it is measured, and not changed', async () => {
  const { code, stdout } = await cli(path.dirname(folder), 'inspect', 'probes', '--project', folder, '--json');
  expect(code).toBe(0);
  const project = openProject(folder, { write: true });
  const locked = await cli(path.dirname(folder), 'inspect', 'probes', '--project', folder, '--json');
  const refused = await cli(path.dirname(folder), 'inspect', 'probes', '--project', folder, '--remove', '1');
  project.close();
  expect(locked.stdout).toBe(stdout);
  expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining('The project is open elsewhere')]);
});

test.each([
  [['--add', 'shout'], 'There is no edit “shout”'],
  [['--add', 'replace', '--set', 'search= '], 'There is no word in what is searched for.'],
  [['--add', 'shorten', '--set', 'share=much'], '“Share kept” is no share from 0.05 to 1.'],
  [['--expect', 'rise'], 'Nothing says of which probe that is expected.'],
  [['--probe', '999'], 'There is no probe 999 in this project.'],
  [['--model', 'base'], '“base” gives no scores: it is no reward model.'],
] as const)('%j is refused in a sentence', async (args, says) => {
  expect((await errorFrom(() => run(folder, ...args))).message).toContain(says);
});

test('without a reward model, or without answers, there is nothing to measure', async () => {
  expect((await errorFrom(() => run(empty))).message).toBe('The project has no reward model to measure probes under.');
  const added = await run(empty, '--add', 'append', '--set', 'text=pls halp');
  expect([added.lines, told.at(-1)]).toEqual([[], 'Probe 8: Append “pls halp”. It applies to 0 of 0 answers.']);
});
