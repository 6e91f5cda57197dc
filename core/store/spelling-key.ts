// Where a prompt belongs by a hash of its text however it is spelled, so that none is learnt from under one spelling
// and tested on under another.

import { createHash } from 'node:crypto';
import type { Message, Split } from '#core/contract/prompts.ts';
import { normalPrompt } from '#core/spelling.ts';

/**
 * The same 16 bytes for all spellings of a prompt (NFC or not, line ends, white space around), kept with it and
 * indexed.
 */
export const spellingOf = (text: string, messages: Message[] | null): Buffer =>
  createHash('sha256')
    .update(`split/${normalPrompt(text, messages)}`)
    .digest()
    .subarray(0, 16);

/**
 * Where a spelling falls between 0 and 1, evenly: below a share it belongs to that share, whatever else the project
 * holds.
 */
export const placeOfSpelling = (spelling: Buffer): number => spelling.readUInt32BE(0) / 2 ** 32;

/**
 * Validation for this share of all prompts, train for the others; the same for a prompt in every project, file and
 * order.
 */
export const splitByShare = (text: string, messages: Message[] | null, validation: number): Split =>
  placeOfSpelling(spellingOf(text, messages)) < validation ? 'validation' : 'train';
