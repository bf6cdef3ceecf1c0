// Markdown of a page as elements. Contract: builds elements for headings, paragraphs, lists, tables, bold,
// italic and code; everything else, HTML and links above all, stays the text it is. Every text node knows its
// place in the source, so highlights given as spans of the source come out as <mark>.
// `render(source, start, end, spans)` renders source[start:end]; offsets and spans count from the source's start.

import { h } from "./dom.js";

export function render(source, start, end, spans = []) {
  const out = document.createDocumentFragment();
  const lines = splitLines(source, start, end);
  let i = 0;
  while (i < lines.length) {
    const line = lines[i];
    if (!line.text.trim()) {
      i += 1;
    } else if (HEADING.test(line.text)) {
      out.append(heading(source, line, spans));
      i += 1;
    } else if (isTable(lines, i)) {
      let last = i + 2;
      while (last < lines.length && lines[last].text.includes("|") && lines[last].text.trim()) last += 1;
      out.append(table(source, lines.slice(i, last), spans));
      i = last;
    } else if (ITEM.test(line.text)) {
      let last = i + 1;
      while (last < lines.length && (ITEM.test(lines[last].text) || /^\s+\S/.test(lines[last].text))) last += 1;
      out.append(list(source, lines.slice(i, last), spans));
      i = last;
    } else {
      let last = i + 1;
      while (last < lines.length && lines[last].text.trim() && !startsBlock(lines, last)) last += 1;
      out.append(paragraph(source, lines.slice(i, last), spans));
      i = last;
    }
  }
  return out;
}

const HEADING = /^ {0,3}(#{1,6})\s+(.*?)\s*#*\s*$/;
const ITEM = /^(\s*)([-*+•]|\d{1,4}[.)])\s+\S/;
const RULE = /^\s*\|?\s*:?-{3,}:?\s*(\|\s*:?-{3,}:?\s*)*\|?\s*$/;

function splitLines(source, start, end) {
  const lines = [];
  let at = start;
  while (at < end) {
    const found = source.indexOf("\n", at);
    const stop = found === -1 || found > end ? end : found;
    lines.push({ start: at, end: stop, text: source.slice(at, stop) });
    at = stop + 1;
  }
  return lines;
}

const isTable = (lines, i) =>
  lines[i].text.includes("|") &&
  i + 1 < lines.length &&
  RULE.test(lines[i + 1].text) &&
  lines[i + 1].text.includes("|");
const startsBlock = (lines, i) => HEADING.test(lines[i].text) || ITEM.test(lines[i].text) || isTable(lines, i);

function heading(source, line, spans) {
  const [, hashes, content] = HEADING.exec(line.text);
  const from = line.start + line.text.indexOf(content, line.text.indexOf(hashes) + hashes.length);
  // The viewer's own headings are h1 and h2, so a page's begin at h3.
  return h(`h${Math.min(6, hashes.length + 2)}`, {}, inline(source, from, from + content.length, spans));
}

function paragraph(source, lines, spans) {
  const node = h("p");
  lines.forEach((line, i) => {
    if (i) node.append(h("br"));
    node.append(inline(source, line.start, line.end, spans));
  });
  return node;
}

function list(source, lines, spans) {
  const first = ITEM.exec(lines[0].text)[2];
  const ordered = /\d/.test(first);
  const node = h(ordered ? "ol" : "ul", ordered ? { start: String(parseInt(first, 10)) } : {});
  for (const line of lines) {
    const item = ITEM.exec(line.text);
    if (item) {
      const from = line.start + item[0].length - 1;
      node.append(h("li", {}, inline(source, from, line.end, spans)));
    } else {
      node.lastChild.append(" ", inline(source, line.start + line.text.search(/\S/), line.end, spans));
    }
  }
  return node;
}

