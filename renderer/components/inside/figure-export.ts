// Saving a figure of the inside: a picture in bands of as many tokens as are wide enough to read, or the table behind
// it.

import { readColours } from '#renderer/components/charts/chart-options.ts';
import { saveAs } from '#renderer/components/charts/chart-export.ts';
import { quoted } from '#renderer/components/charts/series.ts';
import { MOST } from '#renderer/components/inspect/token-colours.ts';
import { visible } from './figure.ts';
import type { Figure, FigureLayout } from './figure.ts';

export type Table = readonly (readonly (string | number | null)[])[];

/** Rows as comma-separated lines; nothing where there is no number. */
export const csvOf = (table: Table): string =>
  table
    .map((row) => row.map((value) => (value === null ? '' : quoted(String(value)))).join(','))
    .join('\n')
    .concat('\n');

export const saveTable = (name: string, table: Table): void =>
  saveAs(`${name}.csv`, new Blob([csvOf(table)], { type: 'text/csv' }));

/** pixels */
const WIDTH = 1600;
const PAD = 24;
const ROW = 34;
const GAP = 20; // between bands
const TOP = 96;
/** of tokens */
const TOKENS: FigureLayout = { name: 132, column: 96, heading: visible };
/** columns side by side */
const inBand = ({ name, column }: FigureLayout): number => Math.max(1, Math.floor((WIDTH - 2 * PAD - name) / column));
export const A_BAND = inBand(TOKENS);
/** a canvas of a browser is at most so high */
const HIGHEST = 16_000;

/** How many bands there is room for, and how high the picture is with as many as it takes. */
export function bandsOf({ columns, rows, layout = TOKENS }: Pick<Figure, 'columns' | 'rows' | 'layout'>): {
  bands: number;
  height: number;
} {
  const band = (rows.length + 1) * ROW + GAP;
  const wanted = Math.ceil(columns.length / inBand(layout));
  const bands = Math.max(1, Math.min(wanted, Math.floor((HIGHEST - TOP - PAD) / band)));
  return { bands, height: TOP + bands * band + PAD };
}

/** Text in a box, cut where it is wider. */
function write(ink: CanvasRenderingContext2D, text: string, x: number, y: number, width: number): void {
  ink.save();
  ink.beginPath();
  ink.rect(x, y - ROW / 2, width, ROW);
  ink.clip();
  ink.fillText(text, x + 5, y);
  ink.restore();
}

/** `element`: whose colours it has. */
export function drawFigure(figure: Figure, element: Element): HTMLCanvasElement {
  const { title, sentence, columns, rows, layout = TOKENS } = figure;
  const { name: head, column: width, heading } = layout;
  const aBand = inBand(layout);
  const colours = readColours(element);
  const style = getComputedStyle(element);
  const { bands, height } = bandsOf(figure);
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [WIDTH, height];
  const ink = canvas.getContext('2d')!;
  ink.fillStyle = colours.surface;
  ink.fillRect(0, 0, WIDTH, height);
  ink.textBaseline = 'middle';
  ink.fillStyle = colours.text;
  ink.font = `600 30px ${colours.font}`;
  ink.fillText(title, PAD, 34, WIDTH - 2 * PAD);
  ink.fillStyle = colours.muted;
  ink.font = `20px ${colours.font}`;
  const shown = Math.min(columns.length, bands * aBand);
  const cut = shown < columns.length ? ` The first ${shown} of ${columns.length} columns.` : '';
  ink.fillText(sentence + cut, PAD, 70, WIDTH - 2 * PAD);
  for (let band = 0; band < bands; band++) {
    const top = TOP + band * ((rows.length + 1) * ROW + GAP);
    const some = columns.slice(band * aBand, (band + 1) * aBand);
    ink.font = `600 17px ${colours.font}`;
    ink.fillStyle = colours.text;
    some.forEach((token, i) => write(ink, heading(token), PAD + head + i * width, top + ROW / 2, width));
    rows.forEach((row, r) => {
      const y = top + (r + 1) * ROW;
      ink.font = `17px ${colours.font}`;
      ink.fillStyle = colours.muted;
      write(ink, row.name, PAD, y + ROW / 2, head);
      some.forEach((_, i) => {
        const cell = row.cell(band * aBand + i);
        const x = PAD + head + i * width;
        if (!cell) return;
        ink.globalAlpha = (cell.tint.strength * MOST) / 100;
        ink.fillStyle = style.getPropertyValue(`--${cell.tint.hue}`).trim();
        ink.fillRect(x, y, width - 1, ROW - 1);
        ink.globalAlpha = 1;
        ink.fillStyle = colours.text;
        write(ink, cell.text, x, y + ROW / 2, width - 1);
      });
    });
  }
  return canvas;
}

export function savePicture(name: string, figure: Figure, element: Element): void {
  drawFigure(figure, element).toBlob((blob) => blob && saveAs(`${name}.png`, blob), 'image/png');
}
