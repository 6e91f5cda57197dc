// The queues of the ranking desk: in which order items come, which of them are still open for a labeler, and why one
// comes now.
//
// A queue is a list of segments, each an order that an index gives. Where a labeler is deep in a queue, everything
// before
// is done; such stretches are remembered, so that finding the next item does not walk over them again.

import type { Policy } from '#core/contract/models.ts';
import type { QueueName } from '#core/contract/desk.ts';
import { createRandom } from '#core/random.ts';
import { query } from './project.ts';
import type { Project, Value } from './project.ts';

/**
 * One part of a queue: items `i` of `from`, in the order of `key` and `id` as an index has them, that are open while
 * `open` holds.
 */
interface Segment {
  from: string;
  id: string;
  where: string;
  values: Value[];
  key: string;
  open: string;
  openValues: Value[];
}
interface Place {
  segment: number;
  key: number;
  id: number;
}
/** Between `from` (or the beginning) and `to`, neither included, nothing is open. */
interface Stretch {
  from: Place | null;
  to: Place;
}

/** What is remembered of one labeler's queue, as long as `token` stays the same. */
export interface QueueMemory {
  token: string;
  stretches: Stretch[];
  /** how often something was reopened */ reopened: number;
}

export interface Queue {
  name: QueueName;
  project: Project;
  labelerId: number;
  model: Policy | null;
  segments: Segment[];
  memory: QueueMemory | null;
  /** behind all of it as it is now */
  end: Place;
}

const OWN = 'rankings r INDEXED BY rankings_first WHERE r.labeler_id = ? AND r.item_id = i.id AND r.repeat_of IS NULL';
const UNDONE = `NOT EXISTS (SELECT 1 FROM ${OWN})`;
// what somebody asked for has a queue of its own; equal answers are not asked about
const ORDINARY = "i.source <> 'inspect' AND i.answers > 1";
/** Items that are in none of the ordinary queues. */
const ASIDE = "items i INDEXED BY items_aside WHERE (i.source = 'inspect' OR i.answers < 2)";
const FIRST: Place = { segment: 0, key: -1e15, id: 0 };

const count = (project: Project, sql: string, ...values: Value[]) =>
  query<{ n: number }>(project, sql).get(...values)!.n;
const overAll = (name: QueueName) => name === 'sequential' || name === 'shuffled' || name === 'newest';

type Part = Partial<Segment> & { key: string };
const part = (labelerId: number, given: Part): Segment => ({
  from: 'items i',
  id: 'i.id',
  where: ORDINARY,
  values: [],
  open: UNDONE,
  openValues: [labelerId],
  ...given,
});

/** Every flagged item once, by its newest flag; a flagged answer flags its items. */
const FLAGGED = `(SELECT coalesce(f.item_id, c.item_id) AS item_id, max(f.id) AS flag, max(f.created_at) AS at
  FROM flags f LEFT JOIN item_completions c ON c.completion_id = f.completion_id GROUP BY 1) f JOIN items i ON i.id = f.item_id`;
/** It has come back as a hidden repeat, and is nothing else meanwhile. */
const REPEATED =
  'EXISTS (SELECT 1 FROM drafts d WHERE d.item_id = i.id AND d.labeler_id = ? AND d.repeat_of IS NOT NULL)';
/** Submitted (again) since a time. */
const REVIEWED = (since: string) =>
  `NOT EXISTS (SELECT 1 FROM rankings r WHERE r.labeler_id = ? AND r.item_id = i.id AND r.repeat_of IS NULL AND coalesce(r.confirmed_at, r.created_at) >= ${since}) AND NOT ${REPEATED}`;

/** Of a list that one goes through, nothing is done: an item is in it or not. */
const ALWAYS = { open: '1', openValues: [] };

