// A model's weights as the inputs of a graph.

import type { Types } from '#core/autodiff/compile.ts';
import type { Parameter } from './architecture.ts';

/** float32 of each parameter's shape, by name. */
export const weightTypes = (list: readonly Pick<Parameter, 'name' | 'shape'>[]): Types =>
  Object.fromEntries(list.map(({ name, shape }) => [name, { dtype: 'float32', shape }]));
