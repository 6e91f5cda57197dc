// How a chart is drawn: colours from the style sheet, axes, scales and cursor as uPlot wants them, and its table of points.

import uPlot from 'uplot';
import type { Curve } from './curves.ts';
import { decimate, evenOnLogAxis, MAX_POINTS, padded, pick, quantiles, smooth, visible } from './series.ts';
import type { Smoothed } from './series.ts';
import { duration, number } from '#renderer/components/train/run-words.ts';
import type { OpenRun } from '#renderer/stores/runs.ts';

/** A run that the page shows; each keeps its colour in all charts. */
export interface ShownRun { open: OpenRun; name: string; colour: number }
export type XAxis = 'step' | 'seconds';
/** One run in a chart; `colour` counts from 0 over --c1 … --c8. */
export interface Line { runId: string; name: string; colour: number; curve: Curve }
/** What all charts of a page share. */
export interface View { smoothing: number; x: XAxis; logX: boolean; clip: boolean; zoom: readonly [number, number] | null; /** all that any chart of the page has on its x axis: the view without a zoom */ whole(): [number, number] }
export interface Colours { lines: string[]; text: string; muted: string; grid: string; surface: string; font: string }

/** Read anew whenever the theme changes. */
export function readColours(element: Element): Colours {
  const style = getComputedStyle(element), read = (name: string) => style.getPropertyValue(name).trim();
  return {
    lines: Array.from({ length: 8 }, (_, i) => read(`--c${i + 1}`)), text: read('--text'), muted: read('--muted'), grid: read('--line'), surface: read('--surface'),
    font: `11px ${read('--font') || 'system-ui, sans-serif'}`,
  };
}

/** The averages of the curves, kept so that new points only add to them. */
export type Averages = WeakMap<Curve, { cuts: number; smoothed: Smoothed }>;
function average(averages: Averages, curve: Curve, weight: number): Float64Array {
  const known = averages.get(curve), before = known && known.cuts === curve.cuts ? known.smoothed : null;
  const smoothed = smooth(curve.value, weight, curve.length, before);
  averages.set(curve, { cuts: curve.cuts, smoothed });
  return smoothed.values;
}

export interface Drawn { data: uPlot.AlignedData; hidden: number; clip: [number, number] | null }

/** Two columns a line, raw and smoothed, each thinned by itself after smoothing; `hidden` points have no place on a log axis. */
export function tableOf(lines: readonly Line[], view: View, logY: boolean, averages: Averages): Drawn {
  let hidden = 0;
  const tables: uPlot.AlignedData[] = [], shown: Float64Array[] = [];
  for (const { curve } of lines) {
    const x = curve[view.x], [from, to] = visible(x, view.zoom, curve.length);
    const smoothed = average(averages, curve, view.smoothing), place = view.logX ? evenOnLogAxis(x, from, to) : undefined;
    for (const values of [curve.value, smoothed]) {
      const kept = decimate(values, from, to, MAX_POINTS, place), picked = pick(values, kept, logY);
      if (values === curve.value) hidden += picked.hidden;
      tables.push([Float64Array.from(kept, (i) => x[i]!), picked.values]);
    }
    if (view.clip) shown.push(curve.value.subarray(from, to));
  }
  const clip = view.clip ? quantiles(logY ? shown.map((values) => values.filter((x) => x > 0)) : shown) : null;
  return { data: tables.length ? uPlot.join(tables) : [[]], hidden, clip };
}

/** From the first to the last point of all curves. */
export function wholeRange(curves: Iterable<Curve>, x: XAxis): [number, number] {
  let low = Infinity, high = -Infinity;
  for (const curve of curves) {
    if (!curve.length) continue;
    low = Math.min(low, curve[x][0]!);
    high = Math.max(high, curve[x][curve.length - 1]!);
  }
  if (low > high) return [0, 1];
  return low === high ? [low - 1, high + 1] : [low, high];
}

