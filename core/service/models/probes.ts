// The calls about probes: the table, the answers of a cell, adding and removing, what people expect.

import { TastemakerError } from '#core/errors.ts';
import { probeSentence, readProbe } from '#core/findings/probe-edits.ts';
import { countApplying, probedSamples, probeTable } from '#core/inspection/probe-table.ts';
import type { Handlers } from '#core/service/handlers.ts';
import { policyById } from '#core/store/policies.ts';
import { addProbe, expectOfProbe, listProbes, removeProbe } from '#core/store/probes.ts';
import { measureNow, probeSoon, standingsOf } from './probing.ts';

export const probeHandlers = {
  'probes.table': ({ project }) => probeTable(project, standingsOf(project)),
  'probes.samples': ({ project }, cell) => probedSamples(project, cell),

  'probes.add': (context, { kind, values, expected }) => {
    const { project, emit } = context;
    const probe = readProbe(kind, values);
    if ('problem' in probe)
      throw new TastemakerError('bad-argument', probe.problem, 'Change what is asked for, and add it again.');
    const before = new Set(listProbes(project).map(({ id }) => id));
    const probeId = addProbe(project, { kind: probe.kind, parameters: { ...probe.values }, expected });
    emit('probes.changed', {});
    probeSoon(context);
    const isNew = !before.has(probeId);
    return { probeId, sentence: probeSentence(probe), isNew, ...countApplying(project, probe) };
  },

  'probes.expect': ({ project, emit }, { probeId, expected }) => {
    expectOfProbe(project, probeId, expected);
    emit('probes.changed', {});
    return { at: Date.now(), eventId: null };
  },

  'probes.remove': ({ project, emit }, { probeId }) => {
    removeProbe(project, probeId);
    emit('probes.changed', {});
    return { at: Date.now(), eventId: null };
  },

  'probes.measure': (context, { modelId }) => {
    measureNow(context, policyById(context.project, modelId).id);
    return { at: Date.now(), eventId: null };
  },
} satisfies Partial<Handlers>;
