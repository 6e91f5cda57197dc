// Recipes on their cards: fields, needs, estimates, the meaning of metrics; the calls about them.

import type { RunKind } from './runs.ts';
import { call } from './call.ts';
import { config, recipe } from './schemas.ts';

export interface Field {
  name: string;
  kind: 'number' | 'whole' | 'flag' | 'choice' | 'text' | 'lines' | 'model';
  default: number | string | boolean;
  range: [number, number] | null;
  choices: string[] | null;
  sentence: string;
  /** of the card's groups; `main`: it is looked at before starting */
  group: string;
  main: boolean;
  /** it has a say only while another setting is so */
  when: { setting: string; is: string } | null;
}

/**
 * A recipe on its card: what it does, what it takes, what is missing. `defaults` are what one click starts it with
 * here.
 */
export interface RecipeCard {
  name: RunKind;
  title: string;
  sentence: string;
  makes: string;
  /** the word on its button */
  start: string;
  place: 'loop' | 'on the way' | 'aside';
  /** one click cannot start it: it must be told something first */
  asksFirst: boolean;
  fields: Field[];
  groups: { name: string; title: string }[];
  defaults: Config;
  needs: Need[];
  /**
   * the models that `defaults` name: what for, why, and as which of the current ones; null for a reference
   */
  models: {
    field: string;
    words: string;
    name: string;
    why: string;
    of: 'policy' | 'reward' | null;
  }[];
}

export interface Need {
  /** `warn`: one can start, and should know */
  state: 'ok' | 'warn' | 'missing';
  sentence: string;
}

export type Config = Record<string, number | string | boolean>;
export interface Estimate {
  verdict: 'fits' | 'tight' | 'wont-fit';
  bytes: number;
  availableBytes: number;
  /**
   * of the graphics card's own memory; null where the processor computes, or the card's part is counted with the
   * machine's
   */
  card: {
    bytes: number;
    availableBytes: number;
  } | null;
  seconds: number | null;
  sentence: string;
  fixes: string[];
  /** of a long run: what would make it shorter, with the time it would take then */
  shorter: string[];
}

/**
 * `evaluation`: measured now and then on what is not trained on, so never smoothed; `count` is the metric that says on
 * how many samples.
 */
export interface MetricMeaning {
  sentence: string;
  unit: string;
  healthy: string;
  better: 'high' | 'low' | null;
  evaluation?: boolean;
  count?: string;
  share?: boolean;
}

export const RECIPE_CALLS = {
  'recipes.list': call<{ recipes: RecipeCard[]; metrics: Record<string, MetricMeaning> }>('again')({}),
  'recipes.estimate': call<Estimate>('again')({ recipe, config }),
} as const;
