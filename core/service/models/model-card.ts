// The card of an exported model: front matter as Hugging Face reads it, where the model comes from, and how it is used.

import { describeConventions } from '#core/recipes/parts/conventions.ts';
import type { Conventions } from '#core/recipes/parts/conventions.ts';
import { isScoreHead } from '#core/models/heads.ts';
import type { StoredCheckpoint } from '#core/models/checkpoint.ts';
import { parameterCount } from '#core/models/checkpoint.ts';
import type { ModelFormat } from './model-formats.ts';

/** What is known of a model besides its files. */
export interface CardFacts {
  name: string;
  /** what the model it descends from is called; null where it descends from none */
  base: string | null;
  licence: string | null;
  /** of this program */
  version: string;
  steps: { name: string; sentence: string }[];
  /** rankings, reward model, KL, β, seeds: title and value */
  numbers: [title: string, value: string][];
  /** the run that made it */
  run: { id: string; config: Record<string, number | string | boolean> } | null;
}

const torchScores = ({ begin }: Conventions) => [
  `inputs = tokenizer([text], return_tensors="pt", padding=True, add_special_tokens=${begin === '' ? 'False' : 'True'})`,
  'scores = model(**inputs).logits[:, 0]',
];

/** Lines of Python that open an export lying in the working folder. */
function usage(
  { library, name: format }: ModelFormat,
  { head }: StoredCheckpoint,
  conventions: Conventions | null,
): string[] {
  const scores = isScoreHead(head) && conventions ? torchScores(conventions) : [];
  const kind = isScoreHead(head) ? 'AutoModelForSequenceClassification' : 'AutoModelForCausalLM';
  const tokenizer = 'tokenizer = AutoTokenizer.from_pretrained(".")';
  if (library === 'transformers')
    return [
      `from transformers import ${kind}, AutoTokenizer`,
      '',
      tokenizer,
      `model = ${kind}.from_pretrained(".")`,
      ...scores,
    ];
  if (library === 'peft')
    return [
      `from peft import ${kind.replace('Auto', 'AutoPeft')}`,
      'from transformers import AutoTokenizer',
      '',
      tokenizer,
      `model = ${kind.replace('Auto', 'AutoPeft')}.from_pretrained("."${isScoreHead(head) ? ', num_labels=1' : ''})`,
      ...scores,
    ];
  if (format === 'onnx')
    return [
      'import numpy, onnxruntime',
      '',
      'session = onnxruntime.InferenceSession("model.onnx")',
      'ids = numpy.zeros(session.get_inputs()[0].shape, numpy.int32)',
      'ids[0, :len(tokens)] = tokens',
      isScoreHead(head)
        ? 'scores, = session.run(None, {"ids": ids, "last": numpy.int32([len(tokens) - 1])})'
        : 'logits, = session.run(None, {"ids": ids})',
    ];
  return [];
}

/**
 * `notes` are what the format has to say, `conventions` how the model wants its texts (null where it has no tokenizer).
 */
export function cardText(
  facts: CardFacts,
  opened: StoredCheckpoint,
  format: ModelFormat,
  notes: readonly string[],
  conventions: Conventions | null,
): string {
  const { name, base, licence, version, steps, numbers, run } = facts;
  const { head, architecture, adapter } = opened;
  const isScore = isScoreHead(head);
  const tags = [
    'tastemaker',
    architecture.family,
    ...(isScore ? ['reward-model'] : []),
    ...(format.name === 'adapter' ? ['lora'] : []),
  ];
  const front = [
    ...(base === null ? [] : [`base_model: ${JSON.stringify(base)}`]),
    ...(licence ? [`license: ${JSON.stringify(licence)}`] : []),
    `library_name: ${format.library}`,
    `pipeline_tag: ${isScore ? 'text-classification' : 'text-generation'}`,
    'tags:',
    ...tags.map((tag) => `- ${tag}`),
  ];
  const code = usage(format, opened, conventions);
  const told = [...(conventions ? describeConventions(conventions) : []), ...notes];
  return [
    '---',
    ...front,
    '---',
    '',
    `# ${name}`,
    '',
    `${isScore ? 'A reward model' : 'A language model'} of the family ${architecture.family} with ${parameterCount(opened).toLocaleString('en')} parameters${adapter && format.name !== 'adapter' ? ', its adapter merged' : ''}, exported by Tastemaker ${version} (${format.title}).`,
    ...(told.length || code.length
      ? [
          '',
          '## How to use it',
          '',
          ...told.flatMap((sentence) => [sentence, '']),
          ...(code.length ? ['```python', ...code, '```'] : []),
        ]
      : []),
    ...(steps.length
      ? [
          '',
          '## How it was made',
          '',
          ...steps.map(({ name: step, sentence }, i) => `${i + 1}. **${step}**: ${sentence}`),
        ]
      : []),
    ...(numbers.length ? ['', ...numbers.map(([title, value]) => `- ${title}: ${value}`)] : []),
    ...(run
      ? [
          '',
          `## Settings of run ${run.id}`,
          '',
          ...Object.entries(run.config).map(([key, value]) => `- ${key}: ${value}`),
        ]
      : []),
    '',
  ]
    .join('\n')
    .replace(/\n{3,}/g, '\n\n');
}
