// Sizes and counts of models in the short form that a person reads.

const step = (value: number, base: number, units: readonly string[]): string => {
  let unit = 0;
  let rest = value;
  while (rest >= base && unit < units.length - 1) [rest, unit] = [rest / base, unit + 1];
  return `${rest >= 100 || unit === 0 ? Math.round(rest) : Number(rest.toPrecision(2))}${units[unit]}`;
};

/** 1,834,000 -> "1.8 MB"; thousands, as disks count. */
export const bytesText = (bytes: number): string => step(bytes, 1000, [' B', ' kB', ' MB', ' GB', ' TB']);
/** 124,439,808 -> "124M". */
export const countText = (count: number): string => step(count, 1000, ['', 'k', 'M', 'B']);

/** At which step of its run a model's weights were written: "step 40", "best, step 20 of 40", "step not recorded". */
export function stepText({
  step: at,
  steps,
  best,
}: {
  step: number | null;
  steps: number | null;
  best: boolean;
}): string {
  const far =
    at === null
      ? 'step not recorded'
      : `step ${at.toLocaleString('en')}${steps === null || steps === at ? '' : ` of ${steps.toLocaleString('en')}`}`;
  return best ? `best, ${far}` : far;
}
