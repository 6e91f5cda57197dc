// A figure: points and lines over any axis with stretches of it marked. What it is given, how uPlot draws it, and its
// table as CSV.

import uPlot from 'uplot';
import { number } from '#renderer/components/train/run-words.ts';
import { SURE } from '#core/contract/share-words.ts';
import { drawWhiskers } from './chart-options.ts';
import type { Colours } from './chart-options.ts';
import { padded, quoted } from './series.ts';

export interface FigurePoint {
  x: number;
  y: number;
  /** standard error of y */
  error?: number | null;
  /** what else is known of it, by the name of its column */
  also?: Readonly<Record<string, number>>;
}
export interface FigureLine {
  name: string;
  /** counts from 0 over --c1 … --c8 */
  colour: number;
  draw: 'points' | 'line' | 'dashed' | 'both';
  points: readonly FigurePoint[];
}
/** A place on the x axis with the stretch that holds it 95 % of the time. */
export interface FigureMark {
  at: number;
  low: number;
  high: number;
}
export interface Figure {
  /** its files are called after it */
  name: string;
  title: string;
  sentence: string;
  /** what stands along the axes */
  along: string;
  unit: string;
  lines: readonly FigureLine[];
  mark: FigureMark | null;
  /** y is a share: from 0 to 1, in per cent */
  isShare: boolean;
}

export interface FigureSetup {
  figure: Figure;
  colours: Colours;
  size: { width: number; height: number };
  /** how much larger than on the screen letters and lines are */
  scale: number;
}

const finite = (points: readonly FigurePoint[]): FigurePoint[] =>
  points.filter(({ x, y }) => Number.isFinite(x) && Number.isFinite(y)).toSorted((a, b) => a.x - b.x);
export const colourOf = ({ lines }: Colours, { colour }: Pick<FigureLine, 'colour'>): string => lines[colour % 8]!;

/** Draws the figure into a box. */
export function plotFigure(setup: FigureSetup, box: HTMLElement): uPlot {
  const tables = setup.figure.lines.map(({ points }): uPlot.AlignedData => {
    const sorted = finite(points);
    return [sorted.map(({ x }) => x), sorted.map(({ y }) => y)];
  });
  return new uPlot(figureOptions(setup), tables.length > 0 ? uPlot.join(tables) : [[]], box);
}

const intervalsOf = ({ points }: FigureLine): { x: number; low: number; high: number }[] =>
  finite(points).flatMap(({ x, y, error }) =>
    error === null || error === undefined ? [] : [{ x, low: y - SURE * error, high: y + SURE * error }],
  );

function figureOptions({ figure, colours, size, scale }: FigureSetup): uPlot.Options {
  const { lines, isShare, mark } = figure;
  const whiskers = lines.map(intervalsOf);
  const reach = whiskers.flat();
  const axis = {
    stroke: colours.muted,
    font: `${Math.round(11 * scale)}px ${colours.font}`,
    grid: { stroke: colours.grid, width: scale },
    ticks: { show: false },
  };
  const words = (value: number | null): string =>
    value === null ? '' : isShare ? `${Math.round(100 * value)} %` : number(value);
  return {
    ...size,
    legend: { show: false },
    cursor: { show: false },
    padding: [8 * scale, 14 * scale, 0, 0],
    scales: {
      x: { time: false, range: (_u, low, high) => widened(low ?? 0, high ?? 1, mark) },
      y: {
        range: (_u, low, high) =>
          isShare
            ? [0, 1]
            : padded([
                reach.reduce((least, one) => Math.min(least, one.low), low ?? 0),
                reach.reduce((most, one) => Math.max(most, one.high), high ?? 1),
              ]),
      },
    },
    axes: [
      { ...axis, size: 24 * scale, gap: 3 * scale, space: 40 * scale, values: (_u, at) => at.map((x) => number(x)) },
      { ...axis, size: 48 * scale, gap: 4 * scale, space: 24 * scale, values: (_u, at) => at.map(words) },
    ],
    series: [{}, ...lines.map((line) => seriesOf(line, colourOf(colours, line), scale))],
    hooks: {
      drawClear: [(u) => mark && drawMark(u, mark, colours, scale)],
      draw: [
        (u) =>
          drawWhiskers(
            u,
            whiskers,
            lines.map((line) => colourOf(colours, line)),
            scale,
          ),
      ],
    },
  };
}

/** What is marked is in sight too; one place alone has some room beside it. */
function widened(low: number, high: number, mark: FigureMark | null): [number, number] {
  const [from, to] = [Math.min(low, mark?.at ?? low), Math.max(high, mark?.at ?? high)];
  return to > from ? [from, to] : [from, from + 1];
}

function seriesOf({ draw }: FigureLine, stroke: string, scale: number): uPlot.Series {
  const hasPoints = draw === 'points' || draw === 'both';
  return {
    stroke,
    width: draw === 'points' ? 0 : 1.75 * scale,
    ...(draw === 'points' ? { paths: () => null } : {}),
    ...(draw === 'dashed' ? { dash: [6 * scale, 4 * scale] } : {}),
    points: { show: hasPoints, size: (draw === 'both' ? 4 : 6) * scale, stroke, fill: stroke },
  };
}

/** The stretch as a ground behind the lines, the place in it as a line of its own. */
function drawMark(u: uPlot, { at, low, high }: FigureMark, colours: Colours, scale: number): void {
  const { ctx, bbox } = u;
  const place = (x: number): number => Math.min(bbox.left + bbox.width, Math.max(bbox.left, u.valToPos(x, 'x', true)));
  ctx.save();
  ctx.globalAlpha = 0.5;
  ctx.fillStyle = colours.grid;
  ctx.fillRect(place(low), bbox.top, place(high) - place(low), bbox.height);
  ctx.globalAlpha = 1;
  ctx.strokeStyle = colours.muted;
  ctx.lineWidth = scale * uPlot.pxRatio;
  ctx.setLineDash([2 * scale * uPlot.pxRatio, 3 * scale * uPlot.pxRatio]);
  ctx.beginPath();
  ctx.moveTo(place(at), bbox.top);
  ctx.lineTo(place(at), bbox.top + bbox.height);
  ctx.stroke();
  ctx.restore();
}

/** One row a point of every line; what is not known of it is empty. */
export function figureCsv({ along, unit, lines }: Pick<Figure, 'along' | 'unit' | 'lines'>): string {
  const also = [...new Set(lines.flatMap(({ points }) => points.flatMap((point) => Object.keys(point.also ?? {}))))];
  const cell = (x: number | null | undefined): string => (typeof x === 'number' && Number.isFinite(x) ? String(x) : '');
  const head = ['line', along, unit, 'standard error', ...also].map(quoted).join(',');
  const rows = lines.flatMap(({ name, points }) =>
    points.map(({ x, y, error, also: more }) =>
      [quoted(name), cell(x), cell(y), cell(error), ...also.map((column) => cell(more?.[column]))].join(','),
    ),
  );
  return `${[head, ...rows].join('\n')}\n`;
}
