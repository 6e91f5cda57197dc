// Chat templates: a conversation written out as the text that a model was trained on, by the Jinja template that came
// with it.
//
// A template comes with a downloaded model, so it is a stranger's program: every step of it is counted, and what it
// makes is
// weighed before it can be printed, so that it can neither run on nor fill the memory. The same template, conversation
// and
// date give the same text everywhere: nothing is read from the clock or the locale.

import { Environment, Interpreter, parse, tokenize } from '@huggingface/jinja';
import { TastemakerError, sentenceOf } from '#core/errors.ts';
import type { Message } from '#core/formats/preferences/preference.ts';

/** Characters of what a template says of a conversation that it refuses. */
const LONGEST_REASON = 500;
/** A sentence without the signs that end it. */
function unended(text: string): string {
  let end = text.length;
  while (end > 0 && '.!'.includes(text[end - 1]!)) end--;
  return text.slice(0, end);
}

export interface ChatSettings {
  /** open the answer that the model is to write */
  addGenerationPrompt: boolean;
  /** bos_token, eos_token and their like, spelled out, as the template asks for them */
  specialTokens: Readonly<Record<string, string>>;
  /** whose template it is, for errors */
  name?: string;
  /** what templates that write a date are told, UTC */
  date?: Date;
}

// What is used of the library's own types, which it does not export.
interface Node {
  type: string;
}
interface Value {
  type: string;
  value: unknown;
}
interface Machine {
  evaluate(node: Node | undefined, scope: Environment): Value | undefined;
  run(program: Program): Value;
}
type Program = ReturnType<typeof parse>;

const LONGEST_TEMPLATE = 1 << 20; // characters; the longest in use are of 30,000
const LONGEST_BLANK = 1000; // in a row: the library's patterns take the square of it
const STEPS = 4_000_000; // a long conversation takes some hundred thousand
const LONGEST_RANGE = 100_000;
const DEEPEST = 100; // lists in lists
const LONGEST_ARGUMENT = 64;
const WIDEST_INDENT = 16; // of filters that repeat an argument
/** the day that Llama 3 falls back on where it is told none */
const DATE = new Date(Date.UTC(2024, 6, 26));

const HINT = 'Take the template (chat_template.jinja or tokenizer_config.json) again from the model it belongs to.';
const REFUSED_HINT =
  "The model's template decides which conversations it takes: check the roles and their order, or use another model.";

/**
 * `messages` as text. 'bad-data' with the template's own words where it refuses the conversation, 'bad-file' where it
 * can not
 * be read, fails, or would take too long or too much memory.
 */
export function renderChat(
  template: string,
  messages: readonly Message[],
  { addGenerationPrompt, specialTokens, name = 'the model', date = DATE }: ChatSettings,
): string {
  const bad = (what: string) => new TastemakerError('bad-file', `The chat template of ${name} ${what}.`, HINT);
  const program = read(template, bad);
  const environment = new Environment();
  const variables: Record<string, unknown> = {
    true: true,
    false: false,
    none: null,
    True: true,
    False: false,
    None: null,
    ...specialTokens,
    messages: messages.map(({ role, content }) => ({ role, content: content.toWellFormed() })),
    add_generation_prompt: addGenerationPrompt,
    tools: null,
    documents: null,
    // answers are judged as they are read: models that can think aloud first are asked not to
    enable_thinking: false,
    raise_exception: (why: unknown) => {
      throw new TastemakerError(
        'bad-data',
        `The chat template of ${name} refuses this conversation: ${unended(String(why).trim().slice(0, LONGEST_REASON))}.`,
        REFUSED_HINT,
      );
    },
    range: (...bounds: unknown[]) => boundedRange(bounds, bad),
    strftime_now: (format: unknown) => formatDate(date, String(format)),
  };
  for (const [key, value] of Object.entries(variables)) environment.set(key, value);
  const interpreter = new Interpreter(environment) as unknown as Machine;
  limit(interpreter, messages, template.length, bad);
  try {
    return String(interpreter.run(program).value);
  } catch (error) {
    throw error instanceof TastemakerError ? error : bad(`fails: ${said(error)}`);
  }
}

function said(error: unknown): string {
  if (error instanceof RangeError)
    return /call stack/.test(error.message) ? 'its parts stand too deep in one another' : 'it makes too long a text';
  if (error instanceof TypeError) return 'something that it uses is not there';
  return sentenceOf(error).split('\n')[0]!.slice(0, 300).replace(/\.$/, '');
}

const programs = new Map<string, Program>(); // a run renders thousands of conversations with one template
function read(template: string, bad: (what: string) => TastemakerError): Program {
  const known = programs.get(template);
  if (known) return known;
  if (template.length > LONGEST_TEMPLATE)
    throw bad(`is ${template.length} characters long, more than the ${LONGEST_TEMPLATE} that are read`);
  if (new RegExp(`\\s{${LONGEST_BLANK}}`).test(template)) throw bad(`holds more than ${LONGEST_BLANK} blanks in a row`);
  try {
    const program = parse(tokenize(template, { lstrip_blocks: true, trim_blocks: true }));
    if (programs.size >= 8) programs.delete(programs.keys().next().value!);
    programs.set(template, program);
    return program;
  } catch (error) {
    throw bad(`can not be read: ${said(error)}`);
  }
}

