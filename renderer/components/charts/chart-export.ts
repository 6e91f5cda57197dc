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

/** What any picture has around its plot, and the plot itself in a size that is asked for. */
export interface Frame {
  /** what it is called above the picture; what stands at its axes */
  title: string;
  sentence: string;
  unit: string;
  along: string;
  legend: readonly { name: string; colour: string }[];
  colours: Colours;
  /** `scale`: how much larger than on the screen letters and lines are */
  plot(scale: number, size: { width: number; height: number }): uPlot;
}

/** pixels */
const WIDTH = 1600;
const PLOT_HEIGHT = 800;
const PAD = 24;
/** letters and lines are as much larger than on the screen */
const SCALE = 2;

/** One name a line of the legend, as many lines as it takes. */
function placed(ink: CanvasRenderingContext2D, legend: Frame['legend']) {
  let x = PAD;
  let y = 0;
  return legend.map((entry) => {
    const width = ink.measureText(entry.name).width + 60;
    if (x > PAD && x + width > WIDTH - PAD) [x, y] = [PAD, y + 34];
    const place = { ...entry, x, y };
    x += width;
    return place;
  });
}

/** The plot drawn anew for a picture, title and legend above it. */
async function framed({
  title,
  sentence,
  unit,
  along,
  legend,
  colours,
  plot: plotIn,
}: Frame): Promise<HTMLCanvasElement> {
  const ratio = uPlot.pxRatio;
  const plot = plotIn(SCALE / ratio, { width: (WIDTH - 2 * PAD) / ratio, height: PLOT_HEIGHT / ratio });
  await new Promise((done) => setTimeout(done)); // it draws when we have let go
  const canvas = document.createElement('canvas');
  const ink = canvas.getContext('2d')!;
  ink.font = `22px ${colours.font}`;
  const entries = placed(ink, legend);
  const head = 104 + (entries.at(-1)?.y ?? 0) + (unit ? 50 : 20);
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
  for (const { name, colour, x, y } of entries) {
    ink.fillStyle = colour;
    ink.fillRect(x, 104 + y, 28, 6);
    ink.fillStyle = colours.text;
    ink.fillText(name, x + 38, 106 + y);
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

/** Saves a framed plot as `name`, which ends in .png. */
export async function saveFramed(name: string, frame: Frame): Promise<void> {
  const canvas = await framed(frame);
  canvas.toBlob((blob) => blob && saveAs(name, blob), 'image/png');
}

export interface Picture extends Omit<Frame, 'legend' | 'plot'> {
  metric: string;
  lines: readonly Line[];
  view: View;
  logY: boolean;
}

export function savePng({ metric, lines, view, logY, ...frame }: Picture): Promise<void> {
  const { colours } = frame;
  const drawn = tableOf(lines, view, logY, new WeakMap());
  return saveFramed(nameOf(metric, lines, 'png'), {
    ...frame,
    legend: lines.map(({ name, colour }) => ({ name, colour: colours.lines[colour % 8]! })),
    plot: (scale, size) =>
      new uPlot(
        chartOptions({ lines, view: () => view, logY, colours: () => colours, drawn: () => drawn, scale, size }),
        drawn.data,
        document.createElement('div'),
      ),
  });
}
