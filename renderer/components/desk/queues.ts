// The queues by name: what each gives, and what to do where it is empty.

import type { QueueName } from '#core/contract/desk.ts';

interface QueueText {
  title: string;
  sentence: string;
  empty: string;
}

export const QUEUES: Record<QueueName, QueueText> = {
  shuffled: {
    title: 'Shuffled',
    sentence: 'Everything not ranked yet, in a random order that stays the same.',
    empty: 'Everything in this project is ranked.',
  },
  sequential: {
    title: 'In order',
    sentence: 'Everything not ranked yet, oldest first.',
    empty: 'Everything in this project is ranked.',
  },
  newest: {
    title: 'Newest policy',
    sentence: 'Samples of the newest policy first.',
    empty: 'Every sample of the newest policy is ranked.',
  },
  uncertain: {
    title: 'Reward model uncertain',
    sentence: 'Where the reward model scores the best two almost alike.',
    empty:
      'Nothing here: what the reward model has scored is ranked, or has equal answers, or it has not scored any yet.',
  },
  disagrees: {
    title: 'Reward model disagrees',
    sentence: 'What you ranked and the reward model orders the other way round.',
    empty: 'Nothing here: the reward model agrees with the rankings, or has not scored their answers yet.',
  },
  flagged: {
    title: 'Flagged',
    sentence: 'What you flagged.',
    empty: 'Nothing is flagged. Press F on an item to find it here again.',
  },
  drafts: {
    title: 'Drafts',
    sentence: 'What you began and have not submitted.',
    empty: 'Nothing is begun that was not submitted.',
  },
  skipped: { title: 'Skipped', sentence: 'What you skipped.', empty: 'You have skipped nothing, or ranked it since.' },
  submitted: {
    title: 'Submitted',
    sentence: 'What you submitted, in the order in which you did.',
    empty: 'You have submitted nothing yet.',
  },
  requested: {
    title: 'Asked for',
    sentence: 'What somebody asked for in Inspect.',
    empty: 'Nobody has asked for anything. Pick samples in Inspect and send them here.',
  },
};

export const QUEUE_ORDER: readonly QueueName[] = [
  'shuffled',
  'sequential',
  'newest',
  'uncertain',
  'disagrees',
  'flagged',
  'requested',
  'drafts',
  'skipped',
  'submitted',
];
/** Lists to go through: an item is in one or it is not, and none is ever done. */
export const LISTS: ReadonlySet<QueueName> = new Set<QueueName>(['drafts', 'skipped', 'submitted']);

const KEPT = 'tastemaker.desk.queue';
/** A habit of the person, for every project: the queue that was chosen last on this machine. */
export const rememberedQueue = (): QueueName =>
  QUEUE_ORDER.find((name) => name === localStorage.getItem(KEPT)) ?? 'shuffled';
export const rememberQueue = (queue: QueueName): void => localStorage.setItem(KEPT, queue);
