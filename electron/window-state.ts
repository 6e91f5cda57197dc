// Where a window was when it was closed, and whether that place is still on a screen.
import fs from 'node:fs';

export interface Bounds {
  x: number;
  y: number;
  width: number;
  height: number;
}
export interface WindowState {
  bounds: Bounds | null;
  maximized: boolean;
}

export const SMALLEST = { width: 1100, height: 700 };
const FRESH: WindowState = { bounds: null, maximized: false };

/** The saved state, or a fresh one where the file is missing, damaged, or its place is on no screen any more. */
export function readWindowState(file: string, screens: readonly Bounds[]): WindowState {
  try {
    const { bounds, maximized } = JSON.parse(fs.readFileSync(file, 'utf8')) as WindowState;
    if (!bounds || ![bounds.x, bounds.y, bounds.width, bounds.height].every(Number.isFinite)) return FRESH;
    // at least a title bar's worth must be reachable
    const reachable = screens.some(
      (screen) =>
        bounds.x + 80 < screen.x + screen.width &&
        bounds.x + bounds.width - 80 > screen.x &&
        bounds.y >= screen.y - 8 &&
        bounds.y + 40 < screen.y + screen.height,
    );
    return reachable
      ? {
          bounds: {
            ...bounds,
            width: Math.max(SMALLEST.width, bounds.width),
            height: Math.max(SMALLEST.height, bounds.height),
          },
          maximized: maximized === true,
        }
      : FRESH;
  } catch {
    return FRESH;
  }
}

export function writeWindowState(file: string, state: WindowState): void {
  try {
    fs.writeFileSync(`${file}.writing`, JSON.stringify(state));
    fs.renameSync(`${file}.writing`, file);
  } catch {
    // a full disk must not keep a window from closing
  }
}
