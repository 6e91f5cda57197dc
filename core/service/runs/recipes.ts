// The recipe cards: what each recipe does, what it needs and what is missing, and what one click starts it with here.

import type { Config, Field, Need, RecipeCard } from '#core/contract/recipes.ts';
import type { Policy, PolicyKind } from '#core/contract/models.ts';
import type { RunKind } from '#core/contract/runs.ts';
import { TastemakerError } from '#core/errors.ts';
import { readConfig } from '#core/recipes/settings.ts';
import type { Setting, Settings } from '#core/recipes/settings.ts';
import { REWARD, SAMPLE, SENSIBLE } from '#core/recipes/demo/demo-settings.ts';
import { METRICS } from '#core/recipes/metrics.ts';
import { RECIPES } from '#core/recipes/table.ts';
import type { RecipeName } from '#core/recipes/table.ts';
import { defaultsForModel } from '#core/recipes/parts/size-defaults.ts';
import { listPolicies } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';
import { countDrawn } from '#core/store/run-completions.ts';
import { listRuns } from '#core/store/runs.ts';
import { estimateAside } from './estimator.ts';
import type { Handlers } from '#core/service/handlers.ts';
import { currentModels, currentPolicy, currentReward } from '#core/service/current-models.ts';
import { FEWEST_RANKINGS } from '#core/recipes/facts.ts';
import type { Facts } from '#core/recipes/facts.ts';
import { factsOf } from './recipe-facts.ts';
import { modelsOf } from './recipe-models.ts';
import { currentReference } from './run-follow-up.ts';
import { LIVING } from '#core/contract/runs.ts';

const WORDS: Record<RecipeName, Pick<RecipeCard, 'title' | 'sentence' | 'makes'>> = {
  sample: {
    title: 'Sample completions',
    sentence: 'A model answers each prompt several times, so that there is something to rank.',
    makes: 'completions on the ranking desk',
  },
  sft: {
    title: 'Supervised fine-tuning (SFT)',
    sentence: 'Tunes a model on reference completions: the start that PPO improves on.',
    makes: 'a policy',
  },
  reward: {
    title: 'Reward model',
    sentence: 'Learns from the rankings to score completions as whoever ranked them would.',
    makes: 'a reward model',
  },
  ppo: {
    title: 'PPO',
    sentence:
      'Tunes the policy towards what the reward model likes, at a price for every step away from where it began.',
    makes: 'a policy',
  },
  score: {
    title: 'Score completions',
    sentence: 'Asks a reward model and a reference about the completions that they have not seen.',
    makes: 'scores and KL for Inspect and for the queues of the desk',
  },
  pretrain: {
    title: 'Pre-training',
    sentence: 'A small language model from nothing, on your own texts.',
    makes: 'a base model',
  },
};

const WRITERS: readonly PolicyKind[] = ['base', 'policy'];
/** The settings that name a model, and which kinds fit. */
const MODEL_FIELDS: Readonly<Record<string, readonly PolicyKind[]>> = {
  policy: WRITERS,
  reference: WRITERS,
  reward: ['reward'],
};
const GOOD_RANKINGS = 200;
const FEWEST_REFERENCES = 4;
const FEWEST_PROMPTS = 2;
const PROMPTS_A_CLICK = 100;

const powerOfTwo = (atMost: number): number => 2 ** Math.max(0, Math.floor(Math.log2(Math.max(1, atMost))));
const counted = (n: number, one: string, many = `${one}s`): string =>
  `${n.toLocaleString('en')} ${n === 1 ? one : many}`;

function fieldsOf(settings: Settings, policies: readonly Policy[]): Field[] {
  return Object.entries(settings).map(([name, setting]): Field => {
    const { default: fallback, sentence } = setting;
    const range = (setting as Setting<number>).range;
    const base = {
      name,
      default: fallback,
      sentence,
      range: range ? ([range[0], range[1]] as [number, number]) : null,
    };
    const kinds = MODEL_FIELDS[name];
    if (kinds)
      return {
        ...base,
        kind: 'model',
        choices: policies.filter(({ kind }) => kinds.includes(kind)).map((policy) => policy.name),
      };
    if (typeof fallback === 'number') return { ...base, kind: setting.whole ? 'whole' : 'number', choices: null };
    if (typeof fallback === 'boolean') return { ...base, kind: 'flag', choices: null };
    return setting.choices
      ? { ...base, kind: 'choice', choices: [...setting.choices] as string[] }
      : { ...base, kind: 'text', choices: null };
  });
}

