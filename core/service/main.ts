// The service process: calls come and answers go over the channel to the process that started it; without the channel
// it ends.

import path from 'node:path';
import type { Notice, Reply, Request, Watched } from '#core/contract/messages.ts';
import { TastemakerError } from '#core/errors.ts';
import { logFolder } from './app.ts';
import { homeFolder } from '#core/store/home-folder.ts';
import { openLog } from './log.ts';
import { createService } from './service.ts';

if (!process.send) {
  process.stderr.write(
    'Error: The service is started by Tastemaker itself.\nHint: run `npm start` or `tastemaker serve`.\n',
  );
  process.exit(2);
}

const home = homeFolder();
const log = openLog(path.join(logFolder(home), 'service.log'));
const send = (message: Reply | Notice): void => {
  if (!process.connected) return; // whoever left does not need it
  try {
    process.send!(message, undefined, {}, () => {});
  } catch (error) {
    // what cannot be written as JSON; a call waits for an answer all the same
    log(`A message could not be sent: ${String(error)}`);
    if ('id' in message)
      process.send!(
        {
          id: message.id,
          fault: { code: 'crash', message: 'The answer could not be sent.', hint: 'The details are in service.log.' },
        } satisfies Reply,
        undefined,
        {},
        () => {},
      );
  }
};
const service = createService({ home, emit: (event, data, project) => send({ event, data, project } as Notice) });

let ending = false;
async function end(): Promise<void> {
  if (ending) return;
  ending = true;
  try {
    await service.close();
    process.exit(0);
  } catch (error) {
    die('while closing', error);
  }
}

/** A mistake that nobody caught leaves us in a state nobody knows: say so and let the supervisor start another one. */
function die(when: string, error: unknown): void {
  // the window has been told: what is open can still be saved
  if (error instanceof TastemakerError && error.code === 'moved') return;
  log(`The service ends because of a mistake ${when}: ${error instanceof Error ? error.stack : String(error)}`);
  process.exit(1);
}

process.on('message', (message: Request | Watched) => {
  if ('windows' in message) service.watched(message.windows);
  else void service.handle(message).then(send);
});
process.on('disconnect', () => void end());
process.on('SIGTERM', () => void end());
process.on('SIGINT', () => {}); // Ctrl-C reaches every process of a terminal; whoever started us decides
process.on('uncaughtException', (error) => die('that was not caught', error));
process.on('unhandledRejection', (error) => die('that was not awaited', error));
