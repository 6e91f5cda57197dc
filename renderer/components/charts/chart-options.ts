// How a chart is drawn: colours from the style sheet, axes, scales, cursor and whiskers as uPlot wants them, and its
// table of points.

import uPlot from 'uplot';
import { beside } from './curves.ts';
import type { Curve } from './curves.ts';
import { decimate, evenOnLogAxis, logFloor, MAX_POINTS, padded, pick, quantiles, smooth, visible } from './series.ts';
import type { Smoothed } from './series.ts';
import { number } from '#renderer/components/train/run-words.ts';
import { shareInterval, SURE } from '#core/contract/share-words.ts';
import type { OpenRun } from '#renderer/stores/open-runs.ts';
import { duration } from '#core/contract/time-words.ts';

/** A run that the page shows; each keeps its colour in all charts. */
export interface ShownRun {
  open: OpenRun;
  name: string;
  colour: number;
}
export type XAxis = 'step' | 'seconds';
/** One run in a chart; `colour` counts from 0 over --c1 … --c8. */
export interface Line {
  runId: string;
  name: string;
  colour: number;
  curve: Curve;
  /** measured now and then: drawn as it was measured, never smoothed */
  measured: boolean;
  /** from 0 to 1, and so is its interval */
  share: boolean;
  /** its standard error, and how many samples it rests on, where the run says so */
  error?: Curve | undefined;
  count?: Curve | undefined;
}
/** What all charts of a page share. */
export interface View {
  smoothing: number;
  x: XAxis;
  logX: boolean;
  clip: boolean;
  zoom: readonly [number, number] | null;
  /** all that any chart of the page has on its x axis: the view without a zoom */ whole(): [number, number];
}
export interface Colours {
  lines: string[];
  text: string;
  muted: string;
  grid: string;
  surface: string;
  font: string;
}

/** Read anew whenever the theme changes. */
export function readColours(element: Element): Colours {
  const style = getComputedStyle(element);
  const read = (name: string) => style.getPropertyValue(name).trim();
  return {
    lines: Array.from({ length: 8 }, (_, i) => read(`--c${i + 1}`)),
    text: read('--text'),
    muted: read('--muted'),
    grid: read('--line'),
    surface: read('--surface'),
    font: read('--font') || 'system-ui, sans-serif',
  };
}

/** The averages of the curves, kept so that new points only add to them. */
export type Averages = WeakMap<Curve, { cuts: number; smoothed: Smoothed }>;
function average(averages: Averages, curve: Curve, weight: number): Float64Array {
  const known = averages.get(curve);
  const before = known && known.cuts === curve.cuts ? known.smoothed : null;
  const smoothed = smooth(curve.value, weight, curve.length, before);
  averages.set(curve, { cuts: curve.cuts, smoothed });
  return smoothed.values;
}

/** The ends of a point's interval; null where no error was measured. */
export function intervalOf({ curve, error, count, share }: Line, index: number): [number, number] | null {
  const se = beside(curve, index, error);
  const value = curve.value[index]!;
  if (share) return shareInterval(value, { error: se, count: beside(curve, index, count) });
  return se === null || !Number.isFinite(value) ? null : [value - SURE * se, value + SURE * se];
}

export interface Drawn {
  data: uPlot.AlignedData;
  /** points that have no place on a log axis, and such as are drawn on its lower edge, which is `floor` */
  hidden: number;
  floored: number;
  floor: number;
  clip: [number, number] | null;
  /** the intervals in sight, by line */
  whiskers: { x: number; low: number; high: number }[][];
}
export const NOTHING_DRAWN: Drawn = { data: [[]], hidden: 0, floored: 0, floor: 0, clip: null, whiskers: [] };

/**
 * Two columns a line, raw and smoothed, each thinned by itself after smoothing; a line that is measured has its values
 * in both.
 */
