// `tastemaker label gold`: the demo world's programmatic labelers rank what was sampled.

import type { LabelerName } from '#core/demo/labelers.ts';
import { LABELERS } from '#core/demo/labelers.ts';
import { says } from '#core/findings/edits.ts';
import { TastemakerError } from '#core/errors.ts';
import { labelGold } from '#core/recipes/demo/label-gold.ts';
import type { Liking } from '#core/recipes/demo/label-gold.ts';
import { defineCommand, number, oneOf, text, wholeNumber } from './command.ts';
import { projectOption, withProject } from './project-option.ts';

/** As much as the whole of gold's middle range: what nobody overlooks. */
const STRENGTH = 3;

export const labelGoldCommand = defineCommand({
  name: 'label gold',
  words: [],
  sentence: 'Let programmatic labelers rank the samples of a demo project.',
  options: {
    labelers: wholeNumber(3, [1, 1000], 'How many share the prompts; each prompt is ranked by one of them.'),
    noise: number(0.25, [0, 0.49], 'Share of pairs on which two of them disagree.'),
    taste: oneOf('crowd_b', Object.keys(LABELERS) as LabelerName[], 'What they like; crowd_b has a bias one can see.'),
    like: text('PHRASE', null, 'A phrase that they are fond of besides: a planted taste, for something to find.'),
    strength: number(
      null,
      [0.1, 100],
      'How much a text that says it is worth more; 3 when left out. Gold runs 1 to 7.',
    ),
    seed: wholeNumber(1, [0, 2 ** 48], 'Seed of the noise.'),
    project: projectOption,
  },
  run: ({ options: { project: given, like: phrase, strength, ...settings } }) => {
    const like = likingOf(phrase, strength);
    return withProject(given, { write: true }, (project) => {
      const result = labelGold(project, { ...settings, like });
      const fond = like ? `, fond of “${like.phrase}”` : '';
      return {
        data: result,
        lines: [
          `Added ${result.added} rankings by ${settings.labelers} labelers of the taste ${settings.taste}${fond}.`,
        ],
      };
    });
  },
});

/** 'bad-argument' of a phrase without a word, and of a strength without a phrase. */
function likingOf(phrase: string | null, strength: number | null): Liking | null {
  if (phrase === null && strength === null) return null;
  if (phrase === null)
    throw new TastemakerError(
      'bad-argument',
      '--strength says how much they like a phrase; none is given.',
      'Name it: --like PHRASE.',
    );
  if (!says(phrase, phrase))
    throw new TastemakerError(
      'bad-argument',
      `--like ${JSON.stringify(phrase)} has no word in it.`,
      'Give a phrase of words, such as "at a party".',
    );
  return { phrase, strength: strength ?? STRENGTH };
}