const has = (sentence: string): Need => ({ state: 'ok', sentence });
const warns = (sentence: string): Need => ({ state: 'warn', sentence });
const lacks = (sentence: string): Need => ({ state: 'missing', sentence });

/** What the project must have, with the settings that would be used. */
function needsOf(recipe: RecipeName, facts: Facts, policies: readonly Policy[], config: Config): Need[] {
  const all = facts.prompts.train + facts.prompts.validation; // no run reads test prompts
  const writer = policies.some(({ kind }) => kind !== 'reward')
    ? []
    : [lacks('needs a base model: add one on the Models screen')]; // which there is, the card says by itself
  const scorer = policies.some(({ kind }) => kind === 'reward') ? [] : [lacks('needs a reward model: train one first')];
  const enough = (have: number, fewest: number, one: string, many: string, how: string): Need => {
    const missing = fewest - have;
    return missing <= 0
      ? has(`has ${counted(have, one, many)}`)
      : lacks(`needs ${counted(missing, have === 0 ? one : `more ${one}`, have === 0 ? many : `more ${many}`)}${how}`);
  };
  const number = (name: string) => Number(config[name]);
  switch (recipe) {
    case 'sample': {
      const have = config.split ? facts.prompts[config.split as 'train'] : all;
      const asked = Math.min(have, number('prompts') || have);
      const answers =
        have === 0
          ? []
          : [
              has(
                `answers ${asked < have ? `${asked.toLocaleString('en')} of them` : have === 1 ? 'it' : 'each'} ${number('k') === 1 ? 'once' : number('k') === 2 ? 'twice' : `${number('k')} times`}`,
              ),
            ];
      return [...writer, enough(have, 1, 'prompt', 'prompts', ': import some on the Data screen'), ...answers];
    }
    case 'sft':
      return [
        ...writer,
        enough(
          facts.references,
          Math.max(FEWEST_REFERENCES, number('batch')),
          'train prompt with a reference',
          'train prompts with a reference',
          ': import references with the prompts',
        ),
      ];
    case 'reward':
      return [
        ...writer,
        enough(facts.rankings, Math.max(FEWEST_RANKINGS, number('batch')), 'ranking', 'rankings', ''),
        ...(facts.simulated > 0
          ? [
              has(
                facts.simulated >= facts.rankings
                  ? 'by simulated labelers, not yours'
                  : `${facts.simulated.toLocaleString('en')} of them by simulated labelers`,
              ),
            ]
          : []),
        ...(facts.rankings >= FEWEST_RANKINGS && facts.rankings < GOOD_RANKINGS
          ? [warns(`enough to try; with ${GOOD_RANKINGS} rankings and more it becomes trustworthy`)]
          : []),
      ];
    case 'ppo':
      return [
        ...writer,
        ...scorer,
        enough(
          facts.prompts.train,
          Math.max(FEWEST_PROMPTS, Math.ceil(number('episodes') / number('samples_per_prompt'))),
          'train prompt',
          'train prompts',
          ', or fewer episodes',
        ),
        facts.prompts.validation > 0
          ? has(`has ${counted(facts.prompts.validation, 'validation prompt')}`)
          : warns('no validation prompts: over-optimisation will be harder to see, and no best weights are kept'),
      ];
    case 'score':
      return [...scorer, enough(facts.completions, 1, 'completion', 'completions', ': sample some')];
    case 'pretrain':
      return [has('takes a text file, a .jsonl file or a folder of them: name it in the setting texts')];
  }
}

