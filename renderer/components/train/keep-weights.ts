// Weights that a run kept on its way become a model of the project: what they are called, and the call.

import { useProjectService } from '#renderer/api.ts';
import { useAttempt } from '#renderer/attempt.ts';
import { useToasts } from '#renderer/stores/toasts.ts';
import type { RunDetail, RunRow } from '#core/contract/runs.ts';

type Best = NonNullable<RunDetail['best']>;
type Look = Pick<RunDetail['looks'][number], 'update' | 'folder'>;

/** "Its weights of update 16 of 40" */
const bestWords = (run: RunRow, { step, steps }: Best): string =>
  step === null
    ? 'Its best weights'
    : `Its weights of ${run.words.step} ${step}${steps === null ? '' : ` of ${steps}`}`;

/** "held-out value": a metric's name as it is spoken */
const spoken = (metric: string): string => metric.replace(/^held_out_/, 'held-out ').replaceAll('_', ' ');
/** "Keep the best by held-out value as a model (update 20)" */
export const keepBestWords = (run: RunRow, { by, step }: Best): string =>
  `Keep the best${by === null ? '' : ` by ${spoken(by)}`} as a model${step === null ? '' : ` (${run.words.step} ${step})`}`;
/** "Its weights of update 16 of 40 did best so far by held-out value: score 1.71, KL 3.20. …" */
export const whyBestWords = (run: RunRow, best: Best, meaning: string | undefined): string =>
  `${bestWords(run, best)} did best so far${best.by === null ? '' : ` by ${spoken(best.by)}`}${best.sentence ? `: ${best.sentence}` : ''}.${meaning ? ` ${meaning}` : ''}`;

/** Makes weights that lie in a run's folder a model, where they lie; a message says so, or why it was refused. */
export function useKeepWeights(run: () => RunRow) {
  const { call } = useProjectService();
  const toasts = useToasts();
  const { busy, attempt } = useAttempt({ failed: toasts.fault });
  const keep = (folder: string, wanted: string, weights: string) =>
    attempt(async () => {
      const { name } = await call('models.add', { path: folder, name: `${run().name}-${wanted}`, copy: false });
      toasts.show({
        sentence: `${weights} are the model “${name}” now. What is current stays as it is.`,
        tone: 'good',
      });
    });
  return {
    busy,
    keepBest: (best: Best) =>
      keep(best.folder, `best${best.step === null ? '' : `-${best.step}`}`, bestWords(run(), best)),
    keepLook: ({ update, folder }: Look) =>
      keep(folder, String(update), `Its weights of ${run().words.step} ${update}`),
  };
}
