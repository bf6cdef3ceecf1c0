// Which words of a page answer to a query, found in the browser for pages that are opened by hand, paged to
// or linked. Contract: `findSpans` gives half-open character spans, never more than MOST; `boxesOf` turns
// spans into boxes, one per run of neighbouring words on a line. Words are judged by the rules of the service's search
// (index/words.py, fuzzy.py, matching.py), so that what it marks in a list is marked on the page as well.

import { stem } from "./stem.js";

const MOST = 400;
const LETTERS = { ς: "σ", œ: "oe", æ: "ae", ø: "o", ł: "l", đ: "d" };
const STOP = new Set(
  (
    "a about above after again all also am an and any are as at be because been before being below between both but " +
    "by can could did do does doing down during each few for from further had has have having he her here hers him " +
    "his how i if in into is it its itself just me more most my no nor not of off on once only or other our out over " +
    "own please same she should so some such than that the their them then there these they this those through to " +
    "too under until up upon us very was we were what when where which while who whom whose why will with would you " +
    "your tell show find give list many much " +
    "der die das den dem des ein eine einer eines einem einen und oder aber ist sind waren wird werden mit von vom " +
    "zu zum zur im in am an auf aus bei nach über wie was wer wo wann warum welche welcher welches nicht auch " +
    "le la les un une des du de et ou est sont dans sur pour par avec que qui quoi quel quelle où quand comment"
  )
    .split(" ")
    .map(fold),
);

/** Lower case, without accents or the punctuation around it; "ß" is "ss", as in capitals. */
export function fold(word) {
  return word
    .normalize("NFKD")
    .replace(/\p{M}/gu, "")
    .toLowerCase()
    .replace(/ß/g, "ss")
    .replace(/[ςœæøłđ]/g, (letter) => LETTERS[letter])
    .replace(/’/g, "'")
    .replace(/^[^\p{L}\p{N}]+|[^\p{L}\p{N}]+$/gu, "");
}

const hasDigit = (word) => /\d/.test(word);
const WITHIN = /[-‐‑–—/]/; // what joins words

// Scripts without spaces between words, as in index/words.py: of those, two signs side by side are a word.
const SIGNS = /[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff]+/g;
export const hasSigns = (text) => text.search(SIGNS) !== -1;
const pairsOf = (run) => (run.length === 1 ? [run] : Array.from({ length: run.length - 1 }, (_, i) => run.slice(i, i + 2)));
const signsOf = (text) => (text.match(SIGNS) ?? []).flatMap(pairsOf);

/** { phrases: [[word…]…], words: [word…], quotes: [text…], signs: [pair…] }, the last two of scripts without spaces. */
export function parseQuery(query) {
  const phrases = [];
  const quotes = [];
  const rest = query.replace(/["“”„]([^"“”„]+)["“”„]|«([^»]+)»/g, (_, quoted, inside) => {
    const phrase = quoted ?? inside;
    const words = phrase.split(/\s+/).map(fold).filter(Boolean);
    if (hasSigns(phrase)) quotes.push(phrase);
    else if (words.length) phrases.push(words);
    return " ";
  });
  const signs = signsOf(rest);
  const words = rest
    .replace(SIGNS, " ")
    .split(/\s+/)
    .map(fold)
    .flatMap((word) => (hasDigit(word) ? [word] : word.split(WITHIN)))
    .filter(Boolean);
  const telling = words.filter((word) => !STOP.has(word));
  const others = phrases.length || quotes.length || signs.length;
  return { phrases, words: telling.length || others ? telling : words, quotes, signs };
}

// Characters that scans confuse: they count as equal in numbers and identifiers …
const blur = (word) =>
  word.replace(/[oq]/g, "0").replace(/[il|]/g, "1").replace(/s/g, "5").replace(/b/g, "8").replace(/z/g, "2");

// … and in words.
const ALIKE = { 0: "o", 1: "l", i: "l", "|": "l", "!": "l", 5: "s", 8: "b", 6: "b", 9: "g", 2: "z", j: "l" };
const shape = (word) =>
  word
    .replaceAll("rn", "m")
    .replaceAll("vv", "w")
    .replaceAll("cl", "d")
    .replace(/[01i|!58692j]/g, (letter) => ALIKE[letter]);

