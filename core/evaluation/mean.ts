// The mean of some numbers, added up in their order, so that the same numbers give the same bits everywhere.

/** NaN of none. */
export const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
