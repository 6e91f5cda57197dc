// Counting what rose: every count is what a search through the texts finds, and nothing that rose is left out.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { logOddsOfTexts } from '#core/findings/log-odds.ts';
import { LEAST_SHARE, LEAST_Z, LONGEST, risenGrams, rowOf } from '#core/findings/risen-grams.ts';
import type { Place } from '#core/findings/risen-grams.ts';
import { createLexicon } from '#core/findings/words.ts';
import { createRandom } from '#core/random.ts';

const stands = (text: string, gram: string, place: Place): boolean =>
  place === 'anywhere'
    ? ` ${text} `.includes(` ${gram} `)
    : place === 'opening'
      ? `${text.replace(/^[. ]+/, '')} `.startsWith(`${gram} `)
      : ` ${text.replace(/[. ]+$/, '')}`.endsWith(` ${gram}`);

test('all grams that rose, with their counts, places and positions', () => {
  fc.assert(
    fc.property(fc.nat(1000), (seed) => {
      const random = createRandom(seed, 'texts');
      const texts = (usual: number) =>
        Array.from({ length: 60 }, () => {
          const words = Array.from({ length: random.integer(9) }, () =>
            random.weighted(['a', 'b', 'c', '.'], [usual, 1, 1, 1]),
          );
          return (random.uniform() < 0.5 && usual > 1 ? [...words, 'b', 'c', 'a'] : words).join(' ');
        });
      const [now, start] = [texts(3), texts(1)];
      const grams = new Set<string>();
      for (const text of now) {
        const words = text === '' ? [] : text.split(' ');
        for (let i = 0; i < words.length; i++)
          for (let n = 1; n <= LONGEST && i + n <= words.length; n++) grams.add(words.slice(i, i + n).join(' '));
      }
      const expected = [...grams].flatMap((gram) =>
        (['anywhere', 'opening', 'ending'] as const).flatMap((place) => {
          const count = (all: readonly string[]) => all.filter((text) => stands(text, gram, place)).length;
          const [y, yStart] = [count(now), count(start)];
          const { z } = logOddsOfTexts({ y, n: now.length }, { y: yStart, n: start.length });
          return y >= LEAST_SHARE * now.length && z >= LEAST_Z && !gram.startsWith('.') && !gram.endsWith('.')
            ? [`${gram} ${place} ${y} ${yStart}`]
            : [];
        }),
      );
      const lexicon = createLexicon();
      const rows = [rowOf(now, lexicon), rowOf(start, lexicon)] as const;
      const found = risenGrams(...rows, lexicon);
      const spoken = (words: readonly number[]) => words.map(lexicon.word).join(' ');
      expect(
        found
          .map(({ words, place, textsNow, textsStart }) => `${spoken(words)} ${place} ${textsNow} ${textsStart}`)
          .toSorted(),
      ).toEqual(expected.toSorted());
      for (const { words, now: positions, textsNow } of found) {
        expect(new Set(Array.from(positions, (i) => rows[0].textOf[i])).size).toBe(textsNow);
        for (const i of positions) expect(Array.from(rows[0].ids.subarray(i, i + words.length))).toEqual(words);
      }
    }),
    { numRuns: 30 },
  );
});
