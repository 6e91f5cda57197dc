// The sections of providers as lines for a person: one line a finding, how to mend it below.

import type { SelfTest } from '#core/contract/hardware.ts';
import type { Finding, ProviderSection } from '#core/hardware/providers.ts';

const STATES: Readonly<Record<ProviderSection['state'], string>> = {
  ready: 'ready',
  missing: 'not ready',
  broken: 'broken',
  unsupported: 'not on this machine',
};
const MARKS: Readonly<Record<Finding['level'], string>> = {
  ok: '',
  note: '',
  missing: 'missing: ',
  broken: 'broken: ',
};

export const sectionLines = ({ title, state, findings }: ProviderSection): string[] => [
  `${title}: ${STATES[state]}`,
  ...findings.flatMap(findingLines),
];

export const findingLines = ({ level, sentence, hint }: Finding): string[] => [
  `  ${MARKS[level]}${sentence}`,
  ...(hint ? [`    ${hint}`] : []),
];

/** What a self-test said last; nothing where there was none. */
export const selfTestLines = (test: SelfTest | null): string[] =>
  test
    ? [
        `  self-test of ${new Date(test.at).toISOString().slice(0, 10)}, ${test.ok ? 'passed' : 'FAILED'}: ${test.sentence}`,
      ]
    : [];
