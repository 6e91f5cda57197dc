// Stands for the process that answers questions: says what it was told, and dies or falls silent where it is asked to.

import type { QuestionMessage } from '#core/inspection/process.ts';

let answered = 0;
process.on('message', ({ number, args }: QuestionMessage) => {
  const { prompt } = args as { prompt: string };
  if (prompt === 'never') return;
  if (prompt === 'die' || (prompt === 'die once' && answered > 0)) {
    process.stderr.write('first words\nlast words\n', () => process.kill(process.pid, 'SIGKILL'));
    return;
  }
  process.send!({ number, result: [process.pid, ++answered, process.env.TASTEMAKER_DEVICE ?? null] });
});
process.once('disconnect', () => process.exit());