/** What one click starts a recipe with: the demo's known settings in the demo, scaled to what there is. */
function defaultsOf(project: Project, recipe: RecipeName, facts: Facts): Config {
  const settings = RECIPES[recipe].settings;
  const own = Object.fromEntries(Object.entries(settings).map(([name, setting]) => [name, setting.default])) as Config;
  const policy = currentPolicy(project)?.name ?? 'base';
  const reward = currentReward(project)?.name ?? 'reward';
  const held = facts.prompts.validation;
  switch (recipe) {
    case 'sample': {
      const config: Config = { ...own, ...(facts.isDemo ? SAMPLE : {}), policy };
      const writer = currentPolicy(project);
      const there = facts.prompts.train + facts.prompts.validation;
      const had = writer
        ? countDrawn(project, writer.id, {
            temperature: Number(config.temperature),
            topK: Number(config.top_k),
            topP: Number(config.top_p),
            maxNew: Number(config.max_new),
            seed: Number(config.seed),
          }).size
        : 0;
      return { ...config, prompts: had + PROMPTS_A_CLICK >= there ? 0 : had + PROMPTS_A_CLICK };
    }
    case 'sft':
      return {
        ...own,
        policy,
        batch: Math.min(Number(own.batch), powerOfTwo(facts.references / 4)),
        ...defaultsForModel(project, 'sft', policy),
      };
    case 'reward': {
      const known = facts.isDemo ? REWARD : { batch: Number(own.batch) };
      const few = facts.rankings < GOOD_RANKINGS;
      const base = currentReference(project)?.name ?? policy;
      return {
        ...own,
        ...known,
        ...defaultsForModel(project, 'reward', base),
        policy: base,
        batch: Math.min(known.batch, powerOfTwo(facts.rankings / 8)),
        ...(few ? { validation: 0.15, epochs: facts.rankings < 100 ? 2 : 1 } : {}),
      };
    }
    case 'ppo': {
      const config: Config = {
        ...own,
        ...(facts.isDemo ? SENSIBLE : {}),
        ...defaultsForModel(project, 'ppo', policy),
        policy,
        reward,
        reference: currentReference(project)?.name ?? '',
      };
      const episodes = Math.min(Number(config.episodes), powerOfTwo(facts.prompts.train));
      return {
        ...config,
        episodes,
        minibatches: Math.min(Number(config.minibatches), episodes),
        evaluate_prompts: Math.max(1, Math.min(Number(config.evaluate_prompts), held)),
      };
    }
    case 'score':
      return { ...own, reward, reference: currentReference(project)?.name ?? '' };
    case 'pretrain':
      return own;
  }
}

export function recipeCards(project: Project): RecipeCard[] {
  const facts = factsOf(project);
  const policies = listPolicies(project);
  const { doubt, reward } = currentModels(project);
  return (Object.keys(RECIPES) as RecipeName[]).map((name) => {
    const defaults = defaultsOf(project, name, facts);
    const needs = [
      ...needsOf(name, facts, policies, defaults),
      ...(name === 'ppo' && doubt && defaults.reward === reward.name ? [warns(doubt)] : []),
    ];
    return {
      name,
      ...WORDS[name],
      fields: fieldsOf(RECIPES[name].settings, policies),
      defaults,
      needs,
      models: modelsOf(project, name, defaults),
    };
  });
}

/**
 * Refuses a start that could only fail, in the words of the card: a model that is not there, too few rankings. While
 * runs
 * are waiting their turn these may still make what is missing, so then it is left to the run itself.
 */
export function checkStart(project: Project, recipe: RunKind, given: Config): void {
  const name = recipe as RecipeName;
  const config = readConfig(RECIPES[name].settings, given) as Config;
  if (name === 'pretrain' && !config.texts)
    throw new TastemakerError(
      'bad-argument',
      'No texts to train on were named.',
      'Name a text file or a folder in the setting texts.',
    );
  if (listRuns(project).some(({ status }) => LIVING.includes(status))) return;
  const policies = listPolicies(project);
  const missing = needsOf(name, factsOf(project), policies, config).find(({ state }) => state === 'missing');
  if (missing)
    throw new TastemakerError(
      'bad-data',
      `${WORDS[name].title} ${missing.sentence}.`,
      'The card of the recipe lists what it needs.',
    );
  for (const [field, kinds] of Object.entries(MODEL_FIELDS)) {
    const wanted = config[field];
    if (wanted === undefined || wanted === '') continue;
    const found = policies.find((policy) => policy.name === wanted);
    const fitting = policies.filter(({ kind }) => kinds.includes(kind)).map((policy) => `"${policy.name}"`);
    if (!found)
      throw new TastemakerError(
        'bad-argument',
        `There is no model called "${String(wanted)}".`,
        `The setting ${field} takes one of ${fitting.join(', ')}.`,
      );
    if (!kinds.includes(found.kind))
      throw new TastemakerError(
        'bad-argument',
        `"${found.name}" is a ${found.kind} model, which does not fit the setting ${field}.`,
        `It takes one of ${fitting.join(', ')}.`,
      );
  }
}

export const recipeHandlers = {
  'recipes.list': ({ project }) => ({ recipes: recipeCards(project), metrics: METRICS }),
  'recipes.estimate': (context, { recipe, config }) => estimateAside(context, recipe, config),
} satisfies Partial<Handlers>;
