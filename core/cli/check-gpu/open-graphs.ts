// Opens every graph of graphs.ts on a device, with a line on standard error before each; what the runtime logs stands
// between.

import { sentenceOf } from '#core/errors.ts';
import fs from 'node:fs';
import { compile } from '#core/autodiff/compile.ts';
import { readDevice } from '#core/autodiff/device.ts';
import { allPrograms } from './graphs.ts';
import { FAILED, OPENING } from './placement-log.ts';

const device = readDevice(process.argv[2] ?? '');
for (const { name, program, steps, constants } of allPrograms()) {
  fs.writeSync(2, `\n${OPENING}${name}\n`);
  try {
    await (await compile(program, { steps, device, constants })).release();
  } catch (error) {
    fs.writeSync(2, `\n${FAILED}${sentenceOf(error)}\n`);
  }
}
process.exit(0);
