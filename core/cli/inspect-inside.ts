// `tastemaker inspect lens` and `inspect attribution`: what each layer would write along a stored sample, and which of
// its tokens make a number.

import type { Attribution, Lens, LensLayer, ReadText } from '#core/contract/inspect.ts';
import { attribution } from '#core/inspection/attribution.ts';
import { createHeldModels } from '#core/inspection/held-models.ts';
import { lens } from '#core/inspection/lens.ts';
import { storedSample } from '#core/inspection/stored-sample.ts';
import { getPolicy, policyPath } from '#core/store/policies.ts';
import { onOneLine } from '#core/store/printable.ts';
import type { Project } from '#core/store/project.ts';
import { defineCommand, requiredText, text, wholeNumber } from './command.ts';
import type { Option } from './command.ts';
import { projectOption, withProject } from './project-option.ts';

const completion: Option<number> = {
  ...wholeNumber(0, [0, 2 ** 53 - 1], 'The stored sample, by the number that exports and Inspect give it.'),
  value: 'ID',
  required: true,
};
const asked = { project: projectOption, completion, model: requiredText('NAME', 'A model of the project.') };

const placeOf = (project: Project, name: string) => ({ name, folder: policyPath(project, getPolicy(project, name)) });
const number = (value: number | null, digits = 3): string => (value === null ? '' : value.toFixed(digits));
const spelled = ({ tokens }: ReadText, t: number): string => (t < tokens.length ? onOneLine(tokens[t]!) : '');

/** A layer a line, of the position before the last: there its guess can be held against what follows. */
function lensLines(model: string, text: Lens, layers: readonly LensLayer[]): string[] {
  const [from, to] = text.positions;
  const at = Math.max(from, to - 2);
  return [
    `"${model}" at position ${at} (${spelled(text, at)}), before ${spelled(text, at + 1) || 'the end'}:`,
    ...layers.map(({ layer, best, entropies, divergences, nextRanks, norms }) => {
      const p = at - from;
      const [first] = best[p]!;
      const guess = first ? `${onOneLine(first.token)} ${number(Math.exp(first.logprob))}` : '';
      return `  layer ${layer}: ${guess}, entropy ${number(entropies[p]!)}, KL ${number(divergences[p]!)}, rank of what follows ${nextRanks[p] ?? '-'}, norm ${number(norms[p]!, 1)}`;
    }),
  ];
}

export const inspectLensCommand = defineCommand({
  name: 'inspect lens',
  computes: true,
  words: [],
  sentence:
    'Say what each layer of a model would write next along a stored sample: likeliest tokens, entropy, KL to the last layer, rank of the token that follows, norms (--json has all positions).',
  options: {
    ...asked,
    beside: text('NAME', null, 'Another checkpoint with the same tokenizer and as many layers, and the difference.'),
    count: wholeNumber(5, [1, 20], 'How many of the likeliest tokens.'),
    from: wholeNumber(0, [0, 2 ** 31], 'The first position; 0 is the first token of the prompt.'),
    positions: wholeNumber(null, [1, 2 ** 31], 'How many positions; left out, all from the first on.'),
  },
  run: ({ options: { project: given, completion: id, model, beside, count, from, positions } }) =>
    withProject(given, { write: false }, async (project) => {
      const size = positions ?? Infinity;
      const found = await lens(createHeldModels({ limit: Infinity }), {
        ...(await storedSample(project, id)),
        model: placeOf(project, model),
        beside: beside === null ? null : placeOf(project, beside),
        layers: null,
        positions: { from, size },
        count,
      });
      return {
        data: { completion: id, model, beside_model: beside, ...found },
        lines: [
          ...lensLines(model, found, found.layers),
          ...(found.beside ? lensLines(beside!, found, found.beside) : []),
        ],
      };
    }),
});

function attributionLines(model: string, found: Attribution): string[] {
  const { of, value, along, leftOut, gradientTimesInput, prompt } = found;
  return [
    `${of === 'score' ? 'Score' : 'Σ ln p of the answer'} by "${model}": ${number(value)}`,
    'token | along the text | left out | gradient × input',
    ...found.tokens.flatMap((token, t) =>
      t < prompt
        ? []
        : [`  ${onOneLine(token)} | ${number(along[t]!)} | ${number(leftOut[t]!)} | ${number(gradientTimesInput[t]!)}`],
    ),
  ];
}

export const inspectAttributionCommand = defineCommand({
  name: 'inspect attribution',
  computes: true,
  words: [],
  sentence:
    'Say which tokens of a stored sample make its score, or its log-probability by a model that writes: along the text, each left out, gradient × input.',
  options: asked,
  run: ({ options: { project: given, completion: id, model } }) =>
    withProject(given, { write: false }, async (project) => {
      const found = await attribution(createHeldModels({ limit: Infinity }), {
        ...(await storedSample(project, id)),
        model: placeOf(project, model),
      });
      return { data: { completion: id, model, ...found }, lines: attributionLines(model, found) };
    }),
});
