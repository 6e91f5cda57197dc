// Pairs of a chosen and a rejected answer as training programs read them: TRL, OpenRLHF, LLaMA-Factory, HH-RLHF.
//
// No text gets an end-of-text here: these programs append it themselves (TRL:reward_trainer.py), and twice would be
// once too often.

import type { Message, Preference } from './preference.ts';
import { conversationOf, isNoneAcceptable, marginOf, pairsOf, ranksOf, turnsOf } from './writer.ts';
import type { Leave, Pair, WriteOptions, Writer } from './writer.ts';

type Row = Record<string, unknown>;

/** A writer's `write` from what it makes of one pair. */
export const ofPairs =
  (row: (preference: Preference, pair: Pair) => Row) =>
  (preference: Preference, { pairs }: WriteOptions, leave: Leave): Row[] =>
    pairsOf(preference, pairs, leave).map((pair) => row(preference, pair));

const explicit = (preference: Preference, { chosenText, rejectedText }: Pair): Row => ({
  prompt: preference.prompt,
  chosen: chosenText,
  rejected: rejectedText,
  ...marginOf(preference),
});

const answered = (content: string): Message[] => [{ role: 'assistant', content }];
export const conversational = (preference: Preference, { chosenText, rejectedText }: Pair): Row => ({
  prompt: conversationOf(preference),
  chosen: answered(chosenText),
  rejected: answered(rejectedText),
});

/** The best answers are good, the worst are bad; where none was acceptable all are bad. */
function unpaired(preference: Preference, _options: WriteOptions, leave: Leave): Row[] {
  const { prompt, answers } = preference;
  if (isNoneAcceptable(preference)) return answers.map(({ text }) => ({ prompt, completion: text, label: false }));
  const ranks = ranksOf(preference, leave);
  if (!ranks) return [];
  const best = Math.min(...ranks);
  const worst = Math.max(...ranks);
  return answers.flatMap(({ text }, i) => {
    const isEnd = best < worst && (ranks[i] === best || ranks[i] === worst);
    if (isEnd) return [{ prompt, completion: text, label: ranks[i] === best }];
    leave('middle');
    return [];
  });
}

const SPEAKERS = { user: 'Human', assistant: 'Assistant' } as const;

/** HH-RLHF's dialogues begin with a person: what the system says stands before the first message. */
function dialogueOf(preference: Preference): string {
  const messages = conversationOf(preference);
  const system = messages
    .filter(({ role }) => role === 'system')
    .map(({ content }) => content)
    .join('\n\n');
  const said = messages
    .filter(({ role }) => role !== 'system')
    .map(({ role, content }) => ({ speaker: SPEAKERS[role as keyof typeof SPEAKERS], content }));
  if (system !== '') {
    if (said[0]?.speaker !== 'Human') said.unshift({ speaker: 'Human', content: system });
    else said[0] = { speaker: 'Human', content: `${system}\n\n${said[0].content}` };
  }
  return `${said.map(({ speaker, content }) => `\n\n${speaker}: ${content}`).join('')}\n\nAssistant: `;
}

function alpaca(preference: Preference, { chosenText, rejectedText }: Pair): Row {
  const turns = preference.messages === null ? null : turnsOf(preference.messages);
  const said = turns?.last ?? preference.prompt;
  const given = preference.extra['input'];
  const input =
    typeof given === 'string' && given !== '' && said.endsWith(`\n${given}`) && said.length > given.length + 1
      ? given
      : ''; // as it came: LF joins the two with a line break
  return {
    instruction: input === '' ? said : said.slice(0, -input.length - 1),
    input,
    chosen: chosenText,
    rejected: rejectedText,
    system: turns?.system ?? '',
    history: turns?.history ?? [], // LF reads every column that dataset_info.json names, of every row
  };
}

const FROM = { system: 'system', user: 'human', assistant: 'gpt' } as const;
function sharegpt(preference: Preference, { chosenText, rejectedText }: Pair): Row {
  const messages: Message[] =
    preference.messages !== null && turnsOf(preference.messages)
      ? preference.messages
      : [{ role: 'user', content: preference.prompt }];
  return {
    conversations: messages.map(({ role, content }) => ({ from: FROM[role], value: content })),
    chosen: { from: 'gpt', value: chosenText },
    rejected: { from: 'gpt', value: rejectedText },
  };
}

