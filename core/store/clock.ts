// A moment of today as a person reads it off a clock.

/** Hours and minutes, such as 14:03. */
export const clock = (at: number): string =>
  new Date(at).toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' });