export function tableOf(lines: readonly Line[], view: View, logY: boolean, averages: Averages): Drawn {
  const drawn: Drawn = { ...NOTHING_DRAWN, whiskers: [] };
  const tables: uPlot.AlignedData[] = [];
  const shown: Float64Array[] = [];
  const parts = lines.map(({ curve }) => visible(curve[view.x], view.zoom, curve.length));
  if (logY) drawn.floor = logFloor(lines.map(({ curve }, i) => curve.value.subarray(...parts[i]!)));
  for (const [i, line] of lines.entries()) {
    const { curve } = line;
    const x = curve[view.x];
    const [from, to] = parts[i]!;
    const smoothed = line.measured ? curve.value : average(averages, curve, view.smoothing);
    const place = view.logX ? evenOnLogAxis(x, from, to) : undefined;
    for (const [column, values] of [curve.value, smoothed].entries()) {
      const kept = decimate(values, from, to, MAX_POINTS, place);
      const picked = pick(values, kept, logY, drawn.floor);
      if (column === 0) {
        drawn.hidden += picked.hidden;
        drawn.floored += picked.floored;
        drawn.whiskers.push(
          Array.from(kept).flatMap((at) => {
            const found = intervalOf(line, at);
            return found ? [{ x: x[at]!, low: logY ? Math.max(found[0], drawn.floor) : found[0], high: found[1] }] : [];
          }),
        );
      }
      tables.push([Float64Array.from(kept, (at) => x[at]!), picked.values]);
    }
    if (view.clip) shown.push(curve.value.subarray(from, to));
  }
  if (view.clip) drawn.clip = quantiles(logY ? shown.map((values) => values.filter((value) => value > 0)) : shown);
  drawn.data = tables.length ? uPlot.join(tables) : [[]];
  return drawn;
}

/** From the first to the last point of all curves. */
export function wholeRange(curves: Iterable<Curve>, x: XAxis): [number, number] {
  let low = Infinity;
  let high = -Infinity;
  for (const curve of curves) {
    if (!curve.length) continue;
    low = Math.min(low, curve[x][0]!);
    high = Math.max(high, curve[x][curve.length - 1]!);
  }
  if (low > high) return [0, 1];
  return [low, low === high ? high + 1 : high];
}

const STEPS = [1, 2, 5].flatMap((m) => Array.from({ length: 10 }, (_, i) => m * 10 ** i)).sort((a, b) => a - b);
const CLOCK = [
  1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400, 172800, 604800,
];
const MAGNITUDES = [0, ...Array.from({ length: 10 }, (_, i) => 10 ** i)];

export interface ChartSetup {
  lines: readonly Line[];
  view: () => View;
  logY: boolean;
  colours: () => Colours;
  drawn: () => Drawn;
  size: { width: number; height: number };
  /** how much larger than on the screen letters and lines are; 1 where it is left out */
  scale?: number;
  /** what the cursor and a zoom do; left out in a picture */
  live?: { sync: string; onZoom(range: [number, number] | null): void; onCursor(): void };
}

/** Everything uPlot is told; what changes without a new chart is read through the functions. */
export function chartOptions({ lines, view, logY, colours, drawn, size, scale = 1, live }: ChartSetup): uPlot.Options {
  const { logX, x, smoothing } = view();
  const font = `${Math.round(11 * scale)}px ${colours().font}`;
  const stroke = ({ colour }: Line) => colours().lines[colour % 8]!;
  const axis = {
    stroke: () => colours().muted,
    font,
    grid: { stroke: () => colours().grid, width: scale },
    ticks: { show: false },
  };
  return {
    ...size,
    legend: { show: false },
    padding: [8 * scale, 22 * scale, 0, 0],
    scales: {
      x: {
        time: false,
        ...(logX ? { distr: 4 as const, asinh: 1 } : {}),
        range: () => [...(view().zoom ?? view().whole())],
      },
      y: {
        ...(logY ? { distr: 3 as const, log: 10 as const } : {}),
        range: (_u, low, high) => rangeOf(drawn(), low, high, logY),
      },
    },
    axes: [
      {
        ...axis,
        size: 24 * scale,
        gap: 3 * scale,
        space: 60 * scale,
        ...(logX
          ? { splits: (_u, _axis, low, high) => MAGNITUDES.filter((v) => v >= low && v <= high) }
          : { incrs: x === 'step' ? STEPS : CLOCK }),
        values: (_u, splits) =>
          splits.map((v) => (v === null ? '' : x === 'step' ? number(v) : logX ? `${number(v)} s` : duration(v))),
      },
      {
        ...axis,
        size: 54 * scale,
        gap: 4 * scale,
        space: 28 * scale,
        values: (_u, splits) => splits.map((v) => (v === null ? '' : number(v))),
      },
    ],
    series: [{}, ...lines.flatMap((line) => seriesOf(line, stroke, smoothing > 0 && !line.measured, scale))],
    cursor: live ? cursorOf(live) : { show: false },
    hooks: {
      draw: [(u) => drawWhiskers(u, drawn().whiskers, lines.map(stroke), scale)],
      ...(live && { setSelect: [(u: uPlot) => zoomTo(u, live)], setCursor: [live.onCursor] }),
    },
  };
}

