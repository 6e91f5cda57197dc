// Bytes as people read them: 3.4 MB, 78 GB (powers of 1,000, as disks and files are sold).

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB'];

export function byteText(bytes: number): string {
  let value = bytes;
  let unit = 0;
  for (; value >= 999.5 && unit < UNITS.length - 1; unit++) value /= 1000;
  return `${unit === 0 || value >= 99.5 ? Math.round(value) : value.toPrecision(2)} ${UNITS[unit]}`;
}
