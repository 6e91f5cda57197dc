// The desk's smaller parts: marks snapped to tokens, the pieces of a text, the clock of active time, the line of
// writes.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { DeskItem } from '#core/contract/desk.ts';
import type { Mark } from '#core/contract/rankings.ts';
import { createActiveClock } from '#renderer/components/desk/active-time.ts';
import { createLookahead } from '#renderer/components/desk/lookahead.ts';
import {
  markAt,
  pieces,
  snap,
  step,
  stops,
  tailOf,
  leadOf,
  trim,
  wholeLetters,
} from '#renderer/components/desk/spans.ts';
import { createWriteLine, type LineState } from '#renderer/components/desk/write-line.ts';

const text = fc.string({ unit: fc.constantFrom('a', 'b', ' ', '\n', 'é', '😀', '.'), maxLength: 30 });
/** A text and spans that tile it, as a tokenizer gives them. */
const tokenized = fc.tuple(text, fc.array(fc.nat(60), { maxLength: 12 })).map(([whole, cuts]) => {
  const borders = [...new Set([0, ...cuts.map((cut) => cut % (whole.length + 1)), whole.length])].sort((a, b) => a - b);
  return { whole, spans: borders.slice(0, -1).map((start, i) => ({ start, end: borders[i + 1]! })) };
});
const stretch = fc.record({ start: fc.nat(40), end: fc.nat(40) });
const mark = (id: number, start: number, end: number): Mark => ({
  id,
  completionId: 1,
  labelerId: 1,
  start,
  end,
  label: 'x',
  note: null,
});

describe('snapping to tokens', () => {
  it('covers what was selected, reaches only to token borders, and has no space at its edges', () => {
    fc.assert(
      fc.property(tokenized, stretch, ({ whole, spans }, picked) => {
        const bare = trim(whole, picked);
        const snapped = snap(whole, spans, picked);
        expect(snapped === null).toBe(!bare);
        if (!bare) return;
        expect(snapped!.start).toBeLessThanOrEqual(bare.start);
        expect(snapped!.end).toBeGreaterThanOrEqual(bare.end);
        expect(whole.slice(snapped!.start, snapped!.end).trim()).toHaveLength(snapped!.end - snapped!.start);
        const first = spans.find((span) => span.end > bare.start)!;
        const last = spans.findLast((span) => span.start < bare.end)!;
        expect(snapped).toEqual(trim(whole, { start: first.start, end: last.end }));
      }),
    );
  });
  it('takes the word a half selection touches, and not the next one over a space', () => {
    const words = [
      { start: 0, end: 5 },
      { start: 5, end: 11 },
    ];
    expect(snap('hello world', words, { start: 2, end: 6 })).toEqual({ start: 0, end: 5 });
    expect(snap('hello world', words, { start: 8, end: 7 })).toEqual({ start: 6, end: 11 });
    expect(snap('hello world', words, { start: 5, end: 6 })).toBeNull();
  });
});

describe('the caret', () => {
  it('reaches every stop and both ends, forwards and backwards', () => {
    fc.assert(
      fc.property(tokenized, ({ whole, spans }) => {
        const places = stops(whole, spans);
        const walk = (direction: -1 | 1) => {
          const seen = [direction > 0 ? 0 : whole.length];
          for (
            let at = seen[0]!, next = step(whole, places, at, direction, false);
            next !== at;
            at = next, next = step(whole, places, at, direction, false)
          )
            seen.push(next);
          return seen;
        };
        expect(walk(1)).toEqual(places);
        expect(walk(-1)).toEqual(places.toReversed());
      }),
    );
  });
  it('goes by what a person takes for one letter: flags, families, accents', () => {
    const letters = ['🇩🇪', '🇫🇷', 'e\u0301', '👩‍👩‍👧', 'a', '각', '\u0928\u093f'];
    const whole = letters.join('');
    const seen = ['']; // forwards, then back
    for (
      let at = 0, next = step(whole, [], at, 1, true);
      at < whole.length;
      at = next, next = step(whole, [], at, 1, true)
    )
      seen.push(whole.slice(at, next));
    expect(seen.slice(1)).toEqual(letters);
    for (let at = whole.length, i = letters.length - 1; at > 0; i--) {
      const before = step(whole, [], at, -1, true);
      expect(whole.slice(before, at)).toBe(letters[i]);
      at = before;
    }
    expect(
      stops('e\u0301', [
        { start: 0, end: 1 },
        { start: 1, end: 2 },
      ]),
    ).toEqual([0, 2]); // a token may cut a letter, the caret may not
    expect(wholeLetters('a🇩🇪b', { start: 2, end: 3 })).toEqual({ start: 1, end: 5 });
  });
  it('never stops inside a surrogate pair', () => {
    expect(step('a😀b', [0, 4], 1, 1, true)).toBe(3);
    expect(step('a😀b', [0, 4], 3, -1, true)).toBe(1);
  });
});

