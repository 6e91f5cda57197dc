// Every call that a window may make of the service (noun.verb), and the check of its arguments: both ends are derived
// from it.

import * as v from 'valibot';
import { APP_CALLS } from './app.ts';
import { PROJECT_CALLS } from './project.ts';
import { DESK_CALLS } from './desk.ts';
import { PROMPT_CALLS } from './prompts.ts';
import { DATA_CALLS } from './data.ts';
import { MODEL_CALLS } from './models.ts';
import { TRY_CALLS } from './try.ts';
import { RECIPE_CALLS } from './recipes.ts';
import { RUN_CALLS } from './runs.ts';
import { SAMPLE_CALLS } from './samples.ts';
import { HARDWARE_CALLS } from './hardware.ts';
import { FINDING_CALLS } from './findings.ts';
import { INSPECT_CALLS } from './inspect.ts';
import { COMPARE_CALLS } from './compare.ts';
import { PROBE_CALLS } from './probes.ts';

export const CALLS = {
  ...APP_CALLS,
  ...PROJECT_CALLS,
  ...DESK_CALLS,
  ...PROMPT_CALLS,
  ...DATA_CALLS,
  ...MODEL_CALLS,
  ...TRY_CALLS,
  ...RECIPE_CALLS,
  ...RUN_CALLS,
  ...SAMPLE_CALLS,
  ...HARDWARE_CALLS,
  ...FINDING_CALLS,
  ...INSPECT_CALLS,
  ...COMPARE_CALLS,
  ...PROBE_CALLS,
} as const;

export type CallName = keyof typeof CALLS;
export type ProgramCall = { [K in CallName]: (typeof CALLS)[K]['of'] extends 'program' ? K : never }[CallName];
export type ProjectCall = Exclude<CallName, ProgramCall>;
export type Arguments<K extends CallName> = v.InferOutput<(typeof CALLS)[K]['schema']>;
export type Result<K extends CallName> = NonNullable<(typeof CALLS)[K]['result']>['is'];

/** The arguments of a call as they should be, or what is wrong with them in a sentence. */
export function checkArguments(
  name: string,
  given: unknown,
): { ok: true; name: CallName; args: Arguments<CallName> } | { ok: false; problem: string } {
  if (!Object.hasOwn(CALLS, name)) return { ok: false, problem: `There is no call "${name.slice(0, 60)}".` };
  const checked = v.safeParse(CALLS[name as CallName].schema as v.GenericSchema, given);
  if (checked.success) return { ok: true, name: name as CallName, args: checked.output as Arguments<CallName> };
  const issue = checked.issues[0]!;
  return {
    ok: false,
    problem: `The call ${name} was given a wrong ${v.getDotPath(issue) ?? 'value'}: ${issue.message}.`,
  };
}

/** Whether a call may be asked again of the next service after a death in the midst of it; one that is none may not. */
export const mayAskAgain = (name: string): boolean =>
  Object.hasOwn(CALLS, name) && CALLS[name as CallName].asking === 'again';