const PARTS: Record<QueueName, (project: Project, labelerId: number, model: Policy | null) => Part[]> = {
  sequential: () => [{ from: 'items i INDEXED BY items_in_order', key: 'i.id' }],
  shuffled: (_, labelerId) => {
    // one order for all, which everybody enters elsewhere
    const start = createRandom(0, `desk/shuffled/${labelerId}`).word();
    return [
      { key: 'i.place', where: `${ORDINARY} AND i.place >= ?`, values: [start] },
      { key: 'i.place', where: `${ORDINARY} AND i.place < ?`, values: [start] },
    ];
  },
  newest: (project) => [
    ...query<{ id: number }>(project, "SELECT id FROM policies WHERE kind <> 'reward' ORDER BY id DESC")
      .all()
      .map(({ id }): Part => ({ key: 'i.id', where: `${ORDINARY} AND i.policy_id = ?`, values: [id] })),
    { key: 'i.id', where: `${ORDINARY} AND i.policy_id IS NULL` },
  ],
  uncertain: (_, __, model) =>
    model
      ? [
          {
            from: 'item_scores s CROSS JOIN items i ON i.id = s.item_id',
            id: 's.item_id',
            where: `s.model_id = ? AND ${ORDINARY}`,
            values: [model.id],
            key: 's.gap',
          },
        ]
      : [],
  disagrees: (_, labelerId, model) =>
    model
      ? [
          {
            from: 'item_scores s CROSS JOIN items i ON i.id = s.item_id',
            id: 's.item_id',
            where: 's.model_id = ? AND s.agreed < 1',
            values: [model.id],
            key: 's.agreed',
            // not ranked, or ranked against the model and not looked at again since it is there
            open: `NOT ${REPEATED} AND (${UNDONE} OR (EXISTS (SELECT 1 FROM disagreements d WHERE d.item_id = i.id AND d.model_id = ? AND d.labeler_id = ?)
      AND NOT EXISTS (SELECT 1 FROM rankings r WHERE r.labeler_id = ? AND r.item_id = i.id AND r.repeat_of IS NULL AND r.confirmed_at >= ?)))`,
            openValues: [labelerId, labelerId, model.id, labelerId, labelerId, model.createdAt],
          },
        ]
      : [],
  flagged: (_, labelerId) => [
    {
      from: FLAGGED,
      where: 'i.answers > 1',
      key: 'f.flag',
      open: REVIEWED('f.at'),
      openValues: [labelerId, labelerId],
    },
  ],
  drafts: (_, labelerId) => [
    {
      from: 'drafts d INDEXED BY drafts_by_labeler JOIN items i ON i.id = d.item_id',
      values: [labelerId],
      key: 'd.id',
      ...ALWAYS,
      where:
        "d.labeler_id = ? AND d.repeat_of IS NULL AND i.answers > 1 AND (d.ranks <> '[]' OR d.confidence IS NOT NULL OR d.note IS NOT NULL OR d.naive IS NOT NULL)",
    },
  ],
  skipped: (_, labelerId) => [
    {
      from: 'rankings r INDEXED BY rankings_skipped JOIN items i ON i.id = r.item_id',
      values: [labelerId, labelerId],
      key: 'r.id',
      ...ALWAYS,
      where: `r.labeler_id = ? AND r.status = 'skipped' AND r.repeat_of IS NULL AND r.item_id IS NOT NULL AND i.answers > 1 AND NOT ${REPEATED}`,
    },
  ],
  submitted: (_, labelerId) => [
    {
      from: 'rankings r INDEXED BY rankings_by_labeler JOIN items i ON i.id = r.item_id',
      values: [labelerId, labelerId],
      key: 'r.id',
      ...ALWAYS,
      where: `r.labeler_id = ? AND r.repeat_of IS NULL AND i.answers > 1 AND NOT ${REPEATED}`,
    },
  ],
  requested: () => [{ where: "i.source = 'inspect' AND i.answers > 1", key: 'i.id' }],
};
const REMEMBERED: ReadonlySet<QueueName> = new Set<QueueName>([
  'sequential',
  'shuffled',
  'newest',
  'uncertain',
  'requested',
]);

/** What is known of a queue from before. */
export interface QueueState {
  /** the labeler's */
  memories: Map<QueueName, QueueMemory>;
  /** how often the order by gap has changed */
  scores: number;
  /** the reward model that scores now */
  reward(): Policy | null;
}

