// Bad input of every kind: exit code 2, one sentence and a hint on stderr, nothing on stdout, and everything as it was.

import { createHash } from 'node:crypto';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { createProject, openProject } from '#core/store/database.ts';
import { addCompletions } from '#core/store/completions.ts';
import { addPolicy } from '#core/store/policies.ts';
import { addPrompts } from '#core/store/prompts.ts';
import { cli, MAIN, temporaryFolder, writeLines, writeTinyModel } from './command-line.ts';

const work = temporaryFolder();
const at = (name: string) => path.join(work, name);

/** Every file below the folder with the hash of its bytes; SQLite's own scratch files left out. */
function fingerprint(): Record<string, string> {
  const files = fs
    .readdirSync(work, { recursive: true, encoding: 'utf8' })
    .filter((name) => fs.statSync(at(name)).isFile() && !/-(wal|shm)$/.test(name));
  return Object.fromEntries(
    files.sort().map((name) => [
      name,
      createHash('sha256')
        .update(fs.readFileSync(at(name)))
        .digest('hex'),
    ]),
  );
}

/** Runs it and expects a refusal that says `says`; `rows` = lines about single rows before it. */
async function refused(args: readonly string[], says: RegExp, rows = 0): Promise<void> {
  const before = fingerprint();
  const { code, stdout, stderr } = await cli(work, ...args);
  expect(code, stderr).toBe(2);
  const lines = stderr.trimEnd().split('\n');
  expect(lines.length, stderr).toBe(rows + 2);
  expect(lines.at(-2)).toMatch(/^Error: .*\.$/);
  expect(lines.at(-2)).toMatch(says);
  expect(lines.at(-1)).toMatch(/^Hint: .{8,}/);
  expect(stdout).toBe('');
  expect(fingerprint()).toEqual(before);
}

const files = ['--in', 'rows.jsonl', '--out', 'out.jsonl'];

beforeAll(async () => {
  await writeTinyModel(at('tiny'));
  await writeTinyModel(at('truncated'));
  fs.truncateSync(at('truncated/model.safetensors'), fs.statSync(at('truncated/model.safetensors')).size - 100);
  await writeTinyModel(at('mismatched'), { vocabulary: 280 });
  await writeTinyModel(at('no-tokenizer'));
  fs.rmSync(at('no-tokenizer/tokenizer.json'));
  writeLines(at('rows.jsonl'), [{ prompt: 'The ship', completion: ' left' }]);
  writeLines(at('long.jsonl'), [
    { prompt: 'The ship', completion: ' left' },
    '',
    { prompt: 'The ship left. '.repeat(40), completion: ' left' },
  ]);
  fs.writeFileSync(at('empty.jsonl'), '');
  const project = createProject(at('p.tastemaker'));
  const [promptId] = addPrompts(project, [
    { text: 'The ship', split: 'train', source: 'test' },
    { text: `${'The ship left. '.repeat(40)}`, split: 'validation', source: 'test' },
  ]) as [number];
  addCompletions(
    project,
    [' left', ' sank'].map((text) => ({
      promptId,
      policyId: null,
      text,
      tokenIds: [],
      logprobs: [],
      samplingLogprobs: [],
      finish: 'stop',
      sampling: { temperature: 1, topK: 0, topP: 1, maxNew: 0, seed: 0 },
      runId: null,
    })),
  );
  addPolicy(project, { name: 'tiny', kind: 'base', path: at('tiny') });
  project.close();
});