/** A line twice: as it was reported, and smoothed over it where it is. */
function seriesOf(line: Line, colourOf: (line: Line) => string, smoothed: boolean, scale: number): uPlot.Series[] {
  const width = 1.75 * scale;
  const stroke = () => colourOf(line);
  return [
    {
      stroke,
      alpha: smoothed ? 0.3 : 1,
      width: smoothed ? scale : width,
      points: pointsOf(line, colourOf, (smoothed ? 4 : line.measured ? 7 : 6) * scale),
    },
    {
      stroke,
      width,
      show: smoothed,
      points: { show: () => line.curve.length === 1, size: 6 * scale, stroke, fill: stroke },
    },
  ];
}

type Live = NonNullable<ChartSetup['live']>;
/** One cursor over all charts; a stretch that is dragged over is zoomed into, a double click shows all again. */
const cursorOf = (live: Live): uPlot.Cursor => ({
  sync: {
    key: live.sync,
    setSeries: false,
    scales: ['x', null],
    filters: { pub: (type) => type === 'mousemove' || type === 'mouseleave' },
  },
  drag: { x: true, y: false, setScale: false, dist: 4 },
  focus: { prox: -1 },
  points: { size: 6, show: true },
  y: false,
  bind: { dblclick: () => () => (live.onZoom(null), null) },
});

function zoomTo(u: uPlot, live: Live): void {
  const { left, width } = u.select;
  if (width < 4) return;
  const low = u.posToVal(left, 'x');
  const high = u.posToVal(left + width, 'x');
  u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
  if (high > low) live.onZoom([low, high]);
}

/** What the y axis shows: the points with their intervals, or what is left without outliers. */
function rangeOf(
  { clip, whiskers }: Drawn,
  low: number | null,
  high: number | null,
  logY: boolean,
): uPlot.Range.MinMax {
  const reach = whiskers.flat();
  const [from, to] = clip ?? [
    low === null ? null : reach.reduce((least, one) => (logY && one.low <= 0 ? least : Math.min(least, one.low)), low),
    high === null ? null : reach.reduce((most, one) => Math.max(most, one.high), high),
  ];
  if (from === null || to === null) return logY ? [0.1, 1] : [0, 1];
  return logY ? uPlot.rangeLog(from, to > from ? to : from * 1.1, 10, false) : padded([from, to]);
}

/** Above this many intervals of one line a band would be all that is seen: then each is a thin line without caps. */
const CAPPED = 60;

/** The interval of every measured point, as a line with a cap at each end. */
export function drawWhiskers(u: uPlot, whiskers: Drawn['whiskers'], colours: readonly string[], scale: number): void {
  const { ctx, bbox } = u;
  const cap = 3 * scale * uPlot.pxRatio;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left - 2 * cap, bbox.top, bbox.width + 4 * cap, bbox.height);
  ctx.clip();
  ctx.lineWidth = 1.25 * scale * uPlot.pxRatio;
  for (const [i, colour] of colours.entries()) {
    const own = whiskers[i] ?? [];
    ctx.strokeStyle = colour;
    ctx.globalAlpha = own.length > CAPPED ? 0.35 : 0.75;
    ctx.beginPath();
    for (const { x, low, high } of own) {
      const at = u.valToPos(x, 'x', true);
      const top = u.valToPos(high, 'y', true);
      const bottom = Number.isFinite(u.valToPos(low, 'y', true)) ? u.valToPos(low, 'y', true) : bbox.top + bbox.height;
      ctx.moveTo(at, top);
      ctx.lineTo(at, bottom);
      if (own.length > CAPPED) continue;
      for (const end of [top, bottom]) {
        ctx.moveTo(at - cap, end);
        ctx.lineTo(at + cap, end);
      }
    }
    ctx.stroke();
  }
  ctx.restore();
}

/** Few points are shown as points: a curve measured every few updates would else look surer than it is. */
const pointsOf = (line: Line, stroke: (line: Line) => string, size: number): uPlot.Series.Points => ({
  show: () => line.measured || line.curve.length <= 60,
  size,
  stroke: () => stroke(line),
  fill: () => stroke(line),
});
