// The state a window starts from, this person's preferences, and the diagnostics they may copy into a report.

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { AppState } from '#core/contract/app.ts';
import { runtimeVersion } from '#core/autodiff/session.ts';
import { redact } from '#core/redact.ts';
import { listLabelers } from '#core/store/labelers.ts';
import type { Emit, Handlers } from './handlers.ts';
import type { HardwareDesk } from '#core/service/hardware/hardware.ts';
import { lastLines } from './log.ts';
import type { PreferencesFile } from './preferences.ts';
import { projectSettings } from './project.ts';
import { projectSummary } from './project-summary.ts';
import type { OpenProject, Session } from './session.ts';
import { VERSION } from '#core/version.ts';

const LOG_LINES = 60;

/** `emitOf`: what is told of this opened project, and of no other. */
export interface Services {
  session: Session;
  preferences: PreferencesFile;
  home: string;
  hardware: HardwareDesk;
  emitOf(opened: OpenProject): Emit;
}

export const logFolder = (home: string): string => path.join(home, 'logs');

export function appState({ session, preferences, home, hardware }: Services): AppState {
  hardware.begin();
  const project = session.current()?.project ?? null;
  return {
    version: VERSION,
    preferences: preferences.read(),
    project: project && projectSummary(project),
    settings: project && projectSettings(project),
    labelers: project ? listLabelers(project) : [],
    device: hardware.device(),
    logFolder: logFolder(home),
    notices: [...preferences.notices],
  };
}

export const createAppHandlers = (services: Services) =>
  ({
    'app.state': () => appState(services),
    'app.setPreferences': (context, { changes }) => context.changePreferences(changes),
    'app.diagnostics': () => ({ text: diagnostics(services) }),
  }) satisfies Partial<Handlers>;

function diagnostics(services: Services): string {
  const { project, device, preferences } = appState(services);
  const gib = (bytes: number) => `${(bytes / 2 ** 30).toFixed(1)} GiB`;
  const lines = [
    `Tastemaker ${VERSION}, Node ${process.versions.node}, ONNX Runtime ${runtimeVersion()}, SQLite in better-sqlite3`,
    `${process.platform} ${process.arch} ${os.release()}`,
    device.reason,
    `${device.name}, ${device.cores} cores, ${gib(device.memoryBytes)} of memory, ${gib(device.freeBytes)} free`,
    project
      ? `Project: ${project.prompts.train} + ${project.prompts.validation} + ${project.prompts.test} prompts, ${project.completions} completions, ${project.rankings} rankings, ${project.models} models, ${project.runs} runs, project.db ${gib(fs.statSync(path.join(project.folder, 'project.db')).size)}`
      : 'No project is open.',
    ...['service.log', 'host.log'].flatMap((name) => [
      '',
      `${name}:`,
      ...lastLines(path.join(logFolder(services.home), name), LOG_LINES),
    ]),
  ];
  return redact(lines.join('\n'), {
    home: os.homedir(),
    projects: [...(project ? [project.folder] : []), ...preferences.recent.map(({ folder }) => folder)],
  });
}
