// A text without what nobody sees: two texts with one normal form are the same to whoever reads them.

/** The text in NFC, with LF line ends, trimmed. Never what is stored or learnt from: only what texts are told apart by. */
export const normalForm = (text: string): string => text.normalize('NFC').replace(/\r\n?/g, '\n').trim();
