// AdamW on four numbers at once, as a WebAssembly function that is put together here instruction by instruction.
//
// Written out, with w, m, v, g four numbers each and everything float32, in the order of `adamStep`'s operators:
//
//   loop: m ← flush(m β1 + g k1)    v ← flush(v β2 + (g g) k2)    w ← w keep - (m a) / (√v + e)
//
// flush makes denormal moments 0, as the runtime does: those of a token that no longer occurs would else shrink for
// hundreds of steps at a hundred times the cost. 0.9 ns a number on one thread, where a plain loop over typed arrays
// takes 4.2.

/** bytes of one WebAssembly instruction or structure */
type Code = readonly number[];

// LEB128
const unsigned = (value: number): Code => (value < 128 ? [value] : [(value & 127) | 128, ...unsigned(value >>> 7)]);
const list = (items: readonly Code[]): Code => [...unsigned(items.length), ...items.flat()];
const section = (id: number, content: Code): Code => [id, ...unsigned(content.length), ...content];
const word = (text: string): Code => list([...text].map((letter) => [letter.charCodeAt(0)]));

const I64 = 0x7e;
const F32 = 0x7d;
const V128 = 0x7b;
const get = (local: number): Code => [0x20, local];
const set = (local: number): Code => [0x21, local];
const tee = (local: number): Code => [0x22, local];
const addressPlus = (bytes: number): Code => [0x42, bytes, 0x7c];
const addressBelow: Code = [0x54];
const loopStart: Code = [0x03, 0x40];
const loopAgain: Code = [0x0d, 0];
const end: Code = [0x0b];
// an instruction on four numbers
const four = (code: number, ...immediate: number[]): Code => [0xfd, ...unsigned(code), ...immediate];
const load = four(0x00, 4, 0);
const store = four(0x0b, 4, 0);
const splat = four(0x13);
const constant = (bytes: Code): Code => four(0x0c, ...bytes);
const plus = four(0xe4);
const minus = four(0xe5);
const times = four(0xe6);
const over = four(0xe7);
const root = four(0xe3);
const magnitude = four(0xe0);
const atLeast = four(0x46);
const both = four(0x4e);

const SMALLEST_NORMAL: Code = [0, 0, 0x80, 0, 0, 0, 0x80, 0, 0, 0, 0x80, 0, 0, 0, 0x80, 0]; // 2^-126, four times
const flush = (x: number): Code => [
  ...set(x),
  ...get(x),
  ...get(x),
  ...magnitude,
  ...constant(SMALLEST_NORMAL),
  ...atLeast,
  ...both,
  ...tee(x),
];

const [W, M, V, G, END] = [0, 1, 2, 3, 4]; // addresses: of w, m, v, g, and where w ends
const FACTORS = 7; // β1, k1, β2, k2, a, e, keep: parameters 5 to 11, spread to four numbers in 12 to 18
const [beta1, intoM, beta2, intoV, stepSize, epsilon, keep] = Array.from({ length: FACTORS }, (_, i) =>
  get(5 + FACTORS + i),
) as [Code, Code, Code, Code, Code, Code, Code];
const [g, m, v] = [19, 20, 21];

const instructions: Code = [
  ...Array.from({ length: FACTORS }, (_, i) => [...get(5 + i), ...splat, ...set(5 + FACTORS + i)]).flat(),
  ...loopStart,
  ...get(G),
  ...load,
  ...set(g),
  ...get(M),
  ...get(M),
  ...load,
  ...beta1,
  ...times,
  ...get(g),
  ...intoM,
  ...times,
  ...plus,
  ...flush(m),
  ...store,
  ...get(V),
  ...get(V),
  ...load,
  ...beta2,
  ...times,
  ...get(g),
  ...get(g),
  ...times,
  ...intoV,
  ...times,
  ...plus,
  ...flush(v),
  ...store,
  ...get(W),
  ...get(W),
  ...load,
  ...keep,
  ...times,
  ...get(m),
  ...stepSize,
  ...times,
  ...get(v),
  ...root,
  ...epsilon,
  ...plus,
  ...over,
  ...minus,
  ...store,
  ...[M, V, G].flatMap((at) => [...get(at), ...addressPlus(16), ...set(at)]),
  ...get(W),
  ...addressPlus(16),
  ...tee(W),
  ...get(END),
  ...addressBelow,
  ...loopAgain,
  ...end,
  ...end,
];
const body: Code = [...list([[FACTORS + 3, V128]]), ...instructions];

/** A 64 KB page of WebAssembly memory, and as many as there can be: 16 GB. */
export const PAGE = 65_536;
export const MOST_PAGES = 262_144;

/** Imports state.memory (shared, 64-bit addresses) and exports `adamw`, an `AdamKernel`. */
export const KERNEL: Uint8Array<ArrayBuffer> = Uint8Array.from([
  0,
  0x61,
  0x73,
  0x6d,
  1,
  0,
  0,
  0, // "\0asm", version 1
  ...section(
    1,
    list([
      [
        0x60,
        ...list([W, M, V, G, END].map((): Code => [I64]).concat(Array.from({ length: FACTORS }, (): Code => [F32]))),
        0,
      ],
    ]),
  ), // types: one function, nothing given back
  // imports: 7 = shared, bounded, 64-bit
  ...section(2, list([[...word('state'), ...word('memory'), 2, 7, 0, ...unsigned(MOST_PAGES)]])),
  ...section(3, list([[0]])), // functions
  ...section(7, list([[...word('adamw'), 0, 0]])), // exports
  ...section(10, list([[...unsigned(body.length), ...body]])), // code
]);

/** Addresses in bytes, multiples of 16: of w, m, v and g, and the first after w's; then β1, k1, β2, k2, a, e, keep. */
export type AdamKernel = (
  w: bigint,
  m: bigint,
  v: bigint,
  g: bigint,
  end: bigint,
  beta1: number,
  intoM: number,
  beta2: number,
  intoV: number,
  stepSize: number,
  epsilon: number,
  keep: number,
) => void;
