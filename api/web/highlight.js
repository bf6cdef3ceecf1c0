// Which words of a page answer to a query, found in the browser for pages that are opened by hand, paged to
// or linked. Contract: `findSpans` gives half-open character spans, never more than MOST; `boxesOf` turns
// spans into boxes, one per run of neighbouring words on a line. Server highlights are used where there are any.

const MOST = 400;
const STOP = new Set(
  (
    "a an and are as at be by did do does for from had has have how i in is it its of on or that the their there " +
    "they this to was were what when where which who whom whose why will with would " +
    "der die das und ist in zu den von mit im für auf ein eine le la les des du et est un une dans pour que qui"
  ).split(" "),
);

/** Lower case, without accents or the punctuation around it. */
export function fold(word) {
  return word
    .normalize("NFKD")
    .replace(/\p{M}/gu, "")
    .toLowerCase()
    .replace(/^[^\p{L}\p{N}]+|[^\p{L}\p{N}]+$/gu, "");
}

/** { phrases: [[word…]…], words: [word…] } */
export function parseQuery(query) {
  const phrases = [];
  const rest = query.replace(/["“”„]([^"“”„]+)["“”„]/g, (_, inside) => {
    const words = inside.split(/\s+/).map(fold).filter(Boolean);
    if (words.length) phrases.push(words);
    return " ";
  });
  const words = rest.split(/\s+/).map(fold).filter(Boolean);
  const telling = words.filter((word) => !STOP.has(word));
  return { phrases, words: telling.length || phrases.length ? telling : words };
}

const stem = (word) => (word.length > 4 ? word.replace(/('s|ies|ing|ed|es|s|ly)$/, "") : word);
const hasDigit = (word) => /\d/.test(word);
// Characters that scans confuse: they count as equal in numbers and identifiers.
const blur = (word) =>
  word.replace(/[oq]/g, "0").replace(/[il|]/g, "1").replace(/s/g, "5").replace(/b/g, "8").replace(/z/g, "2");

function withinEdits(a, b, most) {
  if (Math.abs(a.length - b.length) > most) return false;
  let previous = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= b.length; j += 1) {
      row[j] = Math.min(previous[j] + 1, row[j - 1] + 1, previous[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1));
    }
    previous = row;
  }
  return previous[b.length] <= most;
}

/** Whether a folded word of a page is a folded word of a query: same, same stem, or misread by a letter or two. */
export function matches(asked, word) {
  if (asked === word) return true;
  if (!word || asked.length < 3) return false;
  if (hasDigit(asked)) return hasDigit(word) && blur(asked) === blur(word);
  if (stem(asked) === stem(word)) return true;
  if (asked.length < 5 || word.length < 4) return false;
  return withinEdits(asked, word, asked.length >= 9 ? 2 : 1);
}

/** The same for a word of the page that may be two: "harbour-master" answers to "master". */
function matchesAny(asked, word) {
  if (matches(asked, word)) return true;
  const parts = word.split(/[-–—/’']/);
  return parts.length > 1 && !hasDigit(word) && parts.some((part) => matches(asked, part));
}

/** Words of a text as [start, end] where the API gave none. */
export const tokenize = (text) => Array.from(text.matchAll(/[^\s|*#`]+/g), (m) => [m.index, m.index + m[0].length]);

/** Spans in `text` that answer to `query`. `spans` are the page's words in reading order. */
export function findSpans(query, text, spans) {
  const { phrases, words } = parseQuery(query);
  const folded = spans.map(([start, end]) => fold(text.slice(start, end)));
  const found = [];
  for (const phrase of phrases) {
    for (let i = 0; i + phrase.length <= folded.length; i += 1) {
      if (phrase.every((word, k) => folded[i + k] === word)) found.push([spans[i][0], spans[i + phrase.length - 1][1]]);
    }
  }
  const wanted =
    found.length || !phrases.length ? words : [...words, ...phrases.flat().filter((word) => !STOP.has(word))];
  const verdicts = new Map();
  folded.forEach((word, i) => {
    if (!verdicts.has(word))
      verdicts.set(
        word,
        wanted.some((asked) => matchesAny(asked, word)),
      );
    if (verdicts.get(word)) found.push(spans[i]);
  });
  return mergeSpans(found).slice(0, MOST);
}

function mergeSpans(spans) {
  const merged = [];
  for (const [start, end] of [...spans].sort((a, b) => a[0] - b[0])) {
    const last = merged.at(-1);
    if (last && start <= last[1]) last[1] = Math.max(last[1], end);
    else merged.push([start, end]);
  }
  return merged;
}

/** Boxes of the words under these spans. `words` are { span, box } in reading order. */
export function boxesOf(spans, words) {
  const boxes = [];
  for (const [start, end] of spans) {
    const inside = words.filter((word) => word.span[0] < end && word.span[1] > start).map((word) => word.box);
    boxes.push(...joinLine(inside));
  }
  return boxes;
}

/** Neighbouring boxes on a line as one, so that a phrase is marked as a phrase. */
export function joinLine(boxes) {
  const joined = [];
  for (const box of boxes) {
    const last = joined.at(-1);
    const height = box[3] - box[1];
    const shared = last ? Math.min(last[3], box[3]) - Math.max(last[1], box[1]) : 0;
    if (last && shared > height / 2 && box[0] >= last[0] && box[0] - last[2] < 1.5 * height) {
      joined[joined.length - 1] = [
        last[0],
        Math.min(last[1], box[1]),
        Math.max(last[2], box[2]),
        Math.max(last[3], box[3]),
      ];
    } else {
      joined.push([...box]);
    }
  }
  return joined;
}
