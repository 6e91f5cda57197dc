// Saving what a chart shows: a picture with its title and names, or the table behind it.

import type { Colours, Line } from './chart-options.ts';
import { toCsv } from './series.ts';

/** Hands a file to the browser's (or the shell's) own way of saving. */
export function saveAs(name: string, content: Blob): void {
  const link = document.createElement('a'), address = URL.createObjectURL(content);
  link.href = address;
  link.download = name.replace(/[^A-Za-z0-9._-]+/g, '-');
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

const nameOf = (metric: string, lines: readonly Line[], ending: string): string => `${metric}-${lines.length === 1 ? lines[0]!.runId : `${lines.length}-runs`}.${ending}`;

export function saveCsv(metric: string, lines: readonly Line[], smoothing: number): void {
  const csv = toCsv(metric, smoothing, lines.map(({ name, runId, curve }) => ({ run: name === runId ? name : `${name} (${runId})`, step: curve.step, seconds: curve.seconds, value: curve.value, length: curve.length })));
  saveAs(nameOf(metric, lines, 'csv'), new Blob([csv], { type: 'text/csv' }));
}

/** The canvas on the page's own ground, under a line with the metric's name and one with the runs in their colours. */
export function savePng(metric: string, lines: readonly Line[], canvas: HTMLCanvasElement, colours: Colours): void {
  const scale = canvas.width / Math.max(1, canvas.clientWidth), head = Math.round(44 * scale), pad = Math.round(8 * scale);
  const picture = document.createElement('canvas');
  picture.width = canvas.width + 2 * pad;
  picture.height = canvas.height + head + pad;
  const ink = picture.getContext('2d')!;
  ink.fillStyle = colours.surface;
  ink.fillRect(0, 0, picture.width, picture.height);
  const family = colours.font.replace(/^\S+ /, '');
  ink.textBaseline = 'middle';
  ink.fillStyle = colours.text;
  ink.font = `600 ${13 * scale}px ${family}`;
  ink.fillText(metric, pad, 14 * scale);
  ink.font = `${11 * scale}px ${family}`;
  let x = pad;
  for (const { name, colour } of lines) {
    ink.fillStyle = colours.lines[colour % 8]!;
    ink.fillRect(x, 30 * scale, 12 * scale, 3 * scale);
    ink.fillStyle = colours.text;
    ink.fillText(name, x + 16 * scale, 32 * scale);
    x += ink.measureText(name).width + 32 * scale;
  }
  ink.drawImage(canvas, pad, head);
  picture.toBlob((blob) => blob && saveAs(nameOf(metric, lines, 'png'), blob), 'image/png');
}
