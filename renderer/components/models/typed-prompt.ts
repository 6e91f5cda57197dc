// What a person has typed to try a model with: a text, the fields of the project's template, or a conversation.
import type { Message, Prompt } from '#core/contract/prompts.ts';
import type { PromptManner } from '#core/contract/try.ts';

export type Form = 'text' | 'template' | 'conversation';
export interface Turn {
  role: 'user' | 'assistant';
  content: string;
}
export interface TypedPrompt {
  form: Form;
  text: string;
  /** what stands in the fields of the template */
  values: Record<string, string>;
  system: string;
  /** ends with what the user says */
  turns: Turn[];
}

const FIELD = /\{([^{}\n]{1,100})\}/g;
export const fieldsOf = (template: string): string[] => [...template.matchAll(FIELD)].map((match) => match[1]!);

/** Nothing typed yet, in the form in which the model is used to being asked. */
export const emptyPrompt = ({ as, template }: PromptManner): TypedPrompt => ({
  form: as === 'conversation' ? 'conversation' : template === null ? 'text' : 'template',
  text: '',
  values: {},
  system: '',
  turns: [{ role: 'user', content: '' }],
});

/** The forms that may be chosen. */
export const formsFor = ({ chat, template }: PromptManner): Form[] => [
  'text',
  ...(template === null ? [] : ['template' as const]),
  ...(chat ? ['conversation' as const] : []),
];

/** What stands in the fields of a template that a text was put together with; null where it was not. */
export function valuesIn(template: string, text: string): Record<string, string> | null {
  const fields = fieldsOf(template);
  const [before = '', ...after] = template.split(FIELD).filter((_, i) => i % 2 === 0); // what is between the fields
  const values: Record<string, string> = {};
  let at = before.length;
  for (const [i, field] of fields.entries()) {
    const literal = after[i]!;
    const isLast = i === fields.length - 1;
    const end = isLast ? text.length - literal.length : text.indexOf(literal, at);
    if (end < at) return null;
    values[field] = text.slice(at, end);
    at = end + literal.length;
  }
  return filled(template, values) === text ? values : null;
}
const filled = (template: string, values: Readonly<Record<string, string>>): string =>
  template.replace(FIELD, (_, field: string) => values[field] ?? '');

/**
 * A prompt of the project, as a run would feed it: a conversation only where the model has a template for it. A text
 * that the project's template made fills its fields again, unless plain text was chosen.
 */
export function takePrompt(
  typed: TypedPrompt,
  { text, messages }: Pick<Prompt, 'text' | 'messages'>,
  { chat, template }: PromptManner,
): TypedPrompt {
  if (!messages || !chat) {
    const values = template === null || typed.form === 'text' ? null : valuesIn(template, text);
    return values ? { ...typed, form: 'template', values } : { ...typed, form: 'text', text };
  }
  const isFirstSystem = messages[0]?.role === 'system';
  const rest = messages.slice(Number(isFirstSystem));
  return {
    ...typed,
    form: 'conversation',
    system: isFirstSystem ? messages[0]!.content : '',
    turns: rest.map(({ role, content }) => ({ role: role === 'assistant' ? 'assistant' : 'user', content })),
  };
}

/** What is sent; null where nothing is typed. */
export function askedBy(
  { form, text, values, system, turns }: TypedPrompt,
  { template }: PromptManner,
): { prompt: string; messages?: Message[] } | null {
  if (form === 'conversation') {
    const said: Message[] = [...(system.trim() ? [{ role: 'system' as const, content: system }] : []), ...turns];
    return turns.at(-1)?.content.trim() ? { prompt: '', messages: said } : null;
  }
  if (form === 'text') return text.trim() ? { prompt: text } : null;
  const fields = fieldsOf(template ?? '');
  return fields.some((field) => values[field]?.trim()) ? { prompt: filled(template!, values) } : null;
}

/** Goes on from an answer: the user has the next turn, or the text is longer by it. */
export function goOnFrom(typed: TypedPrompt, manner: PromptManner, answer: string): TypedPrompt {
  if (typed.form === 'conversation')
    return {
      ...typed,
      turns: [...typed.turns, { role: 'assistant', content: answer.trim() }, { role: 'user', content: '' }],
    };
  return { ...typed, form: 'text', text: `${askedBy(typed, manner)?.prompt ?? ''}${answer}` };
}

/** Stop texts, one a line; \n stands for a line end. */
export const linesIn = (typed: string): string[] => [
  ...new Set(
    typed
      .split('\n')
      .map((line) => line.replaceAll('\\n', '\n'))
      .filter((line) => line !== ''),
  ),
];
