// When two texts are the same but for their spelling: Unicode's composed form, line ends and surrounding white space.

/** One form of all spellings of a text: NFC, LF line ends, trimmed. */
export const normalForm = (text: string): string => text.normalize('NFC').replace(/\r\n?/g, '\n').trim();

interface Turn {
  role: 'system' | 'user' | 'assistant';
  content: string;
}
const SPEAKER = { system: 'System', user: 'User', assistant: 'Assistant' } as const;

/**
 * A conversation as one text: what the user said, where that is all there is, else every message in turn with who said
 * it.
 */
export const spokenText = (messages: readonly Turn[]): string =>
  messages.length === 1 && messages[0]!.role === 'user'
    ? messages[0]!.content
    : messages.map(({ role, content }) => `${SPEAKER[role]}: ${content}`).join('\n\n');

/** The one form of all spellings of a prompt: of its text, or of every message where it is a conversation. */
export const normalPrompt = (text: string, messages: readonly Turn[] | null): string =>
  normalForm(
    messages ? spokenText(messages.map(({ role, content }) => ({ role, content: normalForm(content) }))) : text,
  );