/**
 * Has every step of the interpreter counted and every value that it makes weighed, in characters and list entries as
 * they
 * would be printed: lists may hold one another, and print as much larger than they are.
 */
function limit(
  interpreter: Machine,
  messages: readonly Message[],
  templateLength: number,
  bad: (what: string) => TastemakerError,
): void {
  const given = messages.reduce((sum, { role, content }) => sum + role.length + content.length, 0);
  const room = (1 << 20) + 8 * given;
  const total = (1 << 26) + given * (64 + messages.length);
  const tooLarge = () => bad(`makes a text of more than ${room} characters from a conversation of ${given}`);
  const known = new WeakMap<object, { weight: number; depth: number }>();
  function weigh(value: Value | undefined): { weight: number; depth: number } {
    const inner: unknown = value?.value;
    if (typeof inner === 'string') return { weight: inner.length, depth: 0 };
    if (typeof inner !== 'object' || inner === null) return { weight: 1, depth: 0 };
    const before = known.get(inner);
    if (before) return before;
    let weight = 1;
    let depth = 0;
    const isNamespace = value!.type === 'NamespaceValue';
    for (const [key, part] of (inner as Map<unknown, Value> | Value[]).entries()) {
      // it could hold itself
      if (isNamespace && part?.type === 'NamespaceValue') throw bad('puts a namespace into a namespace');
      const of = weigh(part);
      weight += of.weight + (typeof key === 'string' ? key.length : 1);
      depth = Math.max(depth, of.depth + 1);
    }
    if (depth > DEEPEST) throw bad(`puts lists into lists more than ${DEEPEST} deep`);
    if (!isNamespace) known.set(inner, { weight, depth }); // all else never changes
    return { weight, depth };
  }

  const evaluate = interpreter.evaluate.bind(interpreter);
  const loopedOver = new WeakSet<Node>();
  let steps = 0;
  let made = 0;
  interpreter.evaluate = (node, scope) => {
    // their bodies are searched each time
    steps += node?.type === 'Macro' || node?.type === 'CallStatement' ? 1 + templateLength / 8 : 1;
    if (node?.type === 'For') loopedOver.add(listOf(node));
    const filter = node && filterWithArguments(node);
    if (filter?.as === 'statement') throw bad('uses {% filter %} with arguments, which is not supported');
    for (const argument of filter?.repeated ?? []) {
      const value = interpreter.evaluate(argument, scope);
      if (weigh(value).weight > LONGEST_ARGUMENT || (typeof value?.value === 'number' && value.value > WIDEST_INDENT))
        throw bad(`gives the filter "${filter!.name}" an argument that is too long`);
    }
    const value = evaluate(node, scope);
    const inner = value?.value;
    const { weight } = weigh(value);
    if (node && !BORROWED.has(node.type)) made += weight;
    if (weight > room || made > total) throw tooLarge();
    if (typeof inner === 'string') {
      steps += inner.length / 4096;
      if (!longest.has(value!)) longest.set(value!, room);
    } else if (Array.isArray(inner) || inner instanceof Map) {
      const size = Array.isArray(inner) ? inner.length : inner.size;
      steps += node && loopedOver.has(node) ? 4 * size : size / 64;
    }
    if (steps > STEPS) throw bad(`is not done after ${STEPS} steps`);
    return value;
  };
}
/** Nodes whose value was there before. */
const BORROWED = new Set(['Identifier', 'StringLiteral', 'IntegerLiteral', 'FloatLiteral', 'Set']);

/** The node whose entries a loop goes through. */
function listOf(loop: Node): Node {
  const { iterable } = loop as unknown as { iterable: Node & { lhs?: Node } };
  return iterable.type === 'SelectExpression' ? iterable.lhs! : iterable;
}

/** The arguments that a filter writes once an entry or line. */
function filterWithArguments(node: Node): { as: 'statement' | 'expression'; name: string; repeated: Node[] } | null {
  if (node.type !== 'FilterExpression' && node.type !== 'FilterStatement') return null;
  const { filter } = node as unknown as {
    filter: { type: string; callee?: { value: string }; args?: (Node & { value?: Node; argument?: Node })[] };
  };
  if (filter.type !== 'CallExpression') return null;
  const name = String(filter.callee?.value);
  const repeats = ['join', 'indent', 'tojson'].includes(name);
  const repeated = repeats
    ? filter.args!.map((arg) =>
        arg.type === 'KeywordArgumentExpression'
          ? arg.value!
          : arg.type.endsWith('SpreadExpression')
            ? arg.argument!
            : arg,
      )
    : [];
  return { as: node.type === 'FilterStatement' ? 'statement' : 'expression', name, repeated };
}

