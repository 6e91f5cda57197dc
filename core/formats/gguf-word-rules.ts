// Rules that cut text into words before merging, by the names that GGUF gives them and as tokenizer.json spells them.

type Json = Record<string, unknown>;

const bytesAlone = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false };
const bytesAndWords = { ...bytesAlone, use_regex: true }; // GPT-2's own pattern is built into this step
const words = (numbers: string): Json => ({
  type: 'Split',
  pattern: {
    Regex: String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|${numbers}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`,
  },
  behavior: 'Isolated',
  invert: false,
});

export interface WordRule {
  /** other names of the same rule */
  also: readonly string[];
  steps: readonly Json[];
  normalizer: Json | null;
  wholeWordsFirst: boolean;
  beginsText: boolean;
}

/** Rules by the name that llama.cpp gives them. */
const WORD_RULES: Readonly<Record<string, WordRule>> = {
  'gpt-2': { also: ['phi-2'], steps: [bytesAndWords], normalizer: null, wholeWordsFirst: false, beginsText: false },
  smollm: {
    also: ['starcoder', 'refact', 'codeshell'],
    steps: [{ type: 'Digits', individual_digits: true }, bytesAndWords],
    normalizer: null,
    wholeWordsFirst: false,
    beginsText: false,
  },
  'llama-bpe': {
    also: ['llama3', 'llama-v3', 'falcon3', 'pixtral'],
    steps: [words(String.raw`\p{N}{1,3}`), bytesAlone],
    normalizer: null,
    wholeWordsFirst: true,
    beginsText: true,
  },
  qwen2: {
    also: ['deepseek-r1-qwen', 'megrez'],
    steps: [words(String.raw`\p{N}`), bytesAlone],
    normalizer: { type: 'NFC' },
    wholeWordsFirst: false,
    beginsText: false,
  },
};
export const RULES_THAT_WORK = `Rules that work: ${Object.keys(WORD_RULES).join(', ')}.`;

export const ruleNamed = (name: string): WordRule | undefined =>
  Object.entries(WORD_RULES).find(([own, { also }]) => own === name || also.includes(name))?.[1];

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** A pre-tokenizer as one line, without what changes nothing, so that equal rules are equal texts. */
function signature(step: unknown): string {
  if (!isObject(step)) return '';
  const steps: unknown[] = Array.isArray(step['pretokenizers']) ? step['pretokenizers'] : [];
  if (step['type'] === 'Sequence') return steps.map(signature).join(' ');
  const { trim_offsets: _, ...rest } = step;
  return JSON.stringify(
    Object.entries({ ...(step['type'] === 'ByteLevel' ? { use_regex: true } : {}), ...rest }).sort(([a], [b]) =>
      a < b ? -1 : 1,
    ),
  );
}

/** The rule that a pre-tokenizer of tokenizer.json follows, with its name. */
export function ruleOfSteps(preTokenizer: unknown): [name: string, rule: WordRule] | undefined {
  const given = signature(preTokenizer);
  return Object.entries(WORD_RULES).find(([, { steps }]) => steps.map(signature).join(' ') === given);
}
