// Finding a command by a few letters: words that begin with them first, then letters in order; what changes something
// by whole words alone.

export interface Command {
  id: string;
  title: string;
  /** what kind of thing it is */ group: string;
  /** what else it is found by */ words?: string;
  /** what it changes, in a sentence */ changes?: string;
  key: string;
  run: () => unknown;
}

/** Higher is better; 0 = not found. Every word of what was typed must be found. */
export function scoreOf(text: string, typed: string): number {
  const hay = text.toLowerCase();
  let total = 1;
  for (const word of typed.toLowerCase().split(/\s+/).filter(Boolean)) {
    const at = hay.indexOf(word);
    if (at === 0) total += 100;
    else if (at > 0 && /[^\p{L}\p{N}]/u.test(hay[at - 1]!)) total += 60;
    else if (at > 0) total += 30;
    else if (inOrder(hay, word)) total += 5;
    else return 0;
  }
  return total;
}

const wordsOf = (text: string): string[] => text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
/** Whether every word that was typed is a word of the title or one that it is known by, none only a part of one. */
function hasWhole({ title, words: known = '' }: Command, typed: string): boolean {
  const words = new Set(wordsOf(`${title} ${known}`));
  const asked = wordsOf(typed);
  return asked.length > 0 && asked.every((word) => words.has(word));
}

function inOrder(hay: string, letters: string): boolean {
  let from = 0;
  for (const letter of letters) {
    const at = hay.indexOf(letter, from);
    if (at < 0) return false;
    from = at + 1;
  }
  return true;
}

/** The commands that fit, best first; among equals those that change nothing, then in the given order. */
export function searchCommands(commands: readonly Command[], typed: string): Command[] {
  const harmlessFirst = (a: Command, b: Command) => Number(Boolean(a.changes)) - Number(Boolean(b.changes));
  if (typed.trim() === '') return commands.toSorted(harmlessFirst);
  return commands
    .filter((command) => !command.changes || hasWhole(command, typed))
    .map((command) => ({
      command,
      score: Math.max(
        scoreOf(command.title, typed) * 2,
        scoreOf(`${command.group} ${command.title} ${command.words ?? ''}`, typed),
      ),
    }))
    .filter(({ score }) => score > 0)
    .toSorted((a, b) => b.score - a.score || harmlessFirst(a.command, b.command))
    .map(({ command }) => command);
}