function boundedRange(bounds: readonly unknown[], bad: (what: string) => TastemakerError): number[] {
  const numbers = bounds.map(Number);
  const [start, stop] = numbers.length < 2 ? [0, numbers[0] ?? 0] : (numbers as [number, number]);
  const step = numbers[2] ?? 1;
  const count = Math.max(0, Math.ceil((stop - start) / step));
  if (!(count <= LONGEST_RANGE)) throw bad(`counts range(${bounds.join(', ')}), more than ${LONGEST_RANGE} numbers`);
  return Array.from({ length: count }, (_, i) => start + i * step);
}

const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const MONTHS = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
];
/** Python's strftime in English. */
function formatDate(date: Date, format: string): string {
  const two = (n: number) => String(n).padStart(2, '0');
  const month = MONTHS[date.getUTCMonth()]!;
  const day = DAYS[date.getUTCDay()]!;
  const parts: Record<string, string> = {
    Y: String(date.getUTCFullYear()),
    y: two(date.getUTCFullYear() % 100),
    m: two(date.getUTCMonth() + 1),
    d: two(date.getUTCDate()),
    B: month,
    b: month.slice(0, 3),
    A: day,
    a: day.slice(0, 3),
    H: two(date.getUTCHours()),
    M: two(date.getUTCMinutes()),
    S: two(date.getUTCSeconds()),
    '%': '%',
  };
  return format.replace(/%(.)/g, (whole, letter: string) => parts[letter] ?? whole);
}

// Two of the library's text methods are not Python's, or not bounded: strip(characters) strips all blanks, and
// replace() may
// make the product of two long texts. They are put right where the library keeps them.
interface Text extends Value {
  value: string;
}
type Method = (args: readonly Value[], scope: Environment) => Value;
/** how long a text made from this one may be */
const longest = new WeakMap<object, number>();
const STRIPPED = { strip: [true, true], lstrip: [true, false], rstrip: [false, true] } as const;
function adaptTextMethods(): void {
  const sample = new Interpreter(new Environment()).run(parse(tokenize('text'))) as unknown as Text;
  const prototype = Object.getPrototypeOf(sample) as Text;
  const Text = sample.constructor as unknown as new (value: string) => Value;
  const original = Object.getOwnPropertyDescriptor(prototype, 'builtins')!.get!;
  const adapted = new WeakSet<object>();
  Object.defineProperty(prototype, 'builtins', {
    get(this: Text) {
      const methods = original.call(this) as Map<string, Value>;
      if (adapted.has(methods)) return methods;
      adapted.add(methods);
      const method = (name: string) => methods.get(name) as { value: Method };
      for (const [name, [left, right]] of Object.entries(STRIPPED)) {
        const plain = method(name).value;
        method(name).value = (args, scope) =>
          typeof args[0]?.value === 'string'
            ? new Text(strip(this.value, args[0].value, left, right))
            : plain(args, scope);
      }
      const replace = method('replace').value;
      method('replace').value = (args, scope) => {
        const [from, to] = args.map((arg) => arg?.value);
        if (typeof from === 'string' && typeof to === 'string' && to.length > from.length) {
          const found = from === '' ? this.value.length + 1 : this.value.split(from).length - 1;
          if (this.value.length + found * (to.length - from.length) > (longest.get(this) ?? 0))
            throw new Error('replace() makes too long a text');
        }
        return replace(args, scope);
      };
      return methods;
    },
  });
}
function strip(text: string, characters: string, left: boolean, right: boolean): string {
  const all = new Set(characters);
  let start = 0;
  let end = text.length;
  for (; start < end && all.has(text[start]!); start++) if (!left) break;
  for (; end > start && all.has(text[end - 1]!); end--) if (!right) break;
  return text.slice(start, end);
}
adaptTextMethods();

/** What a template does around an answer, seen by having it write one. */
export interface AnswerShape {
  /** the token that ends an answer, spelled out */
  end: string;
  /** all that follows an answer at the end of a conversation, up to and with `end` */
  upToEnd: string;
  /** what follows `end` */
  after: string;
}
const PROBE = '1618033988'; // no template changes the case of a number

/**
 * How the template ends an answer, or null where it does so with none of `tokens` (the tokenizer's added tokens) or
 * refuses
 * a conversation of one question and one answer.
 */
export function answerShape(
  template: string,
  settings: Omit<ChatSettings, 'addGenerationPrompt'>,
  tokens: readonly string[],
): AnswerShape | null {
  let text: string;
  try {
    text = renderChat(
      template,
      [
        { role: 'user', content: 'Question' },
        { role: 'assistant', content: PROBE },
      ],
      { ...settings, addGenerationPrompt: false },
    );
  } catch (error) {
    if (error instanceof TastemakerError) return null;
    throw error;
  }
  const at = text.lastIndexOf(PROBE);
  if (at < 0) return null;
  const rest = text.slice(at + PROBE.length);
  const blank = rest.length - rest.trimStart().length;
  const end = tokens
    .filter((token) => token.trim() !== '' && rest.startsWith(token, blank))
    .sort((a, b) => b.length - a.length)[0];
  return end === undefined
    ? null
    : { end, upToEnd: rest.slice(0, blank + end.length), after: rest.slice(blank + end.length) };
}
