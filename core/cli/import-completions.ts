// `tastemaker import completions`: answers from other people's files to prompts of the project, all of a file or none of it.

import path from 'node:path';
import { readCompletions } from '#core/formats/completions.ts';
import type { RowError } from '#core/formats/rows.ts';
import { addCompletions, listCompletions } from '#core/store/completions.ts';
import type { NewCompletion } from '#core/store/completions.ts';
import { listPolicies } from '#core/store/policies.ts';
import { transaction } from '#core/store/project.ts';
import { refuseBadRows } from './bad-rows.ts';
import { defineCommand, flag, list, readPairs } from './command.ts';
import { importedCompletion, promptIdsByText } from './known-texts.ts';
import { projectOption, withProject } from './project-option.ts';
import { splitBy, splitOptions } from './split-option.ts';

export const importCompletionsCommand = defineCommand({
  name: 'import completions',
  words: ['FILE'],
  sentence: 'Add completions: rows of {"prompt", "completion"} with an optional "policy".',
  options: {
    map: list('field=column', 'Which column holds prompt, completion or policy.'),
    'add-prompts': flag('Add prompts that the project does not have.'),
    'any-policy': flag('Take completions of policies that the project does not have, without their policy.'),
    ...splitOptions,
    'skip-bad': flag('Leave bad rows out instead of importing nothing.'),
    project: projectOption,
  },
  run: ({ words: [file], options }) => {
    const split = splitBy(options), map = readPairs(options.map, 'map');
    return withProject(options.project, { write: true }, (project) => transaction(project, () => {
      const { completions, errors } = readCompletions(file!, { map });
      const bad: RowError[] = [...errors], rows: NewCompletion[] = [];
      const prompts = promptIdsByText(project, completions.map(({ prompt }) => prompt), path.basename(file!), options['add-prompts'] ? split : null);
      const policies = new Map(listPolicies(project).map(({ name, id }) => [name, id]));
      const key = (promptId: number, policyId: number | null, text: string) => `${promptId}/${policyId}/${text}`;
      const known = new Set(listCompletions(project).map(({ promptId, policyId, text }) => key(promptId, policyId, text)));
      let duplicates = 0;
      for (const { line, prompt, completion, policy } of completions) {
        const promptId = prompts.get(prompt);
        const policyId = policy === null ? null : policies.get(policy);
        if (promptId === undefined) bad.push({ line, message: 'The project does not have its prompt (--add-prompts adds it).' });
        else if (policyId === undefined && !options['any-policy']) bad.push({ line, message: `The project has no policy "${policy}" (--any-policy takes the row without it).` });
        else if (known.has(key(promptId, policyId ?? null, completion))) duplicates++;
        else {
          known.add(key(promptId, policyId ?? null, completion));
          rows.push(importedCompletion(promptId, completion, policyId ?? null));
        }
      }
      refuseBadRows(file!, bad, options['skip-bad']);
      addCompletions(project, rows);
      return {
        data: { added: rows.length, duplicates, skipped: bad.length },
        lines: [`Added ${rows.length} completions from ${file}; ${duplicates} were there already${bad.length ? `, ${bad.length} bad rows were left out` : ''}.`],
      };
    }));
  },
});
