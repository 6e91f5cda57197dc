// What an answer's turn begins with where a whole conversation is one text, and where such a turn begins in two texts
// at once.

/** Signs of an answer's turn, of templates and of plain transcripts, with or without the line break after them. */
const ANSWERS = [
  String.raw`<\|im_start\|>assistant(?:\r?\n)?`, // ChatML: Qwen and many others
  String.raw`<\|assistant\|>(?:\r?\n)?`, // Zephyr, Phi-3, GLM
  String.raw`<\|start_header_id\|>assistant<\|end_header_id\|>(?:\r?\n\r?\n)?`, // Llama 3
  String.raw`<\|header_start\|>assistant<\|header_end\|>(?:\r?\n\r?\n)?`, // Llama 4
  String.raw`<\|start\|>assistant(?:<\|channel\|>final)?<\|message\|>`, // gpt-oss
  String.raw`<\|CHATBOT_TOKEN\|>`, // Command R
  String.raw`<｜Assistant｜>`, // DeepSeek
  String.raw`<start_of_turn>model(?:\r?\n)?`, // Gemma
  String.raw`<\|turn>model(?:\r?\n)?`, // Gemma 4
  String.raw`<reserved_107>`, // Baichuan
  String.raw`\[/INST\]`, // Llama 2, Mistral
  String.raw`###? ?(?:Response|Assistant|Answer|Output):(?:\r?\n)?`, // Alpaca, Guanaco
  String.raw`(?<![\p{L}\p{N}])(?:Assistant|ASSISTANT):`, // HH-RLHF, Vicuna
  String.raw`(?<=^|\n)(?:assistant|AI|GPT|Bot|Model|Answer|A|TL;DR):`,
];
/** Signs of everybody else's turns, which with the others are all that is not said. */
const OTHERS = [
  String.raw`<\|im_(?:start|end)\|>(?:system|user)?(?:\r?\n)?`,
  String.raw`<\|(?:user|system|end|endoftext|eot_id|begin_of_text|USER_TOKEN|SYSTEM_TOKEN|START_OF_TURN_TOKEN|END_OF_TURN_TOKEN)\|>(?:\r?\n)?`,
  String.raw`<\|start_header_id\|>(?:system|user)<\|end_header_id\|>(?:\r?\n\r?\n)?`,
  String.raw`<\|header_start\|>(?:system|user)<\|header_end\|>(?:\r?\n\r?\n)?`,
  String.raw`<\|start\|>(?:system|user|developer)<\|message\|>`,
  String.raw`<｜User｜>`,
  String.raw`<start_of_turn>user(?:\r?\n)?`,
  String.raw`<end_of_turn>(?:\r?\n)?`,
  String.raw`<\|turn>(?:system|user)(?:\r?\n)?|<turn\|>(?:\r?\n)?`,
  String.raw`<reserved_106>`,
  String.raw`<bos>|<s>|</s>`,
  String.raw`\[INST\]`,
  String.raw`###? ?(?:Instruction|Human|User|Question|Input):(?:\r?\n)?`,
  String.raw`(?<![\p{L}\p{N}])(?:Human|USER|User):`,
  String.raw`(?<=^|\n)(?:user|human|Question|Q):`,
];
const ANSWER = new RegExp(ANSWERS.join('|'), 'gu');
const ANY = new RegExp([...ANSWERS, ...OTHERS].join('|'), 'gu');

/** What two texts begin with, never half a character. */
export function sharedStart(a: string, b: string): string {
  let common = 0;
  while (common < a.length && common < b.length && a[common] === b[common]) common++;
  if (common > 0 && /[\ud800-\udbff]/.test(a[common - 1]!)) common--;
  return a.slice(0, common);
}

/** Where the last sign of an answer's turn ends in a text; 0 where there is none. */
export function turnEnd(text: string): number {
  let end = 0;
  for (const found of text.matchAll(ANSWER)) end = found.index + found[0].length;
  return end;
}

/** What a transcript says without the signs of its turns. */
export const withoutTurns = (text: string): string =>
  text.normalize('NFC').replace(/\r\n?/g, '\n').replace(ANY, ' ').trim();