describe('commands, options and settings', () => {
  test.each<[string, string[], RegExp]>([
    ['unknown command', ['fly'], /There is no command "fly"/],
    ['unknown second word', ['model', 'fly'], /There is no command "model fly"/],
    ['missing second word', ['import'], /"import" needs one more word/],
    ['unknown option', ['sample', '--policy', 'tiny', '--best'], /"sample" has no option --best/],
    ['option without its value', ['sample', '--policy', '--k', '4'], /--policy needs a value/],
    ['flag with a value', ['new', 'x', '--demo=yes'], /--demo takes no value/],
    ['missing option', ['sample'], /"sample" needs --policy/],
    ['missing word', ['new'], /"new" needs DIR/],
    ['one word too many', ['new', 'a', 'b'], /does not know what to do with "b"/],
    ['number out of range', ['sample', '--policy', 'tiny', '--top-p', '1.5'], /--top-p is "1\.5"/],
    ['not a number', ['sample', '--policy', 'tiny', '--temperature', 'warm'], /--temperature is "warm"/],
    ['not whole', ['sample', '--policy', 'tiny', '--k', '2.5'], /--k is "2\.5", which is not a whole number/],
    ['negative seed', ['sample', '--policy', 'tiny', '--seed', '-1'], /--seed is "-1"/],
    [
      'no such choice',
      ['sample', '--policy', 'tiny', '--split', 'test'],
      /--split is "test", which is none of train, validation/,
    ],
    ['unknown recipe', ['train', 'fly'], /There is no recipe "fly"/],
    ['unknown setting', ['train', 'sft', '--set', 'speed=3'], /There is no setting "speed"/],
    [
      'setting out of range',
      ['train', 'ppo', '--set', 'gamma=2'],
      /The setting gamma is "2", which is not a number from 0 to 1/,
    ],
    ['setting without a value', ['train', 'ppo', '--set', 'gamma'], /--set "gamma" has no name and value/],
    ['setting given twice', ['train', 'ppo', '--set', 'gamma=1', '--set', 'gamma=0.9'], /names "gamma" twice/],
    [
      'unknown setting of the demo base',
      ['train', 'demo-base', '--out', 'x', '--set', 'speed=3'],
      /There is no setting "speed"/,
    ],
    ['nothing to train on', ['train', 'reward', '--set', 'policy=tiny'], /This needs 8 rankings/],
    ['unknown run', ['run', 'show', '0009-ppo'], /There is no run 0009-ppo/],
  ])('%s', (_, args, says) => refused(args, says));

  test('what is known is listed', async () => {
    expect((await cli(work, 'fly')).stderr).toContain('import rankings');
    expect((await cli(work, 'sample', '--best')).stderr).toContain('--max-new');
    expect((await cli(work, 'train', 'ppo', '--set', 'speed=3')).stderr).toContain('missing_end_penalty');
  });
});

describe('models', () => {
  test.each<[string, string[], RegExp]>([
    ['missing folder', ['model', 'add', 'nowhere'], /nowhere does not exist/],
    ['a file', ['model', 'add', 'rows.jsonl'], /rows\.jsonl is a file, not a model folder/],
    ['truncated weights', ['model', 'add', 'truncated'], /truncated.*model\.safetensors/],
    [
      'tokenizer of another model',
      ['model', 'add', 'mismatched'],
      /mismatched does not match the model: it has \d+ tokens, the embedding has 280 rows/,
    ],
    ['no tokenizer', ['model', 'add', 'no-tokenizer'], /tokenizer\.json does not exist/],
    ['taken name', ['model', 'add', 'tiny'], /already has a model called "tiny"/],
    [
      'wrong kind',
      ['model', 'add', 'tiny', '--name', 'x', '--kind', 'reward'],
      /is a language model, not of the kind reward/,
    ],
    ['logprobs of a missing folder', ['logprobs', '--policy', './nowhere', ...files], /no policy called "\.\/nowhere"/],
    ['logprobs of truncated weights', ['logprobs', '--policy', 'truncated', ...files], /truncated.*model\.safetensors/],
    ['generate with another tokenizer', ['generate', '--policy', 'mismatched', ...files], /does not match the model/],
    ['sampling from an unknown model', ['sample', '--policy', 'nobody'], /There is no policy called "nobody"/],
    [
      'training from an unknown model',
      ['train', 'sft', '--set', 'policy=nobody'],
      /There is no policy called "nobody"/,
    ],
  ])('%s', (_, args, says) => refused(args, says));

  test('without a project, a name is taken for a missing folder', async () => {
    const elsewhere = temporaryFolder();
    writeLines(path.join(elsewhere, 'rows.jsonl'), [{ prompt: 'a', completion: 'b' }]);
    const { code, stderr } = await cli(elsewhere, 'logprobs', '--policy', 'base', ...files);
    expect([code, stderr]).toEqual([2, expect.stringMatching(/^Error: There is no model .*base\.\nHint: .*\n$/)]);
  });
});

