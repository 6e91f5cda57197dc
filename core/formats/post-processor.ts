// What a tokenizer's post-processor puts before every text, read from tokenizer.json; one in an unexpected form is
// refused, never taken as none.

import { TastemakerError } from '#core/errors.ts';

type Json = Record<string, unknown>;
const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isId = (value: unknown): value is number => Number.isInteger(value) && (value as number) >= 0;

/** A token that is put before a text. */
export interface BeginToken {
  token: string;
  id: number;
}

const MOST_STEPS = 64;
/** Those that put nothing anywhere. */
const SILENT = ['ByteLevel'];

/**
 * The tokens that stand before a text once the post-processor is through with it, in order; [] where it puts none.
 * 'bad-file' where that cannot be told.
 */
export function beginOf(processor: unknown, file: string): BeginToken[] {
  if (processor === undefined || processor === null) return [];
  const refuse = (what: string): never => {
    throw new TastemakerError(
      'bad-file',
      `${file}: "post_processor" ${what}, so what begins a text is not known.`,
      'Copy tokenizer.json from the model it belongs to.',
    );
  };
  if (!isObject(processor)) return refuse('is not an object');
  const begin: BeginToken[] = [];
  const open: unknown[] = [processor]; // no recursion: a file may be nested without end
  for (let steps = 0; open.length > 0;) {
    const step = open.shift();
    if (++steps > MOST_STEPS) return refuse(`has more than ${MOST_STEPS} steps`);
    if (!isObject(step)) return refuse('has a step that is not an object');
    const { type, processors } = step;
    if (type === 'Sequence')
      open.unshift(
        ...(Array.isArray(processors)
          ? (processors as unknown[])
          : refuse('is a sequence whose "processors" are not a list')),
      );
    else if (type === 'BertProcessing' || type === 'RobertaProcessing')
      begin.unshift(tokenAndId(step['cls']) ?? refuse('has a "cls" that is not a token with its id'));
    // a later one puts its own before what is there
    else if (type === 'TemplateProcessing') begin.unshift(...templateBegin(step, refuse));
    else if (typeof type !== 'string' || !SILENT.includes(type))
      return refuse(`has a step of the type ${JSON.stringify(type)?.slice(0, 50) ?? 'missing'}, which is not known`);
  }
  return begin;
}

function templateBegin({ single, special_tokens: specials }: Json, refuse: (what: string) => never): BeginToken[] {
  if (!Array.isArray(single)) return refuse('has a template whose "single" is not a list');
  const parts: unknown[] = single;
  const text = parts.findIndex((part) => isObject(part) && isObject(part['Sequence']));
  if (text < 0) return refuse('has a template without a place for the text');
  return parts.slice(0, text).flatMap((part) => {
    const named = isObject(part) && isObject(part['SpecialToken']) ? part['SpecialToken']['id'] : null;
    return typeof named === 'string'
      ? (specialTokens(specials, named) ??
          refuse(`names ${JSON.stringify(named.slice(0, 50))}, which its "special_tokens" do not give with its ids`))
      : refuse('has a template with a part that is no token');
  });
}

/** One special token of a template may stand for several tokens. */
function specialTokens(all: unknown, named: string): BeginToken[] | null {
  const special = isObject(all) && Object.hasOwn(all, named) ? all[named] : null;
  if (!isObject(special) || !Array.isArray(special['ids']) || !special['ids'].every(isId)) return null;
  const tokens: unknown[] = Array.isArray(special['tokens']) ? special['tokens'] : [];
  return special['ids'].map((id, i) => ({ token: typeof tokens[i] === 'string' ? tokens[i] : named, id }));
}

function tokenAndId(value: unknown): BeginToken | null {
  const [token, id] = Array.isArray(value) ? (value as unknown[]) : [];
  return typeof token === 'string' && isId(id) ? { token, id } : null;
}
