// Answers to different prompts that are nearly the same: clusters by shared three-word pieces.
//
// MinHash (Broder 1997) with banding finds whom a text may be like, the exact Jaccard index decides.

type Sequence = ArrayLike<number>;

const WORDS_A_PIECE = 3;
const BANDS = 16;
/** 1 − (1 − J⁴)¹⁶: found with probability .9998 at J = .8, compared for nothing with .34 at J = .4 */
const HASHES_A_BAND = 4;
/** This much of all their pieces two texts must share. */
export const NEARLY_THE_SAME = 0.8;

/** murmur3's last mixing: every bit of the result hangs on every bit of `x`. */
function mix(x: number): number {
  let h = x >>> 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** The set of a text's pieces as hashes in ascending order; a text of fewer words is one piece. */
function piecesOf(text: Sequence): Uint32Array {
  const length = Math.min(WORDS_A_PIECE, text.length);
  const pieces = new Set<number>();
  for (let i = 0; i + length <= text.length; i++) {
    let hash = length;
    for (let k = 0; k < length; k++) hash = mix(Math.imul(hash, 31) + text[i + k]!);
    pieces.add(hash);
  }
  return Uint32Array.from(pieces).sort();
}

/** |a ∩ b| / |a ∪ b| of two ascending lists. */
function jaccard(a: Uint32Array, b: Uint32Array): number {
  let both = 0;
  for (let i = 0, j = 0; i < a.length && j < b.length;) {
    if (a[i] === b[j]) both++;
    if (a[i]! <= b[j]!) i++; // b's catches up at the next turn, for a's next is larger
    else j++;
  }
  return both / (a.length + b.length - both);
}

/** One number a band: that of the smallest hashes of the pieces, under as many orders as the band has. */
function bandsOf(pieces: Uint32Array): number[] {
  return Array.from({ length: BANDS }, (_, band) => {
    let key = band;
    for (let h = 0; h < HASHES_A_BAND; h++) {
      const order = mix(band * HASHES_A_BAND + h + 1);
      let smallest = 0xffffffff;
      for (let i = 0; i < pieces.length; i++) {
        const hash = mix(pieces[i]! ^ order);
        if (hash < smallest) smallest = hash;
      }
      key = mix(Math.imul(key, 31) + smallest);
    }
    return band * 0x100000000 + key;
  });
}

export interface Alike {
  /** the text that all others are like, which comes first */
  leader: number;
  /** places of the texts, the leader's among them, in ascending order */
  members: number[];
  /** how many prompts they answer */
  prompts: number;
}

/**
 * Clusters of texts that share at least `threshold` of their pieces with the cluster's first, under at least two
 * different prompts; the largest first. `promptOf` says which prompt each text answers. A text is compared with the
 * firsts alone, so that ten thousand copies cost no more than ten thousand different texts.
 */
export function nearIdentical(
  texts: readonly Sequence[],
  promptOf: readonly number[],
  threshold = NEARLY_THE_SAME,
): Alike[] {
  const leaders = new Map<number, number[]>(); // by band
  const sets: Uint32Array[] = [];
  const clusters = new Map<number, number[]>();
  texts.forEach((text, i) => {
    const pieces = (sets[i] = piecesOf(text));
    if (text.length === 0) return;
    const bands = bandsOf(pieces);
    const near = new Set(bands.flatMap((band) => leaders.get(band) ?? []));
    let leader = -1;
    let most = 0;
    for (const other of near) {
      const share = jaccard(pieces, sets[other]!);
      if (share < threshold || share < most || (share === most && other > leader)) continue;
      [leader, most] = [other, share];
    }
    if (leader >= 0) {
      clusters.get(leader)!.push(i);
      return;
    }
    clusters.set(i, [i]);
    for (const band of bands) {
      const known = leaders.get(band);
      if (known) known.push(i);
      else leaders.set(band, [i]);
    }
  });
  return [...clusters]
    .map(([leader, members]) => ({ leader, members, prompts: new Set(members.map((i) => promptOf[i])).size }))
    .filter(({ prompts }) => prompts > 1)
    .sort((a, b) => b.members.length - a.members.length || a.leader - b.leader);
}
