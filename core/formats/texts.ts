// Running text for pretraining: one file, or every text file of a folder.
import fs from 'node:fs';
import path from 'node:path';
import { asFileError, readUtf8 } from './file-access.ts';
import { readJsonl } from './jsonl.ts';
import { asRow, isText, requiredText } from './rows.ts';
import { TastemakerError } from '#core/errors.ts';

export interface NamedText {
  /** the row's "name", "title" or "id", or the file's path (with the line, for rows) */
  name: string;
  text: string;
}

const rowEndings = ['.jsonl', '.ndjson'];
const folderEndings = ['.txt', ...rowEndings];

const unixLines = (text: string) => text.replace(/\r\n?/g, '\n');

function readOne(file: string, name: string): NamedText[] {
  if (!rowEndings.includes(path.extname(file).toLowerCase())) return [{ name, text: unixLines(readUtf8(file)) }];
  const { rows, errors } = readJsonl(file, (value, line) => {
    const row = asRow(value);
    const own = [row['name'], row['title'], row['id']].find((field) => isText(field) && field !== '');
    return { name: isText(own) ? own : `${name}:${line}`, text: unixLines(requiredText(row, 'text')) };
  });
  const first = errors[0];
  // A corpus with a hole would train another model without anyone knowing, so one bad row stops it.
  if (first)
    throw new TastemakerError(
      'bad-data',
      `Line ${first.line} of ${file} holds no text: ${first.message}${errors.length > 1 ? ` (${errors.length - 1} more lines are bad.)` : ''}`,
      'Give every row a "text", or take the row out.',
    );
  return rows;
}

/**
 * The texts of a text file or a .jsonl file ({"text"} rows), or of every .txt and .jsonl in a folder and the folders in
 * it, sorted by name, hidden ones left out; blank texts are dropped, line ends become "\n". Throws 'bad-file' where
 * nothing is left, 'bad-data' for a bad row.
 */
export function readTexts(folderOrFile: string): NamedText[] {
  let files: string[];
  try {
    files = fs.statSync(folderOrFile).isDirectory()
      ? fs
          .readdirSync(folderOrFile, { recursive: true, encoding: 'utf8' })
          .filter(
            (file) =>
              folderEndings.includes(path.extname(file).toLowerCase()) &&
              !file.split(path.sep).some((part) => part.startsWith('.')),
          )
          .sort()
      : [''];
  } catch (error) {
    throw asFileError(error, folderOrFile);
  }
  const texts = files
    .flatMap((file) =>
      file === ''
        ? readOne(folderOrFile, path.basename(folderOrFile))
        : readOne(path.join(folderOrFile, file), file.split(path.sep).join('/')),
    )
    .filter(({ text }) => text.trim() !== '');
  if (texts.length === 0)
    throw new TastemakerError(
      'bad-file',
      `${folderOrFile} holds no text.`,
      `Name a file or folder with text in ${folderEndings.join(', ')} files.`,
    );
  return texts;
}
