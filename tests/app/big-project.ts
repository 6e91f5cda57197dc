// Where the big project of the browser tests lies: built beside other tests, measured when nothing else runs.
import { resolve } from 'node:path';

export const BIG_PLACE = resolve('out', 'test', 'big-project');
/** As `tastemaker bench project` makes and looks for it. */
export const BIG_FOLDER = resolve(BIG_PLACE, 'big.tastemaker');
export const BIG_SIZE = { prompts: 100_000, perPrompt: 4, rankings: 100_000 };