describe('the pieces of a text', () => {
  it('joined are the text, each drawn with exactly the marks that cover it', () => {
    fc.assert(
      fc.property(
        text,
        fc.array(stretch, { maxLength: 4 }),
        fc.option(stretch, { nil: null }),
        fc.option(fc.nat(40), { nil: null }),
        (whole, stretches, selection, caret) => {
          const inside = (offset: number) => Math.min(offset, whole.length);
          const marks = stretches
            .map(({ start, end }, i) => mark(i, inside(Math.min(start, end)), inside(Math.max(start, end))))
            .filter(({ start, end }) => start < end);
          const found = pieces(
            whole,
            marks,
            selection && {
              start: Math.min(selection.start, selection.end),
              end: Math.max(selection.start, selection.end),
            },
            caret,
          );
          expect(found.map((piece) => piece.text).join('')).toBe(whole);
          for (const piece of found) {
            for (let offset = piece.start; offset < piece.end; offset++)
              expect(piece.marks).toEqual(marks.filter(({ start, end }) => start <= offset && end > offset));
          }
          expect(found.filter((piece) => piece.caret)).toHaveLength(caret === null ? 0 : 1);
          for (const { id } of marks)
            expect(found.filter((piece) => piece.ends.some((ending) => ending.id === id))).toHaveLength(1);
        },
      ),
    );
  });
  it('are cut where the words begin and end, so that the white space around them can be left out', () => {
    const text = '\n\n  Yes.  \n';
    const found = pieces(text, [], null, null);
    expect(
      found.filter(({ start, end }) => end > leadOf(text) && start < tailOf(text)).map((piece) => piece.text),
    ).toEqual(['Yes.']);
    expect([leadOf('  '), tailOf('  ')]).toEqual([0, 2]);
  });
  it('has under the caret the shortest mark that touches it', () => {
    const marks = [mark(1, 0, 10), mark(2, 3, 6), mark(3, 10, 12)];
    expect(markAt(marks, 4)?.id).toBe(2);
    expect(markAt(marks, 8)?.id).toBe(1);
    expect(markAt(marks, 10)?.id).toBe(3);
    expect(markAt(marks, 12)?.id).toBe(3);
    expect(markAt(marks, 13)).toBeNull();
  });
});

it('the clock counts work, not absence', () => {
  let time = 0;
  const clock = createActiveClock(() => time, 60_000);
  const pass = (milliseconds: number) => void (time += milliseconds);
  pass(10_000);
  clock.touch();
  expect(clock.read()).toBe(10_000);
  pass(600_000); // the coffee: only the first minute of it can have been work
  expect(clock.read()).toBe(70_000);
  clock.touch();
  pass(5_000);
  clock.show(false);
  pass(300_000);
  expect(clock.read()).toBe(75_000);
  clock.show(true);
  pass(1_000);
  expect(clock.read()).toBe(76_000);
  clock.restart(500);
  pass(20);
  expect(clock.read()).toBe(520);
});

describe('the line of writes', () => {
  const setUp = () => {
    const states: LineState[] = [];
    const written: string[] = [];
    const line = createWriteLine((state) => states.push(state));
    const write = (name: string, fails?: () => boolean) => async () => {
      await Promise.resolve();
      if (fails?.()) throw new Error(name);
      written.push(name);
      return { at: written.length };
    };
    return { states, written, line, write };
  };
  it('writes one after another and says saved only at the end', async () => {
    const { states, written, line, write } = setUp();
    for (const name of ['a', 'b', 'c']) line.add(write(name));
    expect(states).toEqual([{ kind: 'saving' }]);
    await line.settled();
    expect(written).toEqual(['a', 'b', 'c']);
    expect(states.at(-1)).toEqual({ kind: 'saved', at: 3 });
  });
  it('replaces only typed text that waits directly before, never what is on its way or what something depends on', async () => {
    const { written, line, write } = setUp();
    for (const name of ['h', 'he', 'hel']) line.add(write(name), 'note');
    line.add(write('submit'));
    line.add(write('x'), 'note');
    line.add(write('xy'), 'note');
    await line.settled();
    expect(written).toEqual(['h', 'hel', 'submit', 'xy']);
  });
  it('stops at a failure, keeps everything, and goes on in order when tried again', async () => {
    const { states, written, line, write } = setUp();
    let broken = true;
    line.add(write('a'));
    line.add(write('b', () => broken));
    await expect(line.settled()).rejects.toThrow('b');
    line.add(write('c'));
    expect(states.at(-1)?.kind).toBe('failed');
    expect(written).toEqual(['a']);
    await expect(line.settled()).rejects.toThrow('b');
    broken = false;
    line.retry();
    await line.settled();
    expect(written).toEqual(['a', 'b', 'c']);
    expect(states.at(-1)?.kind).toBe('saved');
  });
  it('can be given up, also while a write is on its way', async () => {
    const { written, line, write } = setUp();
    line.add(write('a', () => true));
    await expect(line.settled()).rejects.toThrow('a');
    line.add(write('b'));
    line.giveUp();
    await line.settled();
    line.add(write('c'));
    line.add(write('d'));
    line.giveUp();
    line.add(write('e'));
    await line.settled();
    expect(written).toEqual(['c', 'e']);
  });
});

describe('what comes next', () => {
  it('is there for the item it was fetched for, and for no other', async () => {
    const next = { itemId: 2 } as DeskItem;
    const ahead = createLookahead(async (after) => (after === 1 ? next : null));
    ahead.fetch(1);
    expect(ahead.after(1)?.value).toBeUndefined(); // on its way
    expect(await ahead.after(1)!.item).toBe(next);
    expect(ahead.after(1)!.value).toBe(next);
    expect(ahead.after(2)).toBeNull();
    ahead.fetch(2);
    expect(ahead.after(1)).toBeNull();
    expect(await ahead.after(2)!.item).toBeNull();
    ahead.forget();
    expect(ahead.after(2)).toBeNull();
  });
  it('is as if it had not been asked for where that failed', async () => {
    const ahead = createLookahead(() => Promise.reject(new Error('gone')));
    ahead.fetch(1);
    await expect(ahead.after(1)!.item).rejects.toThrow('gone');
    expect(ahead.after(1)).toBeNull();
  });
});
