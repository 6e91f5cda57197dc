// Inspecting what the policies wrote: the list, one sample's tokens, flags, and sending samples to the labelling queue.

import { setImmediate as breath } from 'node:timers/promises';
import type { TokenRow } from '#core/contract/samples.ts';
import { sayingTheSame } from '#core/store/answers.ts';
import { listFlags, setFlag } from '#core/store/flags.ts';
import { fillGolds } from '#core/store/golds.ts';
import { listMeasures } from '#core/store/measures.ts';
import { listPolicies } from '#core/store/policies.ts';
import { transaction } from '#core/store/project.ts';
import { pageSamples } from '#core/store/samples.ts';
import { storedCompletion } from '#core/inspection/stored-sample.ts';
import type { Handlers } from '#core/service/handlers.ts';
import { requestItems } from './request-items.ts';
import { measuresOf } from './measured-by.ts';
import { goldOf } from '#core/recipes/parts/scorers.ts';
import { sampleModels, withGold } from './sample-models.ts';
import { tokenizerOf, tokenSpans } from '#core/service/desk/token-spans.ts';

export const sampleHandlers = {
  'samples.page': async ({ project }, { filter, sort, descending, offset, limit }) => {
    if (sort === 'gold' || filter.gold) await fillGolds(project, goldOf, breath);
    const { total, rows } = pageSamples(
      project,
      filter,
      sort,
      descending,
      offset,
      limit,
      sampleModels(project, filter),
    );
    return { total, rows: withGold(rows) };
  },

  'samples.measures': ({ project }, { filter }) => measuresOf(project, filter),

  'samples.tokens': async ({ project }, { completionId }) => {
    const completion = storedCompletion(project, completionId);
    const { rewardModelId, referenceId } = sampleModels(
      project,
      completion.runId !== null
        ? { runId: completion.runId }
        : completion.policyId !== null
          ? { policyId: completion.policyId }
          : {},
    );
    const measures = listMeasures(project, { completionIds: [completionId] });
    const reference = measures.find(({ modelId }) => modelId === referenceId)?.tokenLogprobs;
    const values = (
      measures.find(({ modelId, tokenValues }) => modelId === rewardModelId && tokenValues) ??
      measures.find(({ tokenValues }) => tokenValues)
    )?.tokenValues;
    const policy = listPolicies(project).find(({ id }) => id === completion.policyId);
    const [[spans], beside] = await Promise.all([
      tokenSpans(project, [completion]),
      policy ? tokenizerOf(project, policy) : null,
    ]);
    const tokenizer = beside && (completion.tokenizer ?? beside.hash) === beside.hash ? beside : null;
    const known = spans!.length === completion.tokenIds.length; // else they are words: the tokenizer is gone
    const tokens = completion.tokenIds.map((id, i): TokenRow => {
      const { start, end } = known ? spans![i]! : { start: 0, end: 0 };
      return {
        id,
        token: completion.text.slice(start, end) || (tokenizer?.token(id) ?? `[${id}]`),
        start,
        end,
        logprob: completion.logprobs[i]!,
        reference: reference?.[i] ?? null,
        value: values?.[i] ?? null,
      };
    });
    return { text: completion.text, tokens };
  },

  'samples.flag': ({ project, emit }, { completionId, labelerId, flagged }) => {
    // taken off one, it is off all that say the same: they are one answer on the desk
    const others = flagged
      ? []
      : listFlags(project, { labelerId, completionIds: sayingTheSame(project, completionId).slice(1) });
    const eventId = transaction(project, () =>
      [...others.map((flag) => flag.completionId!), completionId]
        .map((id) => setFlag(project, { labelerId, completionId: id }, flagged))
        .at(-1)!,
    );
    emit('labels.changed', { labelerId, itemId: null });
    return { at: Date.now(), eventId };
  },

  'samples.request': ({ project, emit }, { completionIds, reason }) => {
    const items = transaction(project, () => requestItems(project, completionIds, reason.trim() || null));
    emit('data.changed', {});
    return { items };
  },
} satisfies Partial<Handlers>;
