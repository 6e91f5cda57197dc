// How a call is written down: whose it is, whether it may be asked again, the shape of its arguments, what comes back.

import * as v from 'valibot';

/** A call of the project is carried out only in the one whose id its request carries; one of the program needs none. */
export type CallOf = 'project' | 'program';

/**
 * What becomes of a call when the service dies in the middle of it: `again`, it is asked of the next service, for it
 * changes nothing or ends in the same state; `once`, whoever asked is told of the death.
 */
export type Asking = 'again' | 'once';

/** `Result` is known to the types alone; nothing of it is there at run time. */
export interface Call<Of extends CallOf, Result, Shape extends v.ObjectEntries> {
  of: Of;
  asking: Asking;
  schema: v.StrictObjectSchema<Shape, undefined>;
  readonly result?: { is: Result };
}

const callOf =
  <Of extends CallOf>(of: Of) =>
  <Result>(asking: Asking) =>
  <const Shape extends v.ObjectEntries>(shape: Shape): Call<Of, Result, Shape> => ({
    of,
    asking,
    schema: v.strictObject(shape),
  });
export const call = callOf('project');
export const programCall = callOf('program');