const LOST = 'ties, who wrote and who ranked, confidence, notes, durations, splits, references, ratings and marks';
/** Programs that learn from margins take one of every pair. */
const MARGINS = { floats: ['margin'], complete: ['margin'] };
const PLAIN = 'A conversation becomes plain text.';
/** LLaMA-Factory finds a file by its entry in dataset_info.json (LF:data/README.md). */
const datasetInfo = (more: Row) => ({
  file: 'dataset_info.json',
  entry: (fileName: string) => ({ file_name: fileName, ranking: true, ...more }),
});

export const PAIR_WRITERS: readonly Writer[] = [
  {
    name: 'trl-explicit',
    title: 'TRL, prompt, chosen and rejected',
    container: 'jsonl',
    holds: `Pairs with their prompt, and the margins where every pair has one. Loses ${LOST}. ${PLAIN}`,
    shape: MARGINS,
    write: ofPairs(explicit),
  },
  {
    name: 'trl-implicit',
    title: 'TRL, prompt inside chosen and rejected',
    container: 'jsonl',
    holds: `Pairs of prompt and answer in one text. Loses where the prompt ends, ${LOST}. ${PLAIN}`,
    write: ofPairs(({ prompt }, { chosenText, rejectedText }) => ({
      chosen: prompt + chosenText,
      rejected: prompt + rejectedText,
    })),
  },
  {
    name: 'trl-conversational',
    title: 'TRL, conversations',
    container: 'jsonl',
    holds: `Pairs with their whole conversation; a plain prompt becomes one message by the user. Loses ${LOST}.`,
    write: ofPairs(conversational),
  },
  {
    name: 'trl-unpaired',
    title: 'TRL, answers that are good or bad',
    container: 'jsonl',
    whole: true,
    holds: `The best answers as good, the worst as bad, and all as bad where none was acceptable. Loses the answers in between, which was better than which, ${LOST}. ${PLAIN}`,
    write: unpaired,
  },
  {
    name: 'openrlhf',
    title: 'OpenRLHF',
    container: 'jsonl',
    holds: `Pairs with their prompt (give OpenRLHF --data.prompt_key prompt), and the margins where every pair has one. Loses ${LOST}. ${PLAIN}`,
    shape: MARGINS,
    write: ofPairs(explicit),
  },
  {
    name: 'llama-factory-alpaca',
    title: 'LLaMA-Factory, alpaca',
    container: 'json',
    holds: `Pairs with their prompt, earlier turns and system message, and an entry in dataset_info.json beside the file. Loses ${LOST}. A conversation of one message becomes a plain prompt, one that does not take turns plain text.`,
    write: ofPairs(alpaca),
    beside: datasetInfo({
      columns: {
        prompt: 'instruction',
        query: 'input',
        chosen: 'chosen',
        rejected: 'rejected',
        system: 'system',
        history: 'history',
      },
    }),
  },
  {
    name: 'llama-factory-sharegpt',
    title: 'LLaMA-Factory, sharegpt',
    container: 'json',
    holds: `Pairs with their whole conversation, and an entry in dataset_info.json beside the file. Loses ${LOST}. A conversation that does not take turns becomes plain text.`,
    write: ofPairs(sharegpt),
    beside: datasetInfo({
      formatting: 'sharegpt',
      columns: { messages: 'conversations', chosen: 'chosen', rejected: 'rejected' },
    }),
  },
  {
    name: 'hh-rlhf',
    title: 'HH-RLHF dialogues',
    container: 'jsonl',
    holds: `Pairs of whole dialogues of Human and Assistant; a system message stands before the first message. Loses ${LOST}.`,
    write: ofPairs((preference, { chosenText, rejectedText }) => ({
      chosen: dialogueOf(preference) + chosenText,
      rejected: dialogueOf(preference) + rejectedText,
    })),
  },
];
