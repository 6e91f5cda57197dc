// The forms that entries of the kernel tables take again and again.

import type { Kernel, KernelType } from './placement.ts';

type Types = readonly KernelType[];
/** what indices and axes may be */
export const INDICES = ['int32', 'int64'] as const;
export const MICROSOFT = { domain: 'com.microsoft' } as const;

/** all inputs and outputs of one type */
export const plain = (since: number, T: Types, more: Partial<Kernel> = {}): Kernel => ({
  since,
  inputs: ['T'],
  outputs: ['T'],
  types: { T },
  ...more,
});
/** a shape, axes or sizes follow the data: whole numbers on the host */
export const shaped = (since: number, T: Types, more: Partial<Kernel> = {}): Kernel =>
  plain(since, T, { inputs: ['T', 'int64'], host: [1], ...more });
export const predicate = (since: number, T: Types): Kernel => plain(since, T, { outputs: ['bool'] });
/** data and indices, which lie on the device; `after` them come the types of further inputs */
export const indexed = (since: number, T: Types, after: readonly string[] = []): Kernel =>
  plain(since, T, { inputs: ['T', 'Tind', ...after], types: { T, Tind: INDICES } });
/** the same with indices that are int64 only */
export const nested = (since: number, T: Types, after: readonly string[] = []): Kernel =>
  plain(since, T, { inputs: ['T', 'int64', ...after] });