/** A labeler's view of a queue. */
export function openQueue(
  project: Project,
  name: QueueName,
  labelerId: number,
  { memories, scores, reward }: QueueState,
): Queue {
  const model = name === 'uncertain' || name === 'disagrees' ? reward() : null;
  const segments = PARTS[name](project, labelerId, model).map((given) => part(labelerId, given));
  let memory: QueueMemory | null = null;
  const items = query<{ seq: number }>(project, "SELECT seq FROM sqlite_sequence WHERE name = 'items'").get()?.seq ?? 0;
  const grows = name === 'sequential' || name === 'requested'; // new items come last
  if (REMEMBERED.has(name)) {
    const token = grows ? '' : name === 'uncertain' ? `${model?.id} ${scores}` : `${segments.length} ${items}`;
    memory = memories.get(name) ?? null;
    if (memory?.token !== token) memories.set(name, (memory = { token, stretches: [], reopened: 0 }));
  }
  const end = { segment: grows ? 0 : segments.length, key: items, id: items };
  return { name, project, labelerId, model, segments, memory, end };
}

const compare = (a: Place, b: Place) => a.segment - b.segment || a.key - b.key || a.id - b.id;

/** Where an item stands in the queue, open or not; null where it is not in it. */
function placeIn(queue: Queue, itemId: number): Place | null {
  for (const [segment, { from, where, values, key }] of queue.segments.entries()) {
    const row = query<{ key: number }>(
      queue.project,
      `SELECT ${key} AS key FROM ${from} WHERE i.id = ? AND ${where}`,
    ).get(itemId, ...values);
    if (row) return { segment, key: row.key, id: itemId };
  }
  return null;
}

/** Items that are looked at in one go; between two of these others have their turn. */
const SLICE = 4000;
const turn = () =>
  new Promise<void>((resolve) => {
    setImmediate(resolve);
  });

/** The first open item at or behind a place. */
async function scan(queue: Queue, at: Place, itself: boolean): Promise<Place | null> {
  for (let segment = at.segment; segment < queue.segments.length; segment++) {
    const { from, id, where, values, key, open, openValues } = queue.segments[segment]!;
    let begin = segment === at.segment ? at : FIRST;
    if (queue.name === 'sequential') begin = await passDone(queue, begin);
    for (let than = itself ? '>=' : '>'; ; than = '>') {
      const slice = `FROM ${from} WHERE ${where} AND (${key}, ${id}) ${than} (?, ?) ORDER BY ${key}, ${id} LIMIT ${SLICE}`;
      const row = query<{ key: number; id: number }>(
        queue.project,
        `SELECT key, id FROM (SELECT ${key} AS key, i.id AS id, ${open} AS open ${slice}) WHERE open LIMIT 1`,
      ).get(...openValues, ...values, begin.key, begin.id);
      if (row) return { segment, key: row.key, id: row.id };
      const last = query<{ key: number; id: number }>(
        queue.project,
        `SELECT ${key} AS key, ${id} AS id ${slice} OFFSET ${SLICE - 1}`,
      ).get(...values, begin.key, begin.id);
      if (!last) break;
      begin = { segment, key: last.key, id: last.id };
      await turn();
    }
    itself = true;
  }
  return null;
}

/** In the order of ids whole blocks are passed over by counting, where as many items are done as there are. */
async function passDone({ project, labelerId, end }: Queue, at: Place): Promise<Place> {
  let { id } = at;
  for (; id <= end.id; id += 2 * SLICE) {
    const block = [id, id + 2 * SLICE - 1];
    const items = count(
      project,
      "SELECT count(*) AS n FROM items INDEXED BY items_in_order WHERE source <> 'inspect' AND answers > 1 AND id BETWEEN ? AND ?",
      ...block,
    );
    const done =
      count(
        project,
        'SELECT count(DISTINCT item_id) AS n FROM rankings INDEXED BY rankings_first WHERE labeler_id = ? AND item_id BETWEEN ? AND ? AND repeat_of IS NULL',
        labelerId,
        ...block,
      ) -
      count(
        project,
        `SELECT count(*) AS n FROM ${ASIDE} AND i.id BETWEEN ? AND ? AND EXISTS (SELECT 1 FROM ${OWN})`,
        ...block,
        labelerId,
      );
    if (done < items) break;
    await turn();
  }
  return id === at.id ? at : { segment: at.segment, key: id - 0.5, id };
}