describe('rows', () => {
  test.each<[string, string[], RegExp]>([
    [
      'prompt longer than the context',
      ['logprobs', '--policy', 'tiny', '--in', 'long.jsonl', '--out', 'out.jsonl'],
      /Line 3 of long\.jsonl does not fit: its prompt has \d+ tokens.*context is 48/,
    ],
    [
      'no room for new tokens',
      ['generate', '--policy', 'tiny', '--in', 'rows.jsonl', '--out', 'out.jsonl', '--max-new', '47'],
      /Line 1 of rows\.jsonl does not fit/,
    ],
    [
      'prompts that do not fit when sampled',
      ['sample', '--policy', 'tiny', '--split', 'validation', '--max-new', '8'],
      /None of the 1 prompts fits/,
    ],
    [
      'empty file',
      ['logprobs', '--policy', 'tiny', '--in', 'empty.jsonl', '--out', 'out.jsonl'],
      /empty\.jsonl is empty/,
    ],
    ['empty file of prompts', ['import', 'prompts', 'empty.jsonl'], /empty\.jsonl is empty/],
    ['missing file', ['import', 'prompts', 'nowhere.jsonl'], /nowhere\.jsonl does not exist/],
    [
      'nowhere to write',
      ['generate', '--policy', 'tiny', '--in', 'rows.jsonl', '--out', 'no/where.jsonl'],
      /--out no\/where\.jsonl cannot be written/,
    ],
    [
      'unknown field to map',
      ['import', 'rankings', 'rows.jsonl', '--map', 'mood=text'],
      /There is no field "mood" to map/,
    ],
    [
      'split twice',
      ['import', 'prompts', 'rows.jsonl', '--split', 'test', '--validation-share', '0.5'],
      /exclude each other/,
    ],
    [
      'another format than said',
      ['import', 'prompts', 'rows.jsonl', '--format', 'tldr'],
      /is not of the format tldr: it reads as "prompt"/,
    ],
  ])('%s', (_, args, says) => refused(args, says));

  test.each<[string, string, unknown[], RegExp]>([
    [
      'rankings',
      'an unknown completion id',
      [
        { prompt_id: 1, completion_ids: [1, 2], ranks: [1, 2] },
        { prompt_id: 1, completion_ids: [1, 99], ranks: [1, 2] },
      ],
      /Line 2 of given\.jsonl is bad: The project has no completion 99/,
    ],
    [
      'rankings',
      'a completion of another prompt',
      [{ prompt_id: 2, completion_ids: [1, 2], ranks: [1, 2] }],
      /Line 1 .*Completion 1 belongs to prompt 1, not to prompt 2/,
    ],
    [
      'rankings',
      'an unknown prompt id',
      [{ prompt_id: 77, completion_ids: [1, 2], ranks: [1, 2] }],
      /Line 1 .*has no prompt 77/,
    ],
    [
      'rankings',
      'an unknown prompt after one whose completion was added',
      [
        { prompt: 'The ship', chosen: ' sailed', rejected: ' left' },
        { prompt: 'A whale', chosen: 'x', rejected: 'y' },
      ],
      /Line 2 .*does not have its prompt/,
    ],
    [
      'completions',
      'an unknown prompt',
      [{ prompt: 'A whale', completion: ' sang' }],
      /Line 1 .*does not have its prompt/,
    ],
    [
      'completions',
      'an unknown policy',
      [{ prompt: 'The ship', completion: ' sang', policy: 'whale' }],
      /Line 1 .*no policy "whale"/,
    ],
    ['prompts', 'a broken line', [{ prompt: 'A whale' }, '{"prompt": "A wh'], /Line 2 .*not JSON/],
  ])('%s with %s', async (kind, _, rows, says) => {
    writeLines(at('given.jsonl'), rows);
    await refused(['import', kind, 'given.jsonl'], says, 1);
  });

  test('the first ten bad rows are named, then their number; --skip-bad takes the rest', async () => {
    writeLines(at('given.jsonl'), [
      { prompt: 'A whale' },
      ...Array.from({ length: 12 }, () => ({ prompt: 7 })),
      { prompt: 'A fish' },
    ]);
    await refused(['import', 'prompts', 'given.jsonl'], /12 lines of given\.jsonl are bad, the first is line 2/, 11);
    fs.cpSync(at('p.tastemaker'), at('copy.tastemaker'), { recursive: true });
    const { code, stdout } = await cli(
      work,
      'import',
      'prompts',
      'given.jsonl',
      '--skip-bad',
      '--project',
      'copy.tastemaker',
      '--json',
    );
    expect([code, JSON.parse(stdout)]).toEqual([
      0,
      { format: 'prompt', added: 2, duplicates: 0, skipped: 12, warnings: [], notes: [] },
    ]);
    fs.rmSync(at('copy.tastemaker'), { recursive: true });
  });
});

