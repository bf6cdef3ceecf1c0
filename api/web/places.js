// Places in a text. The API counts characters (Unicode code points), JavaScript UTF-16 code units, of which a letter of
// mathematics, an emoji or a rare Chinese character has two. Contract: `unitsOf(text)` and `charactersOf(text)` give
// functions from the one to the other, for places in that text; those behind its end are its end.

const TWO = /[\u{10000}-\u{10FFFF}]/u;

export function unitsOf(text) {
  if (!TWO.test(text)) return (at) => Math.min(at, text.length);
  const starts = []; // of each character
  for (let unit = 0; unit < text.length; unit += text.codePointAt(unit) > 0xffff ? 2 : 1) starts.push(unit);
  return (at) => starts[at] ?? text.length;
}

export function charactersOf(text) {
  if (!TWO.test(text)) return (at) => Math.min(at, text.length);
  return (at) => Array.from(text.slice(0, at)).length;
}
