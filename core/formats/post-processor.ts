// What a tokenizer's post-processor puts before every text, read from tokenizer.json.

type Json = Record<string, unknown>;
const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value);
const list = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);

/** A token that is put before a text. */
export interface BeginToken {
  token: string;
  id: number;
}

/** The tokens that stand before a text once the post-processor is through with it, in order; [] where it puts none. */
export function beginOf(processor: unknown): BeginToken[] {
  if (!isObject(processor)) return [];
  const type = processor['type'];
  if (type === 'Sequence') return list(processor['processors']).map(beginOf).reverse().flat(); // a later one puts its own before what is there
  if (type === 'BertProcessing' || type === 'RobertaProcessing') return tokenAndId(processor['cls']);
  if (type !== 'TemplateProcessing') return [];
  const single = list(processor['single']), text = single.findIndex((part) => isObject(part) && isObject(part['Sequence']));
  return (text < 0 ? [] : single.slice(0, text)).flatMap((part) => {
    const named = isObject(part) && isObject(part['SpecialToken']) ? part['SpecialToken']['id'] : null;
    return typeof named === 'string' ? specialTokens(processor['special_tokens'], named) : [];
  });
}

/** One special token of a template may stand for several tokens. */
function specialTokens(all: unknown, named: string): BeginToken[] {
  const special = isObject(all) ? all[named] : null;
  if (!isObject(special)) return [];
  const ids = list(special['ids']), tokens = list(special['tokens']);
  return ids.flatMap((id, i) => (typeof id === 'number' ? [{ token: typeof tokens[i] === 'string' ? tokens[i] : named, id }] : []));
}

function tokenAndId(value: unknown): BeginToken[] {
  const [token, id] = list(value);
  return typeof token === 'string' && typeof id === 'number' ? [{ token, id }] : [];
}
