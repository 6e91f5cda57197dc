// Damage for files of models, from a single flipped byte to numbers, names and nestings that someone chose to do harm.
import type { Random } from '#core/random.ts';

const HOSTILE_NUMBERS = [
  0,
  1,
  -1,
  2,
  3,
  7,
  255,
  256,
  65535,
  65536,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32 - 1,
  2 ** 32,
  2 ** 53 - 1,
  2 ** 53,
  1e9,
  1e12,
  1e18,
  1e308,
  -1e9,
  0.5,
  1e-300,
  -0,
];
export const HOSTILE_WORDS: readonly number[] = [
  0,
  1,
  2,
  3,
  4,
  6,
  7,
  8,
  9,
  12,
  16,
  255,
  65536,
  1e9,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32 - 1,
  0x7f800000,
];
const HOSTILE_VALUES: readonly unknown[] = [
  null,
  true,
  false,
  '',
  'x',
  ' ',
  '\ud800',
  '\0',
  '__proto__',
  '(',
  '[^',
  '(?:a*)*b',
  '\\p{Nope}',
  '[',
  [],
  {},
  [[]],
  [null],
  { a: 1 },
  [0, 0],
  ['', ''],
  'a b',
  '\n',
  '💥'.repeat(50),
];
const HOSTILE_KEYS = ['__proto__', 'constructor', '', 'type', 'toString', 'x', '\ud800', '0'];
const DEEP = '"@deep@"';

type Node = Record<string, unknown> | unknown[];
const isNode = (value: unknown): value is Node => typeof value === 'object' && value !== null;

/** Every place in a tree: what holds it and under which key. */
function places(root: unknown): { parent: Record<string, unknown>; key: string }[] {
  const found: { parent: Record<string, unknown>; key: string }[] = [];
  const visit = (node: unknown) => {
    if (!isNode(node)) return;
    for (const key of Object.keys(node)) {
      found.push({ parent: node as Record<string, unknown>, key });
      visit((node as Record<string, unknown>)[key]);
    }
  };
  visit(root);
  return found;
}

/** A JSON tree with one to three of its values changed. */
function hurtTree(text: string, random: Random): string {
  const root: unknown = JSON.parse(text);
  for (let n = 1 + random.integer(3); n > 0; n--) {
    const all = places(root);
    if (all.length === 0) break;
    // long lists would take nearly all of the damage: half of it goes to what stands near the top
    const { parent, key } = random.choice(
      random.uniform() < 0.5
        ? all
        : all.filter(({ parent: holder }) => Object.keys(holder).length < 30).concat(all.slice(0, 1)),
    );
    const value = parent[key];
    const change = random.integer(8);
    if (change < 3)
      parent[key] =
        typeof value === 'number' || random.uniform() < 0.3
          ? random.choice(HOSTILE_NUMBERS)
          : structuredClone(random.choice(HOSTILE_VALUES)); // cloned: damage upon damage must not reach the next case
    else if (change === 3) delete parent[key];
    else if (change === 4)
      Object.defineProperty(parent, random.choice(HOSTILE_KEYS), {
        value,
        enumerable: true,
        configurable: true,
        writable: true,
      }); // as JSON.parse would
    else if (change === 5) parent[key] = '@deep@';
    else if (change === 6)
      parent[key] =
        Array.isArray(value) && value.length > 0
          ? [...value, ...Array.from({ length: 200 }, () => value[0] as unknown)]
          : 'y'.repeat(10 ** random.integer(6));
    else
      parent[key] = structuredClone(
        random.choice(
          all
            .map((place) => place.parent[place.key])
            .filter((other) => JSON.stringify(other).length < 2000)
            .concat(0),
        ),
      ); // something from elsewhere in the file
    if (JSON.stringify(root).length > 1e6) break;
  }
  const depth = 10 ** (1 + random.integer(5));
  const [open, shut] = random.choice([
    ['[', ']'],
    ['{"a":', '}'],
  ] as const);
  // once: the files stay small
  return JSON.stringify(root).replace(DEEP, () => `${open.repeat(depth)}0${shut.repeat(depth)}`);
}

/** A key written once more, before itself, with another value. */
function repeatKey(text: string, random: Random): string {
  const keys = [...text.matchAll(/"([^"\\]{1,40})"\s*:/g)];
  if (keys.length === 0) return text;
  const { index, 0: key } = random.choice(keys);
  return `${text.slice(0, index)}${key}${JSON.stringify(random.choice<unknown>([...HOSTILE_NUMBERS, ...HOSTILE_VALUES]))},${text.slice(index)}`;
}

const swapNumber = (text: string, random: Random): string => {
  const numbers = [...text.matchAll(/-?\d+(\.\d+)?/g)];
  if (numbers.length === 0) return text;
  const { index, 0: number } = random.choice(numbers);
  return text.slice(0, index) + JSON.stringify(random.choice(HOSTILE_NUMBERS)) + text.slice(index + number.length);
};

/** JSON that is damaged, but mostly still JSON. */
export const hurtJson = (text: string, random: Random): string => {
  const kind = random.integer(10);
  return kind < 6 ? hurtTree(text, random) : kind < 8 ? swapNumber(text, random) : repeatKey(text, random);
};

/** Bytes that are damaged; `within`: where the damage is, the file's header. */
export function hurtBytes(whole: Buffer, random: Random, within: number): Buffer {
  const bytes = Buffer.from(whole);
  const at = (width: number) => random.integer(Math.max(1, within - width));
  switch (random.integer(6)) {
    case 0:
      bytes[at(1)]! ^= 1 << random.integer(8);
      return bytes;
    case 1:
      for (let n = 0; n < 8; n++) bytes[at(1)] = random.integer(256);
      return bytes;
    case 2:
      return bytes.subarray(0, random.integer(bytes.length));
    case 3:
      bytes.writeUInt32LE(random.choice(HOSTILE_WORDS), at(4));
      return bytes;
    case 4:
      bytes.writeBigUInt64LE(
        random.choice([
          0n,
          1n,
          255n,
          1n << 20n,
          1n << 31n,
          1n << 32n,
          1n << 40n,
          1n << 53n,
          1n << 62n,
          1n << 63n,
          (1n << 64n) - 1n,
        ]),
        at(8),
      );
      return bytes;
    default: {
      // a piece of the file over another one, or put in between
      const from = at(64);
      const into = at(64);
      const piece = whole.subarray(from, from + 1 + random.integer(64));
      return random.uniform() < 0.5
        ? Buffer.concat([bytes.subarray(0, into), piece, bytes.subarray(into)])
        : (bytes.set(piece, Math.min(into, bytes.length - piece.length)), bytes);
    }
  }
}
