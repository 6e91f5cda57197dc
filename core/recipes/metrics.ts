// The glossary of metrics: what each number means, its unit, and what is healthy. Reporting a name that is not here is
// a type error.

export interface Metric {
  sentence: string;
  unit: string;
  /** in words, for the tooltip */
  healthy: string;
  /** which way is better; null where neither is as such */
  better: 'high' | 'low' | null;
  /** measured now and then on what is not trained on; never smoothed */
  evaluation?: true;
  /** the metric that says on how many samples an evaluation rests */
  count?: string;
  /** from 0 to 1, and so is its interval (core/contract/share-words.ts) */
  share?: true;
}

export const METRICS = {
  loss: {
    sentence: 'The number that the optimiser lowers.',
    unit: '',
    healthy: 'falls, then levels off',
    better: 'low',
  },
  learning_rate: {
    sentence: 'The step size of this update.',
    unit: '',
    healthy: 'follows its schedule to 0',
    better: null,
  },
  grad_norm: {
    sentence: 'Length of the gradient over all parameters, before clipping.',
    unit: '',
    healthy: 'steady; a sudden tenfold rise is a warning',
    better: null,
  },
  tokens_per_second: {
    sentence: 'Tokens trained on or sampled a second.',
    unit: 'tokens/s',
    healthy: 'steady',
    better: 'high',
  },
  validation_loss: {
    sentence: 'The loss on texts that are not trained on.',
    unit: '',
    healthy: 'falls with the training loss; rising means it learns by heart',
    better: 'low',
    evaluation: true,
  },
  perplexity: {
    sentence: 'exp(validation loss): between how many tokens the model hesitates.',
    unit: '',
    healthy: 'falls',
    better: 'low',
    evaluation: true,
  },
  accuracy: {
    sentence: 'Share of the comparisons trained on that the scores order as the labelers did.',
    unit: '',
    healthy: '0.6 to 0.8; near 1 means it learns by heart',
    better: 'high',
  },
  validation_accuracy: {
    sentence:
      'Share of the comparisons of validation prompts that the scores order as the labelers did; every prompt counts the same, ties and equal texts are left out.',
    unit: '',
    healthy: '0.6 to the agreement between labelers',
    better: 'high',
    evaluation: true,
    count: 'validation_rankings',
    share: true,
  },
  validation_accuracy_se: {
    sentence: 'Standard error of that accuracy, the rankings of one prompt taken together.',
    unit: '',
    healthy: 'a difference between two models below twice this is none',
    better: null,
    evaluation: true,
  },
  validation_rankings: {
    sentence: 'How many rankings that accuracy is measured on.',
    unit: 'rankings',
    healthy: 'a hundred or more',
    better: null,
    evaluation: true,
  },
  score_gap: {
    sentence: 'Mean score of the better minus that of the worse completion.',
    unit: '',
    healthy: 'grows to 1 or 2',
    better: 'high',
    evaluation: true,
    count: 'validation_rankings',
  },
  kl: {
    sentence: 'How far the policy has moved: ln π − ln π_ref summed over a completion, mean over completions.',
    unit: 'nats',
    healthy: '0 at the start, below about 20; never clearly negative',
    better: null,
  },
  kl_per_token: {
    sentence: 'How far the policy has moved, a token: KL over the length of the completions.',
    unit: 'nats',
    healthy: 'below 0.5',
    better: null,
  },
  beta: {
    sentence: 'Price of one nat of KL in units of reward.',
    unit: '',
    healthy: 'fixed, or steering KL to its target',
    better: null,
  },
  score: {
    sentence: "The reward model's mean score of the completions, with the missing-end rule applied.",
    unit: '',
    healthy: 'rises; a rise without better texts is over-optimisation',
    better: 'high',
  },
  reward: { sentence: 'Score minus β·KL: what PPO maximises.', unit: '', healthy: 'rises', better: 'high' },
  gold: {
    sentence: "The demo world's true score of held-out completions, 1 to 7.",
    unit: '',
    healthy: 'rises with the score, until the policy cheats',
    better: 'high',
    evaluation: true,
    count: 'held_out_n',
  },
  gold_se: {
    sentence: 'Its standard error over held-out prompts.',
    unit: '',
    healthy: 'a difference below twice this says nothing',
    better: null,
    evaluation: true,
  },
  held_out_score: {
    sentence:
      "The reward model's mean score of what is written for validation prompts, with the missing-end rule applied.",
    unit: '',
    healthy: 'rises with the score on training prompts',
    better: 'high',
    evaluation: true,
    count: 'held_out_n',
  },
  held_out_score_se: {
    sentence: 'Its standard error over prompts.',
    unit: '',
    healthy: 'a difference below twice this says nothing',
    better: null,
    evaluation: true,
  },
  held_out_kl: {
    sentence: 'KL from the reference, on validation prompts.',
    unit: 'nats',
    healthy: '0 at the start, below about 20',
    better: null,
    evaluation: true,
    count: 'held_out_n',
  },
  held_out_reward: {
    sentence: 'Held-out score minus β·KL.',
    unit: '',
    healthy: 'rises',
    better: 'high',
    evaluation: true,
    count: 'held_out_n',
  },
  held_out_value: {
    sentence:
      'Held-out score minus the price of KL that choosing pays (max of β and best_kl_price): best/ holds the weights where it was highest.',
    unit: '',
    healthy: 'rises, then falls where the policy over-optimises',
    better: 'high',
    evaluation: true,
    count: 'held_out_n',
  },
  held_out_value_se: {
    sentence: 'Its standard error over prompts.',
    unit: '',
    healthy: 'a difference below twice this says nothing',
    better: null,
    evaluation: true,
  },
  held_out_length: {
    sentence: 'Mean tokens of what is written for validation prompts.',
    unit: 'tokens',
    healthy: 'no steady drift',
    better: null,
    evaluation: true,
    count: 'held_out_n',
  },
  held_out_ended: {
    sentence: 'Share of those that wrote end-of-text before the limit.',
    unit: '',
    healthy: 'near 1',
    better: 'high',
    evaluation: true,
    count: 'held_out_n',
  },
  held_out_distinct: {
    sentence: 'Share of different three-token sequences among all of theirs.',
    unit: '',
    healthy: 'steady; collapse means one phrase everywhere',
    better: null,
    evaluation: true,
    count: 'held_out_n',
  },
  held_out_repetition: {
    sentence: 'Share of the four-token sequences of a text that it has said before, mean over texts.',
    unit: '',
    healthy: 'near 0; a text that repeats itself is stuck',
    better: 'low',
    evaluation: true,
    count: 'held_out_n',
  },
  held_out_n: {
    sentence: 'How many completions of validation prompts these numbers rest on.',
    unit: '',
    healthy: '64 or more',
    better: null,
    evaluation: true,
  },
  policy_loss: {
    sentence: "PPO's clipped policy loss in the last epoch.",
    unit: '',
    healthy: 'small and negative',
    better: null,
  },
  value_loss: {
    sentence: "The critic's clipped squared error.",
    unit: '',
    healthy: 'falls, stays below the variance of returns',
    better: 'low',
  },
  explained_variance: {
    sentence: 'Share of the variance of returns that the critic foresees.',
    unit: '',
    healthy: 'above 0, towards 1',
    better: 'high',
  },
  entropy: {
    sentence: 'How undecided the policy is about a token.',
    unit: 'nats',
    healthy: 'falls slowly; collapse to 0 means one answer for everything',
    better: null,
  },
  approx_kl: {
    sentence: 'Half the mean squared change of ln π within an update.',
    unit: 'nats²',
    healthy: '0 in the first epoch, below 0.05',
    better: null,
  },
  clip_fraction: {
    sentence: 'Share of tokens whose ratio left the clipping range.',
    unit: '',
    healthy: 'below 0.3',
    better: null,
  },
  ratio_max: {
    sentence: 'The largest π_new/π_old of a token in this update.',
    unit: '',
    healthy: 'below 10',
    better: null,
  },
  first_ratio_max: {
    sentence: 'The largest ratio before the first step of the update, when nothing has been learnt yet.',
    unit: '',
    healthy: '1 to four digits; anything else means that sampling and training disagree about the text',
    better: null,
  },
  value_clip_fraction: {
    sentence: 'Share of values that moved further than the clipping range.',
    unit: '',
    healthy: 'below 0.5',
    better: null,
  },
  ended: {
    sentence: 'Share of completions that wrote end-of-text before the limit.',
    unit: '',
    healthy: 'near 1; a fall means it no longer stops',
    better: 'high',
  },
  length: { sentence: 'Mean tokens a completion.', unit: 'tokens', healthy: 'no steady drift', better: null },
  distinct: {
    sentence: 'Share of different three-token sequences among all of them.',
    unit: '',
    healthy: 'steady; collapse means one phrase everywhere',
    better: null,
  },
} as const satisfies Record<string, Metric>;

export type MetricName = keyof typeof METRICS;
export type MetricRow = Partial<Record<MetricName, number>>;
