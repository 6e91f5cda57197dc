// How long something took or will take, in the words of the window, of the service's sentences and of the command line.

const UNITS = [
  { of: 86_400, word: 'd', rest: 3600, restWord: 'h' },
  { of: 3600, word: 'h', rest: 60, restWord: 'min' },
  { of: 60, word: 'min', rest: 1, restWord: 's' },
] as const;

/** What was measured: "42 s", "3 min 5 s", "2 h 10 min", "3 d 4 h". */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const unit = UNITS.find(({ of }) => whole >= of);
  if (!unit) return `${whole} s`;
  const rest = Math.floor((whole % unit.of) / unit.rest);
  return `${Math.floor(whole / unit.of)} ${unit.word}${rest ? ` ${rest} ${unit.restWord}` : ''}`;
}

/** What is estimated, and no more exact than that: "40 s", "8 min", "2.9 h", "3 days". */
export function approximately(seconds: number): string {
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return seconds < 48 * 3600 ? `${(seconds / 3600).toFixed(1)} h` : `${Math.round(seconds / 86400)} days`;
}
