// Saving what a chart shows: a picture with title, legend and axes, wide enough to print, or the table behind it.

import uPlot from 'uplot';
import { chartOptions, tableOf } from './chart-options.ts';
import type { Colours, Line, View } from './chart-options.ts';
import { beside } from './curves.ts';
import { toCsv } from './series.ts';

/** Hands a file to the browser's (or the shell's) own way of saving. */
export function saveAs(name: string, content: Blob): void {
  const link = document.createElement('a');
  const address = URL.createObjectURL(content);
  link.href = address;
  link.download = name.replace(/[^A-Za-z0-9._-]+/g, '-');
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

const nameOf = (metric: string, lines: readonly Line[], ending: string): string =>
  `${metric}-${lines.length === 1 ? lines[0]!.runId : `${lines.length}-runs`}.${ending}`;

export function saveCsv(metric: string, lines: readonly Line[], smoothing: number): void {
  const csv = toCsv(
    metric,
    smoothing,
    lines.map(({ name, runId, curve, measured, error }) => ({
      run: name === runId ? name : `${name} (${runId})`,
      step: curve.step,
      seconds: curve.seconds,
      value: curve.value,
      length: curve.length,
      ...(measured ? { error: (index: number) => beside(curve, index, error) } : {}),
    })),
  );
  saveAs(nameOf(metric, lines, 'csv'), new Blob([csv], { type: 'text/csv' }));
}

export interface Picture {
  metric: string;
  /** what it is called above the picture; what stands at its axes */
  title: string;
  sentence: string;
  unit: string;
  along: string;
  lines: readonly Line[];
  view: View;
  logY: boolean;
  colours: Colours;
}

/** pixels */
const WIDTH = 1600;
const PLOT_HEIGHT = 800;
const PAD = 24;
/** letters and lines are as much larger than on the screen */
const SCALE = 2;

/** One run a line of the legend, as many lines as it takes. */
function legendOf(ink: CanvasRenderingContext2D, lines: readonly Line[]): { line: Line; x: number; y: number }[] {
  let x = PAD;
  let y = 0;
  return lines.map((line) => {
    const width = ink.measureText(line.name).width + 60;
    if (x > PAD && x + width > WIDTH - PAD) [x, y] = [PAD, y + 34];
    const place = { line, x, y };
    x += width;
    return place;
  });
}

/** The chart drawn anew for a picture, title and legend above it. */
export async function drawPicture({
  title,
  sentence,
  unit,
  along,
  lines,
  view,
  logY,
  colours,
}: Picture): Promise<HTMLCanvasElement> {
  const ratio = uPlot.pxRatio;
  const drawn = tableOf(lines, view, logY, new WeakMap());
  const box = document.createElement('div');
  const plot = new uPlot(
    chartOptions({
      lines,
      view: () => view,
      logY,
      colours: () => colours,
      drawn: () => drawn,
      scale: SCALE / ratio,
      size: { width: (WIDTH - 2 * PAD) / ratio, height: PLOT_HEIGHT / ratio },
    }),
    drawn.data,
    box,
  );
  await new Promise((done) => setTimeout(done)); // it draws when we have let go
  const canvas = document.createElement('canvas');
  const ink = canvas.getContext('2d')!;
  ink.font = `22px ${colours.font}`;
  const legend = legendOf(ink, lines);
  const head = 104 + (legend.at(-1)?.y ?? 0) + 20;
  canvas.width = WIDTH;
  canvas.height = head + plot.ctx.canvas.height + 52;
  ink.fillStyle = colours.surface;
  ink.fillRect(0, 0, canvas.width, canvas.height);
  ink.textBaseline = 'middle';
  ink.fillStyle = colours.text;
  ink.font = `600 30px ${colours.font}`;
  ink.fillText(title, PAD, 34, WIDTH - 2 * PAD);
  ink.fillStyle = colours.muted;
  ink.font = `20px ${colours.font}`;
  ink.fillText(sentence, PAD, 70, WIDTH - 2 * PAD);
  ink.font = `22px ${colours.font}`;
  for (const { line, x, y } of legend) {
    ink.fillStyle = colours.lines[line.colour % 8]!;
    ink.fillRect(x, 104 + y, 28, 6);
    ink.fillStyle = colours.text;
    ink.fillText(line.name, x + 38, 106 + y);
  }
  ink.drawImage(plot.ctx.canvas, PAD, head);
  ink.fillStyle = colours.muted;
  ink.textAlign = 'center';
  ink.fillText(along, WIDTH / 2, head + plot.ctx.canvas.height + 22);
  ink.textAlign = 'left';
  if (unit) ink.fillText(unit, PAD, head - 8);
  plot.destroy();
  return canvas;
}

export async function savePng(picture: Picture): Promise<void> {
  const canvas = await drawPicture(picture);
  canvas.toBlob((blob) => blob && saveAs(nameOf(picture.metric, picture.lines, 'png'), blob), 'image/png');
}
