// Texts of rows and files that stand on one line: a name or a path with control characters would spoil logs and
// terminals.

// oxlint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/;
const MOST = 4096;

/** Whether it can stand in a line: a text of bounded length without line breaks and other control characters. */
export const isPrintable = (text: unknown): text is string =>
  typeof text === 'string' && text.length <= MOST && !CONTROL.test(text);

/** Anything as a short text of one line, for a sentence. */
export const printable = (value: unknown): string =>
  String(value).slice(0, 120).replaceAll(new RegExp(CONTROL, 'g'), '�');

/** A text of any length as one line. */
export const onOneLine = (text: string): string => text.replaceAll(new RegExp(`${CONTROL.source}+`, 'g'), ' ');