/** The next open item behind `after` (or from the beginning), never `after` itself; null where there is none. */
export async function nextOpen(queue: Queue, after: number | null): Promise<number | null> {
  const { memory, end } = queue;
  const from = after === null ? null : placeIn(queue, after);
  const known = memory?.stretches.find((stretch) =>
    from === null
      ? stretch.from === null
      : (stretch.from === null || compare(stretch.from, from) <= 0) && compare(from, stretch.to) < 0,
  );
  const reopened = memory?.reopened;
  const found = known
    ? await scan(queue, known.to, true)
    : from
      ? await scan(queue, from, false)
      : await scan(queue, FIRST, true);
  if (memory && memory.reopened === reopened) {
    if (known) known.to = found ?? end;
    else
      memory.stretches = [
        ...memory.stretches.filter((stretch) => stretch.from === null && from !== null),
        { from, to: found ?? end },
      ];
  }
  return found?.id ?? null;
}

/** Whether an item is in the queue and open. */
export function isOpen(queue: Queue, itemId: number): boolean {
  return queue.segments.some(
    ({ from, where, values, open, openValues }) =>
      query(queue.project, `SELECT 1 FROM ${from} WHERE i.id = ? AND ${where} AND ${open}`).get(
        itemId,
        ...values,
        ...openValues,
      ) !== undefined,
  );
}

/** Forgets that there is nothing open around an item: it may be open again. */
export function reopen(queue: Queue, itemId: number): void {
  const { memory } = queue;
  if (!memory) return;
  memory.reopened++;
  const place = memory.stretches.length > 0 ? placeIn(queue, itemId) : null;
  if (!place) return;
  for (const stretch of memory.stretches)
    if ((stretch.from === null || compare(stretch.from, place) < 0) && compare(place, stretch.to) < 0)
      stretch.to = place;
}

/**
 * How many items the queue holds, `open` of them open. Of those that the model contradicts, what was looked at again
 * and stayed so counts as done.
 */
export function countAll(queue: Queue, open: number): number {
  const { name, project, model, labelerId } = queue;
  if (overAll(name))
    return count(
      project,
      "SELECT count(*) AS n FROM items INDEXED BY items_in_order WHERE source <> 'inspect' AND answers > 1",
    );
  if (name === 'disagrees')
    return model
      ? open +
          count(
            project,
            `SELECT count(*) AS n FROM rankings r INDEXED BY rankings_confirmed JOIN disagreements d ON d.item_id = r.item_id AND d.model_id = ? AND d.labeler_id = r.labeler_id
      WHERE r.labeler_id = ? AND r.confirmed_at >= ? AND r.repeat_of IS NULL`,
            model.id,
            labelerId,
            model.createdAt,
          )
      : 0;
  if (name === 'uncertain')
    return model
      ? count(
          project,
          `SELECT count(*) AS n FROM item_scores INDEXED BY item_scores_by_gap WHERE model_id = ?`,
          model.id,
        ) -
          count(
            project,
            `SELECT count(*) AS n FROM ${ASIDE} AND EXISTS (SELECT 1 FROM item_scores s WHERE s.item_id = i.id AND s.model_id = ?)`,
            model.id,
          )
      : 0;
  return queue.segments.reduce(
    (total, { from, where, values }) =>
      total + count(project, `SELECT count(*) AS n FROM ${from} WHERE ${where}`, ...values),
    0,
  );
}

