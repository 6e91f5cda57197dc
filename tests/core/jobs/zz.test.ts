import { test } from 'vitest';
import { listCompletions } from '#core/store/completions.ts';
import { startRun } from '#core/jobs/start.ts';
import { makeTinyProject, addLengthReward, addTrainedReward, QUICK_PPO, QUICK_SFT, metricsOf, temporaryProjects } from './tiny-project.ts';
const fresh = temporaryProjects();
test('x', async () => {
  const t = (l: string) => console.log(l, Math.round(performance.now() - at)); let at = performance.now();
  const p = await makeTinyProject(fresh()); t('make'); at = performance.now();
  const c = listCompletions(p); console.log(c.length, c.filter(x => x.finish === 'stop').length, c.slice(0,4).map(x=>x.text));
  const r = await addTrainedReward(p); t('reward'); console.log(r.summary, metricsOf(p, r.id).at(-1)); at = performance.now();
  const s = await startRun(p, 'sft', { ...QUICK_SFT, epochs: 2 }, null); t('sft'); console.log(s.summary); at = performance.now();
  for (const sign of [1, -1] as const) {
    addLengthReward(p, 'len' + sign, sign);
    at = performance.now();
    const q = await startRun(p, 'ppo', { ...QUICK_PPO, reward: 'len' + sign, updates: 6, episodes: 48, samples_per_prompt: 2, epochs: 4, learning_rate: 0.01, missing_end: 'keep' }, null); t('ppo'); 
    for (const m of metricsOf(p, q.id)) console.log(JSON.stringify(m));
  }
  p.close();
});
