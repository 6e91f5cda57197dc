// Where the caret goes a line up or down: read off the text as the browser has laid it out.

interface Place {
  at: number;
  top: number;
  bottom: number;
  left: number;
}

/** The rectangles of the characters at these offsets of an element's text. */
function layOut(box: HTMLElement, places: readonly number[]): Place[] {
  const walker = document.createTreeWalker(box, NodeFilter.SHOW_TEXT);
  const nodes: { node: Text; start: number }[] = [];
  let length = 0;
  for (let node = walker.nextNode() as Text | null; node; node = walker.nextNode() as Text | null) {
    nodes.push({ node, start: length });
    length += node.length;
  }
  const range = document.createRange();
  return places.flatMap((at) => {
    const found = nodes.findLast(({ node, start }) => start <= at && node.length > 0);
    if (!found) return [];
    const inside = Math.min(at - found.start, found.node.length);
    const last = inside === found.node.length; // past the end: the right edge of the last character
    range.setStart(found.node, last ? inside - 1 : inside);
    range.setEnd(found.node, last ? inside : inside + 1);
    const rectangles = range.getClientRects();
    const rectangle = last ? rectangles[rectangles.length - 1] : rectangles[0];
    return rectangle
      ? [{ at, top: rectangle.top, bottom: rectangle.bottom, left: last ? rectangle.right : rectangle.left }]
      : [];
  });
}

/**
 * The place nearest to straight above or below `at` on the neighbouring line; `at` itself on the first or last line.
 */
export function lineNeighbour(box: HTMLElement, places: readonly number[], at: number, direction: -1 | 1): number {
  const laid = layOut(
    box,
    [...new Set([...places, at])].sort((a, b) => a - b),
  );
  const here = laid.find((place) => place.at === at);
  if (!here) return at;
  const middle = (place: Place) => (place.top + place.bottom) / 2;
  const beyond = laid.filter((place) => (direction > 0 ? middle(place) > here.bottom : middle(place) < here.top));
  if (beyond.length === 0) return at;
  const line =
    direction > 0
      ? beyond.reduce((a, b) => (middle(b) < middle(a) ? b : a))
      : beyond.reduce((a, b) => (middle(b) > middle(a) ? b : a));
  const onLine = beyond.filter((place) => middle(place) > line.top && middle(place) < line.bottom);
  return onLine.reduce((a, b) => (Math.abs(b.left - here.left) < Math.abs(a.left - here.left) ? b : a)).at;
}
