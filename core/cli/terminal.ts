// What is printed to a terminal: texts of others must not move its cursor, change its title or hide what stands there.

// oxlint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g;
const BEYOND_ASCII = /[\u007f-\u009f]/g;

/** A text without control characters, line breaks and tabs apart. */
export const forTerminal = (text: string): string => text.replaceAll('\r\n', '\n').replaceAll(CONTROL, '\ufffd');

/** JSON, which escapes most of them itself; the others are escaped as it would. */
export const jsonForTerminal = (value: unknown): string =>
  JSON.stringify(value).replaceAll(BEYOND_ASCII, (sign) => `\\u00${sign.charCodeAt(0).toString(16)}`);
