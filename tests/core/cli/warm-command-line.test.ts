// The command line that stays says and does what a process of its own does, call after call, whatever the one before
// it was.
import fs from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { cli, startCli, temporaryFolder, writeLines, writeTinyModel } from './command-line.ts';

test.each<[string, string[]]>([
  ['a refusal', ['fly']],
  ['help', ['sample', '--help']],
  ['rows, of which some are bad', ['import', 'prompts', 'rows.jsonl', '--skip-bad', '--json']],
  ['numbers of a model', ['logprobs', '--policy', 'tiny', '--in', 'pairs.jsonl', '--out', 'out.jsonl']],
  ['no project', ['runs', '--project', 'nowhere']],
  ['a check that finds nothing', ['model', 'list', '--json']],
])('%s', async (_, args) => {
  const said = [];
  const written: string[] = [];
  for (const run of [(folder: string) => cli(folder, ...args), (folder: string) => startCli(folder, args).ended]) {
    const folder = temporaryFolder();
    await cli(folder, 'new', 'p.tastemaker');
    writeLines(path.join(folder, 'rows.jsonl'), [{ prompt: 'Why?' }, { prompt: 7 }]);
    writeLines(path.join(folder, 'pairs.jsonl'), [{ prompt: 'The ship', completion: ' left' }]);
    await writeTinyModel(path.join(folder, 'tiny'));
    const { code, stdout, stderr } = await run(folder);
    said.push({ code, stdout: stdout.replaceAll(folder, ''), stderr: stderr.replaceAll(folder, '') });
    const out = path.join(folder, 'out.jsonl');
    written.push(fs.existsSync(out) ? fs.readFileSync(out, 'utf8') : '');
  }
  expect(said[0]).toEqual(said[1]);
  expect(said[0]!.stdout + said[0]!.stderr).not.toBe(written[0]);
  expect(written[0]).toBe(written[1]);
});