const STEPS = [1, 2, 5].flatMap((m) => Array.from({ length: 10 }, (_, i) => m * 10 ** i)).sort((a, b) => a - b);
const CLOCK = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400, 172800, 604800];

const MAGNITUDES = [0, ...Array.from({ length: 10 }, (_, i) => 10 ** i)];

export interface Parts {
  lines: readonly Line[];
  view: () => View;
  logY: boolean;
  colours: () => Colours;
  drawn: () => Drawn;
  sync: string;
  size: { width: number; height: number };
  onZoom(range: [number, number] | null): void;
  onCursor(): void;
}

/** Options of one chart. What changes often (colours, zoom, clipping) is asked for at every drawing. */
export function chartOptions({ lines, view, logY, colours, drawn, sync, size, onZoom, onCursor }: Parts): uPlot.Options {
  const { x, logX, smoothing } = view(), stroke = (line: Line) => colours().lines[line.colour % 8]!;
  const axis: uPlot.Axis = { stroke: () => colours().muted, font: colours().font, grid: { stroke: () => colours().grid, width: 1 }, ticks: { show: false } };
  return {
    ...size, legend: { show: false }, padding: [8, 22, 0, 0],
    scales: {
      x: { time: false, ...(logX ? { distr: 4 as const, asinh: 1 } : {}), range: () => [...(view().zoom ?? view().whole())] },
      y: {
        ...(logY ? { distr: 3 as const, log: 10 as const } : {}),
        range: (_u, low, high) => {
          const [from, to] = drawn().clip ?? [low, high];
          if (from === null || to === null) return logY ? [0.1, 1] : [0, 1];
          return logY ? uPlot.rangeLog(from, to > from ? to : from * 1.1, 10, false) : padded([from, to]);
        },
      },
    },
    axes: [
      { ...axis, size: 24, gap: 3, space: 60, ...(logX ? { splits: (_u, _axis, low, high) => MAGNITUDES.filter((v) => v >= low && v <= high) } : { incrs: x === 'step' ? STEPS : CLOCK }), values: (_u, splits) => splits.map((v) => (v === null ? '' : x === 'step' ? number(v) : logX ? `${number(v)} s` : duration(v))) },
      { ...axis, size: 54, gap: 4, space: 28, values: (_u, splits) => splits.map((v) => (v === null ? '' : number(v))) },
    ],
    series: [{}, ...lines.flatMap((line): uPlot.Series[] => [
      { stroke: () => stroke(line), alpha: smoothing > 0 ? 0.3 : 1, width: smoothing > 0 ? 1 : 1.75, points: pointsOf(line, stroke, smoothing > 0 ? 4 : 6) },
      { stroke: () => stroke(line), width: 1.75, show: smoothing > 0, points: { show: () => line.curve.length === 1, size: 6, stroke: () => stroke(line), fill: () => stroke(line) } },
    ])],
    cursor: {
      sync: { key: sync, setSeries: false, scales: ['x', null], filters: { pub: (type) => type === 'mousemove' || type === 'mouseleave' } },
      drag: { x: true, y: false, setScale: false, dist: 4 },
      focus: { prox: -1 },
      points: { size: 6, show: true },
      y: false,
      bind: { dblclick: () => () => (onZoom(null), null) },
    },
    hooks: {
      setSelect: [(u) => {
        const { left, width } = u.select;
        if (width < 4) return;
        const low = u.posToVal(left, 'x'), high = u.posToVal(left + width, 'x');
        u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
        if (high > low) onZoom([low, high]);
      }],
      setCursor: [onCursor],
    },
  };
}

/** Few points are shown as points: a curve measured every few updates would else look surer than it is. */
const pointsOf = (line: Line, stroke: (line: Line) => string, size: number): uPlot.Series.Points => ({ show: () => line.curve.length <= 60, size, stroke: () => stroke(line), fill: () => stroke(line) });