/** Cells of a table row as [start, end) of the source, trimmed. `\|` does not part cells. */
function cells(source, line) {
  let from = line.start + line.text.search(/\S/);
  let to = line.start + line.text.trimEnd().length;
  if (source[from] === "|") from += 1;
  if (source[to - 1] === "|" && source[to - 2] !== "\\") to -= 1;
  const found = [];
  let at = from;
  for (let i = from; i <= to; i += 1) {
    if (i < to && (source[i] !== "|" || source[i - 1] === "\\")) continue;
    const raw = source.slice(at, i);
    const lead = raw.length - raw.trimStart().length;
    found.push([at + Math.min(lead, raw.length), at + Math.max(lead, raw.trimEnd().length)]);
    at = i + 1;
  }
  return found;
}

const SHORT_CELL = 14; // characters that are not worth a line break

const NUMERIC = /^[\s$€£¥+(-]*\d[\d\s.,']*[\s%)€$£-]*$/;

function table(source, lines, spans) {
  const row = (line, tag) =>
    h(
      "tr",
      {},
      cells(source, line).map(([from, to]) => {
        const numeric = NUMERIC.test(source.slice(from, to));
        const props =
          tag === "th"
            ? { scope: "col" }
            : { class: numeric ? "number" : to - from <= SHORT_CELL ? "short" : undefined };
        return h(tag, props, inline(source, from, to, spans));
      }),
    );
  const hasHead = cells(source, lines[0]).some(([from, to]) => to > from);
  return h(
    "div",
    { class: "table-scroll", tabindex: "0", role: "region", "aria-label": "Table" },
    h(
      "table",
      {},
      hasHead ? h("thead", {}, row(lines[0], "th")) : null,
      h(
        "tbody",
        {},
        lines.slice(2).map((line) => row(line, "td")),
      ),
    ),
  );
}

// Emphasis must hug its words, so that "2 * 3 * 4" and "snake_case_name" stay as they are.
const INLINE = new RegExp(
  [
    /\\([\\`*_{}[\]()#+\-.!|<>])/, // 1: an escaped sign
    /(`+)(.+?)\2(?!`)/, // 2: the ticks around code
    /(\*\*|__)(?=\S)(.+?)(?<=\S)\4/, // 4: the signs around bold text
    /(?<![\w*])([*_])(?=[^\s*_])(.+?)(?<=[^\s*_])\6(?!\w)/, // 6: the sign around italic text
    /<br\s*\/?>/,
  ]
    .map((part) => part.source)
    .join("|"),
  "g",
);
// Matching takes time that grows faster than the text: a line made to be slow is shown as it is.
const LONGEST_LINE = 4000;

function inline(source, start, end, spans) {
  if (end - start > LONGEST_LINE) return plain(source, start, end, spans);
  const out = document.createDocumentFragment();
  const text = source.slice(start, end);
  let at = 0;
  for (const match of text.matchAll(INLINE)) {
    out.append(plain(source, start + at, start + match.index, spans));
    const from = start + match.index;
    const to = from + match[0].length;
    if (match[1]) out.append(plain(source, from + 1, to, spans));
    else if (match[2]) out.append(h("code", {}, plain(source, from + match[2].length, to - match[2].length, spans)));
    else if (match[4]) out.append(h("strong", {}, inline(source, from + 2, to - 2, spans)));
    else if (match[6]) out.append(h("em", {}, inline(source, from + 1, to - 1, spans)));
    else out.append(h("br"));
    at = match.index + match[0].length;
  }
  out.append(plain(source, start + at, end, spans));
  return out;
}

/** Text with marks: the only place where characters of a page become nodes. */
export function plain(source, start, end, spans) {
  const out = document.createDocumentFragment();
  let at = start;
  for (const [from, to] of spans) {
    if (to <= at) continue;
    if (from >= end) break;
    const a = Math.max(from, at);
    const b = Math.min(to, end);
    if (a > at) out.append(source.slice(at, a));
    out.append(h("mark", { text: source.slice(a, b) }));
    at = b;
  }
  if (at < end) out.append(source.slice(at, end));
  return out;
}
