// What was done to the data lately, in sentences: where a person finds the undo of an import or a removal after its
// message has gone.

import type { Split, PromptWeight } from '#core/contract/prompts.ts';
import type { DataChange } from '#core/contract/data.ts';
import { listChanges } from '#core/store/events.ts';
import type { EventKind } from '#core/store/events.ts';
import type { Handlers } from '#core/service/handlers.ts';
import { counted, listed } from './counted.ts';

const SHOWN = 100;
type Detail = Record<string, unknown>;

/** What went with prompts: "3 prompts with 12 answers and 4 rankings". */
export function weightSentence({ prompts, completions, rankings, ratings, marks, flags }: PromptWeight): string {
  const parts = [
    counted(completions, 'answer'),
    counted(rankings, 'ranking'),
    counted(ratings, 'rating'),
    counted(marks, 'mark'),
    counted(flags, 'flag'),
  ].filter((part) => !part.startsWith('0 '));
  return `${counted(prompts, 'prompt')}${parts.length > 0 ? ` with ${listed(parts)}` : ''}`;
}

const KINDS: { [K in EventKind]?: { kind: DataChange['kind']; sentence: (detail: Detail) => string } } = {
  import: {
    kind: 'import',
    sentence: ({ file, prompts }) =>
      `Imported ${String(file)}${Number(prompts) > 0 ? `: ${counted(Number(prompts), 'prompt')}` : ''}.`,
  },
  // those that older versions removed say only which prompts they were
  'prompt.remove': {
    kind: 'remove',
    sentence: ({ promptIds, weight }) =>
      `Deleted ${weight ? weightSentence(weight as PromptWeight) : counted((promptIds as unknown[]).length, 'prompt')}.`,
  },
  'model.remove': {
    kind: 'remove',
    sentence: ({ name, measured, kept }) => {
      const lost = kept === true ? '' : ', which does not come back';
      const said = Number(measured) > 0 ? ` with what it said of ${counted(Number(measured), 'answer')}${lost}` : '';
      return `Removed the model “${String(name)}”${said}.`;
    },
  },
  'prompt.split': {
    kind: 'split',
    sentence: ({ prompts, split }) => `Moved ${counted(Number(prompts), 'prompt')} to ${String(split as Split)}.`,
  },
};

export const changeHandlers = {
  'data.changes': ({ project }) => ({
    changes: listChanges(project, Object.keys(KINDS) as EventKind[], SHOWN).map(({ id, at, kind, detail, undone }) => ({
      eventId: id,
      at,
      undone,
      kind: KINDS[kind]!.kind,
      sentence: KINDS[kind]!.sentence(detail),
    })),
  }),
} satisfies Partial<Handlers>;