/** Each word of a page is compared with each of a query, and worked out once. */
function remembering(work) {
  const known = new Map();
  return Object.assign(
    (word) => {
      if (!known.has(word)) known.set(word, work(word));
      return known.get(word);
    },
    { forget: () => known.clear() },
  );
}
const rootOf = remembering(stem);
const shapeOf = remembering(shape);

/** Letters that are wrong, missing, too many, or two in each other's place. */
function withinEdits(a, b, most) {
  if (Math.abs(a.length - b.length) > most) return false;
  let before = [];
  let previous = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= b.length; j += 1) {
      row[j] = Math.min(previous[j] + 1, row[j - 1] + 1, previous[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) row[j] = Math.min(row[j], before[j - 2] + 1);
    }
    before = previous;
    previous = row;
  }
  return previous[b.length] <= most;
}

/** Whether a folded word of a page is a folded word of a query: the same, or of the same stem. */
function isSame(asked, word) {
  if (asked === word) return true;
  if (hasDigit(asked)) return hasDigit(word) && blur(asked) === blur(word);
  return rootOf(asked) === rootOf(word);
}

/** Whether it may be that word misread, by a letter or two. */
function isNear(asked, word) {
  if (asked.length < 5 || hasDigit(asked) || STOP.has(word)) return false;
  const [a, b] = [shapeOf(asked), shapeOf(word)];
  return withinEdits(a, b, a.length < 5 ? 0 : a.length < 8 ? 1 : 2);
}

/** The same for a word of the page that may be several: "harbour-master" answers to "master", "l'eau" to "eau". */
function anyPart(judge, asked, word) {
  if (judge(asked, word)) return true;
  const parts = hasDigit(word) ? [] : word.split(/[-‐‑–—/']/);
  return parts.length > 1 && parts.some((part) => part && judge(asked, part));
}

/** Words as [start, end] where the API gave none. */
export const tokenize = (text) => Array.from(text.matchAll(/[^\s|*#`]+/g), (m) => [m.index, m.index + m[0].length]);

/** Spans in `text` that answer to `query`. `spans` are the page's words in reading order. */
export function findSpans(query, text, spans) {
  const { phrases, words, quotes, signs } = parseQuery(query);
  const folded = spans.map(([start, end]) => fold(text.slice(start, end)));
  const found = phrases.flatMap((phrase) => placesOf(phrase, folded, spans));
  found.push(...quotes.flatMap((quote) => signPlaces(quote, text)));
  const whole = found.length || !(phrases.length || quotes.length);
  const wanted = whole ? words : [...words, ...phrases.flat().filter((word) => !STOP.has(word))];
  const pairs = whole ? signs : [...signs, ...quotes.flatMap(signsOf)];
  found.push(...pairs.flatMap((pair) => signPlaces(pair, text)));
  const marked = wordsFor(wanted, new Set(folded));
  folded.forEach((word, i) => marked.has(word) && found.push(spans[i]));
  rootOf.forget();
  shapeOf.forget();
  return mergeSpans(found).slice(0, MOST);
}

/** Where signs stand one after the other; lines may break between them anywhere. */
function signPlaces(signs, text) {
  const pattern = Array.from(signs.replace(/\s+/g, ""), (sign) => sign.replace(/[\\^$.*+?()[\]{}|]/, "\\$&"));
  return Array.from(text.matchAll(new RegExp(pattern.join("\\s*"), "giu")), (m) => [m.index, m.index + m[0].length]);
}

/** Where a phrase stands, letter for letter; or else where it may stand misread. */
function placesOf(phrase, folded, spans) {
  for (const judge of [(asked, word) => asked === word, isNear]) {
    const same = (asked, word) => asked === word || judge(asked, word);
    const places = [];
    for (let i = 0; i + phrase.length <= folded.length; i += 1) {
      if (phrase.every((word, k) => same(word, folded[i + k]))) places.push([spans[i][0], spans[i + phrase.length - 1][1]]);
    }
    if (places.length) return places;
  }
  return [];
}

/** Those of a page's words that are asked for; misread ones only of what does not stand there as it is asked for. */
function wordsFor(wanted, all) {
  const marked = new Set();
  for (const asked of new Set(wanted)) {
    for (const judge of [isSame, isNear]) {
      const found = [...all].filter((word) => word && anyPart(judge, asked, word));
      for (const word of found) marked.add(word);
      if (found.length) break;
    }
  }
  return marked;
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
