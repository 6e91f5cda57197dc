// What a person may copy into a report when something broke: versions and the last lines of the log, without names of folders.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

/** Takes the person's folder names out of a text: the home folder becomes ~, a project's folder <project>. */
export function redact(text: string, homeFolder = os.homedir()): string {
  const projects = text.replaceAll(/(?:[A-Za-z]:)?[^\s"'`]*?[^\s"'`/\\]*\.tastemaker/g, '<project>');
  return homeFolder.length > 1 ? projects.replaceAll(homeFolder, '~') : projects;
}

export function shellDiagnostics(reason: string, logFolder: string): string {
  const versions = ['electron', 'chrome', 'node'].map((name) => `${name} ${process.versions[name] ?? '?'}`).join(', ');
  return redact([`Tastemaker: ${reason}`, `${process.platform} ${process.arch} ${os.release()}, ${versions}`, ...lastLines(path.join(logFolder, 'service.log'), 40)].join('\n'));
}

function lastLines(file: string, count: number): string[] {
  try {
    return fs.readFileSync(file, 'utf8').trimEnd().split('\n').slice(-count);
  } catch {
    return ['(no log)'];
  }
}