/** How many items of the queue are open. */
export async function countOpen(queue: Queue): Promise<number> {
  const { name, project, labelerId, end } = queue;
  if (overAll(name))
    return (
      countAll(queue, 0) -
      count(
        project,
        'SELECT count(DISTINCT item_id) AS n FROM rankings INDEXED BY rankings_first WHERE labeler_id = ? AND item_id IS NOT NULL AND repeat_of IS NULL',
        labelerId,
      ) +
      count(project, `SELECT count(*) AS n FROM ${ASIDE} AND EXISTS (SELECT 1 FROM ${OWN})`, labelerId)
    );
  let total = 0;
  const sliced = name === 'uncertain' || name === 'disagrees'; // as long as the project
  for (const { from, where, values, open, openValues } of queue.segments)
    if (!sliced)
      total += count(project, `SELECT count(*) AS n FROM ${from} WHERE ${where} AND ${open}`, ...values, ...openValues);
    else
      for (let id = 0; id <= end.id; id += SLICE) {
        total += count(
          project,
          `SELECT count(*) AS n FROM ${from} WHERE ${where.replace('s.model_id', '+s.model_id')} AND s.item_id BETWEEN ? AND ? AND ${open}`,
          ...values,
          id,
          id + SLICE - 1,
          ...openValues,
        );
        await turn();
      }
  return total;
}

/**
 * Why an item comes, in queues where hidden repeats come too: a sentence that says the same of every item. A figure of
 * the
 * item's own, such as how close its scores are, would stand out where a repeat comes out of order.
 */
const OF_ALL: Partial<Record<QueueName, string>> = {
  sequential: 'It is the next in the order in which the answers came into the project.',
  shuffled: 'It is the next in an order drawn at random.',
  newest: 'The newest answers come first.',
  uncertain: 'The reward model is unsure which answer is best; where it is least sure comes first.',
};
export const reasonOfRepeat = (name: QueueName): string | null => OF_ALL[name] ?? null;

/** Why an item comes in this queue, in a sentence; null where it does not belong to it. */
export function reasonOf(queue: Queue, itemId: number): string | null {
  const { project, labelerId, model } = queue;
  const row = <T>(sql: string, ...values: Value[]) => query<T>(project, sql).get(...values);
  const flag = () =>
    row<{ name: string; own: number; whole: number }>(
      `SELECT l.name, f.labeler_id = ? AS own, f.item_id IS NOT NULL AS whole FROM flags f JOIN labelers l ON l.id = f.labeler_id
    WHERE f.item_id = ? OR f.completion_id IN (SELECT completion_id FROM item_completions WHERE item_id = ?) ORDER BY f.id DESC LIMIT 1`,
      labelerId,
      itemId,
      itemId,
    );
  switch (queue.name) {
    case 'sequential':
    case 'shuffled':
    case 'newest':
      return OF_ALL[queue.name]!;
    case 'uncertain':
      return model && row('SELECT 1 FROM item_scores WHERE item_id = ? AND model_id = ?', itemId, model.id)
        ? OF_ALL.uncertain!
        : null;
    case 'disagrees': {
      const found =
        model &&
        row<{ agreed: number; own: number | null }>(
          `SELECT s.agreed, (SELECT d.agreed FROM disagreements d WHERE d.item_id = s.item_id AND d.model_id = s.model_id AND d.labeler_id = ?) AS own
        FROM item_scores s WHERE s.item_id = ? AND s.model_id = ? AND s.agreed < 1`,
          labelerId,
          itemId,
          model.id,
        );
      return found
        ? `The reward model orders ${Math.round(100 * (1 - (found.own ?? found.agreed)))} % of the pairs the other way than ${found.own === null ? "another labeler's" : 'your'} ranking.`
        : null;
    }
    case 'flagged': {
      const found = flag();
      return found ? `${found.own ? 'You' : found.name} flagged ${found.whole ? 'it' : 'one of its answers'}.` : null;
    }
    case 'drafts':
      return isOpen(queue, itemId) ? 'You began it and have not submitted it.' : null;
    case 'skipped':
      return isOpen(queue, itemId) ? 'You skipped it.' : null;
    case 'submitted':
      return isOpen(queue, itemId) ? 'You submitted it; submitting again replaces that.' : null;
    case 'requested': {
      const found = row<{ reason: string | null }>(
        "SELECT reason FROM items WHERE id = ? AND source = 'inspect'",
        itemId,
      );
      return found ? `It was asked for on the Inspect screen${found.reason ? `: ${found.reason}` : ''}.` : null;
    }
  }
}
