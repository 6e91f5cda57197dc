// The entry of a job process: works at one run of a project by its files, and only reads the project's database.
//
//   node process.ts PROJECT RUN

import os from 'node:os';
import { sentenceOf, TastemakerError } from '#core/errors.ts';
import { chosenDevice, deviceWords } from '#core/autodiff/device.ts';
import { openProject } from '#core/store/database.ts';
import { getRequest, getRun } from '#core/store/runs.ts';
import { refuseLinksIn } from '#core/unlinked.ts';
import { createPulse, isCancelled, livingProcess } from './control.ts';
import { executeRun, isPrepared, prepareRun } from './execute.ts';
import { readStatus, removeStatus, writeStatus } from './ending.ts';
import { runFolderOf } from '#core/store/run-folder.ts';
import { isRecipe } from '#core/recipes/table.ts';
import { writeLog } from './run-log.ts';
import { isSamePlace, requireSamePlace } from './run-place.ts';

const [projectFolder, id] = process.argv.slice(2) as [string, string];
const folder = runFolderOf(projectFolder, id);
refuseLinksIn(folder); // before anything is written: a project may come from somebody else
requireSamePlace(folder); // from now on it has to be this one
const log = (line: string) => writeLog(folder, line);

async function prepare(): Promise<void> {
  createPulse(folder).border();
  const project = openProject(projectFolder, { write: false });
  try {
    const run = getRun(project, id);
    const request = getRequest(project, id);
    if (!request || !isRecipe(run.kind))
      throw new TastemakerError('bad-data', `Run ${id} says nothing of what it should do.`, 'Start a new run.');
    log('Preparing.');
    await prepareRun(project, id, run.kind, request.config, run.name);
  } finally {
    project.close();
  }
}

async function work(): Promise<void> {
  let asked = false;
  process.on('SIGTERM', () => (asked = true)); // the machine is being shut down: save what there is
  process.on('SIGINT', () => {}); // Ctrl-C in a terminal is meant for whoever started us
  removeStatus(folder);
  try {
    if (!isPrepared(folder)) await prepare();
    log(`At work (process ${process.pid}, on ${deviceWords(chosenDevice())}).`);
    await executeRun(projectFolder, id, { stopping: () => asked });
  } catch (error) {
    if (isCancelled(error)) return writeStatus(folder, 'cancelled');
    const sentence = sentenceOf(error);
    process.exitCode = 1;
    // into process.log, wherever that is by now
    if (!isSamePlace(folder)) return void process.stderr.write(`${sentence}\n`);
    if (!readStatus(folder)) writeStatus(folder, 'failed', { error: sentence });
    log(sentence);
    process.stderr.write(`${error instanceof Error ? error.stack : sentence}\n`);
    process.exitCode = 1;
  }
}

const other = livingProcess(folder);
if (other !== null && other !== process.pid) {
  process.stderr.write(`The process with the pid ${other} is at work at this run.\n`);
  process.exit(3);
}
try {
  os.setPriority(os.constants.priority.PRIORITY_BELOW_NORMAL); // window and service come first
} catch {
  // a system that does not allow it
}
await work();
process.exit(); // the runtime's threads would keep it alive
