// A project with items that a desk finds hard: long answers, ones that were cut off, Arabic, Chinese, Markdown, white
// space around.
import { createProject } from '#core/store/database.ts';
import { addCompletions } from '#core/store/completions.ts';
import { ensureLabeler } from '#core/store/labelers.ts';
import { addPrompts } from '#core/store/prompts.ts';
import { changeProjectSettings } from '#core/service/project.ts';

const LONG = Array.from(
  { length: 60 },
  (_, i) => `Sentence ${i + 1} of a long answer, which says a little more than the one before it.`,
).join(' ');
/** Item i + 1 has prompt and answers of row i. */
export const HARD_ITEMS = {
  four: ['Name a colour.', ['Green.', 'Blue, like the sea.', 'Red.', '\n\n   Yellow, I think.   \n\n']],
  long: ['Tell me all of it.', [LONG, `${LONG} But`, 'Short.', `Other ${LONG}`]],
  two: ['Which way?', ['Left.', 'Right.']],
  arabic: ['ما هي عاصمة فرنسا؟', ['باريس هي عاصمة فرنسا.', 'لندن.', 'العاصمة هي باريس، وهي على نهر السين.']],
  chinese: ['你为什么喜欢学习中文？', ['我喜欢学习中文，因为它很美。', '不知道。', '中文的历史很长，文字也很有意思。']],
  markdown: [
    'How do I boil an egg?',
    [
      '# Eggs\n\n1. Boil **water**.\n2. Wait `6` minutes.\n\n- salt\n- pepper',
      'Put it into boiling water for six minutes.',
      'No.',
    ],
  ],
} as const;

/** `cutOff`: the second long answer ran into its limit after 3 tokens. */
export function makeDeskProject(folder: string): void {
  const project = createProject(folder);
  try {
    const rows = Object.values(HARD_ITEMS);
    const promptIds = addPrompts(
      project,
      rows.map(([text]) => ({ text, split: 'train' as const, source: 'test' })),
    );
    addCompletions(
      project,
      rows.flatMap(([, answers], i) =>
        answers.map((text) => ({
          promptId: promptIds[i]!,
          policyId: null,
          text,
          tokenIds: [5, 6, 7],
          logprobs: [0, 0, 0],
          samplingLogprobs: [0, 0, 0],
          finish: text.endsWith('But') ? ('length' as const) : ('stop' as const),
          sampling: { temperature: 0.7, topK: 0, topP: 1, maxNew: 3, seed: 1 },
          runId: null,
        })),
      ),
    );
    changeProjectSettings(project, { repeats: 0, labelerId: ensureLabeler(project, 'ada', 'person').id });
  } finally {
    project.close();
  }
}