describe('projects and disks', () => {
  test('a project that another process writes to', async () => {
    const project = openProject(at('p.tastemaker'), { write: true });
    try {
      writeLines(at('given.jsonl'), [{ prompt: 'A whale' }]);
      await refused(
        ['import', 'prompts', 'given.jsonl'],
        new RegExp(`already open for writing in another process \\(pid ${process.pid}\\)`),
      );
      expect((await cli(work, 'model', 'list')).code, 'reading goes on').toBe(0);
    } finally {
      project.close();
    }
  });

  test('no project at all, and a folder that is none', async () => {
    await refused(['runs', '--project', 'tiny'], /tiny/);
    const { code, stderr } = await cli(temporaryFolder(), 'runs');
    expect([code, stderr]).toEqual([
      2,
      expect.stringMatching(/^Error: There is no project in .*\nHint: .*tastemaker new/),
    ]);
  });

  // a file system of its own, so small that the weights do not fit; where that may not be made, the test is skipped
  const small = (script: string) =>
    spawnSync(
      'unshare',
      [
        '--user',
        '--map-root-user',
        '--mount',
        'sh',
        '-c',
        `mkdir -p "$0/disk" && mount -t tmpfs -o size=256k none "$0/disk" && ${script}`,
        work,
        process.execPath,
        MAIN,
      ],
      { encoding: 'utf8', cwd: work },
    );
  const cannotMount = process.platform !== 'linux' || small('true').status !== 0;
  test.skipIf(cannotMount)(
    `a full disk${cannotMount ? ' (skipped: no small file system can be mounted here)' : ''}`,
    () => {
      writeLines(
        at('many.jsonl'),
        Array.from({ length: 3000 }, (_, i) => ({ prompt: `The ship ${i} ${'left '.repeat(20)}` })),
      );
      const command = (args: string) => `"$1" "$2" ${args}`;
      const out = small(
        `cp rows.jsonl disk/out.jsonl && head -c 400k /dev/zero > disk/filler 2>/dev/null; ${command('logprobs --policy tiny --in rows.jsonl --out disk/out.jsonl')}; code=$?; cmp -s disk/out.jsonl rows.jsonl || exit 9; ls -A disk >&2; exit $code`,
      );
      expect([out.status, out.stderr]).toEqual([
        2,
        expect.stringMatching(
          /^Error: .*out\.jsonl could not be read or written: the disk is full\.\nHint: .*\nfiller\nout\.jsonl\n$/,
        ),
      ]);
      const made = small(command('new disk/full --demo --prompts 4 --held-out 1'));
      expect([made.status, made.stderr]).toEqual([2, expect.stringMatching(/^Error: .*full/)]);
    },
  );
});
