// An update of PPO in numbers: what was sampled and scored, and what the steps of policy and critic said.

import { mean } from '#core/evaluation/mean.ts';
import type { Prepared } from '#core/training/rollout.ts';
import type { PpoLearners } from './ppo-learners.ts';
import { describeSamples } from './sample-statistics.ts';

/** An update in numbers; `started` is when it began, on the clock of `performance`. */
export function describeUpdate(
  prepared: readonly Prepared[],
  { policy, critic }: Awaited<ReturnType<PpoLearners['update']>>,
  { beta, rate, stops, started }: { beta: number; rate: number; stops: readonly number[]; started: number },
) {
  const completions = prepared.flatMap((group) => group.completions);
  const episodes = prepared.flatMap((group) => group.episodes);
  const statistics = describeSamples(completions, stops);
  const kl = mean(
    episodes.map(({ logprobs, referenceLogprobs }) =>
      logprobs.reduce((sum, lp, t) => sum + lp - referenceLogprobs[t]!, 0),
    ),
  );
  const score = mean(episodes.map((episode) => episode.score));
  const returns = prepared.flatMap((group) => group.returns);
  const foreseen = episodes.flatMap(({ values }, i) => values.slice(0, returns[i]!.length));
  return {
    kl,
    kl_per_token: kl / statistics.length,
    beta,
    score,
    reward: score - beta * kl,
    ...statistics,
    learning_rate: rate,
    policy_loss: policy.loss!.at(-1)!,
    approx_kl: policy.approx_kl!.at(-1)!,
    clip_fraction: mean(policy.clip_fraction!),
    ratio_max: Math.max(...policy.ratio_max!),
    first_ratio_max: policy.ratio_max![0]!,
    entropy: policy.entropy![0]!,
    value_loss: mean(critic.value_loss!),
    value_clip_fraction: mean(critic.value_clip_fraction!),
    explained_variance: explainedVariance(returns.flat(), foreseen),
    grad_norm: mean(policy.grad_norm!),
    tokens_per_second: (statistics.length * episodes.length) / ((performance.now() - started) / 1000),
  };
}

function explainedVariance(returns: readonly number[], values: readonly number[]): number {
  const variance = (list: readonly number[]) => {
    const center = mean(list);
    return mean(list.map((x) => (x - center) ** 2));
  };
  return 1 - variance(returns.map((r, i) => r - values[i]!)) / (variance(returns) + 1e-12);
}
