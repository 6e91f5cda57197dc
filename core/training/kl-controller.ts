// The price of leaving the reference, β: fixed, or steered towards a target KL (P19 §2.2).

/**
 * β · (1 + clip(KL/target - 1, ±0.2) · episodes / horizon), once a rollout batch; KL is the mean over samples of summed
 * token differences, in nats.
 */
export function adaptBeta(beta: number, kl: number, target: number, episodes: number, horizon: number): number {
  const error = Math.min(0.2, Math.max(-0.2, kl / target - 1));
  return beta * (1 + (error * episodes) / horizon);
}
