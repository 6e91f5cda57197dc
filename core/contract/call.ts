// How a call is written down: whose it is, the shape of its arguments, and what comes back.

import * as v from 'valibot';

/**
 * `of`: a call of the project is carried out only in the one whose id its request carries; one of the program needs
 * none.
 */
const callOf =
  <Of extends 'project' | 'program'>(of: Of) =>
  <Result>() =>
  <const Shape extends v.ObjectEntries>(shape: Shape) => ({
    of,
    schema: v.strictObject(shape),
    result: null as unknown as Result,
  });
export const call = callOf('project');
export const programCall = callOf('program');
