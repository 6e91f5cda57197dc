// Advantages of sampled tokens by the rewards of their slots: one row an estimator.
//
// An estimator sees a prompt's completions together, for some compare them with one another, and the critic's values
// where it has need of them. Nothing of a completion follows its last slot.

/** A prompt's completions: [completion][slot]. */
export interface GroupRewards {
  rewards: readonly (readonly number[])[];
  /** V before each token, and after the last; empty where the estimator needs no critic */
  values: readonly (readonly number[])[];
}

export interface Discounts {
  gamma: number;
  lambda: number;
}

export interface Estimated {
  /** one a slot */
  advantages: number[];
  /** what a critic is to learn */
  returns: number[];
}

export interface Estimator {
  /** formula and source, for people */
  sentence: string;
  /** whether a critic's values are asked for, and a critic is trained */
  critic: boolean;
  /** of each completion of a group */
  estimate(group: GroupRewards, discounts: Discounts): Estimated[];
}

/**
 * Generalised advantage estimation backwards over the slots of one completion; nothing follows the last one.
 *
 *   δ_t = r_t + γ V_{t+1} - V_t;   A_t = δ_t + γλ A_{t+1};   R_t = A_t + V_t
 */
export function generalisedAdvantages(
  rewards: readonly number[],
  values: readonly number[],
  { gamma, lambda }: Discounts,
): Estimated {
  const A = new Array<number>(rewards.length).fill(0);
  for (let t = rewards.length - 1, next = 0, nextValue = 0; t >= 0; t--) {
    next = A[t] = rewards[t]! + gamma * nextValue - values[t]! + gamma * lambda * next;
    nextValue = values[t]!;
  }
  return { advantages: A, returns: A.map((a, t) => a + values[t]!) };
}

export const ESTIMATORS = {
  gae: {
    sentence: 'A_t = Σ (γλ)^k δ_{t+k}, δ_t = r_t + γ V_{t+1} - V_t (Schulman et al. 2016; algorithms.md §1.4).',
    critic: true,
    estimate: ({ rewards, values }, discounts) =>
      rewards.map((row, k) => generalisedAdvantages(row, values[k]!, discounts)),
  },
} as const satisfies Readonly<Record<string, Estimator>>;

export type EstimatorName = keyof typeof ESTIMATORS;
