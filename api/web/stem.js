// The stem of a folded word, by the same rules as the service's search: Snowball's English stemmer ("Porter 2",
// https://snowballstem.org/algorithms/english/stemmer.html). Contract: pure; what search takes for one word is one word here.

const VOWEL = "[aeiouy]";
const OTHER = "[^aeiouy]";
const SHORT_END = new RegExp(`(^${VOWEL}${OTHER}|${OTHER}${VOWEL}[^aeiouywxY]|^past)$`);
const VOWEL_AND_OTHER = new RegExp(`${VOWEL}${OTHER}`);
const HAS_VOWEL = new RegExp(VOWEL);

const WHOLE = new Map(
  Object.entries({
    skis: "ski",
    skies: "sky",
    idly: "idl",
    gently: "gentl",
    ugly: "ugli",
    early: "earli",
    only: "onli",
    singly: "singl",
  }),
);
for (const word of ["sky", "news", "howe", "atlas", "cosmos", "bias", "andes"]) WHOLE.set(word, word);

const STEP_2 = Object.entries({
  ational: "ate",
  fulness: "ful",
  iveness: "ive",
  ization: "ize",
  ousness: "ous",
  biliti: "ble",
  lessli: "less",
  tional: "tion",
  alism: "al",
  aliti: "al",
  ation: "ate",
  entli: "ent",
  fulli: "ful",
  iviti: "ive",
  ousli: "ous",
  abli: "able",
  alli: "al",
  anci: "ance",
  ator: "ate",
  enci: "ence",
  izer: "ize",
  bli: "ble",
  ogist: "og",
});
const STEP_3 = Object.entries({
  ational: "ate",
  tional: "tion",
  alize: "al",
  icate: "ic",
  iciti: "ic",
  ative: "",
  ical: "ic",
  ness: "",
  ful: "",
});
const STEP_4 = "ement ance ence able ible ment ant ent ism ate iti ous ive ize al er ic".split(" ");

/** Where the part begins that follows the first vowel and the consonant after it, from `at` on. */
function region(word, at) {
  const begin = word.slice(at).search(VOWEL_AND_OTHER);
  return begin < 0 ? word.length : at + begin + 2;
}

export function stem(form) {
  let word = form.replace(/'s$/, "");
  if (word.length < 3) return word;
  if (WHOLE.has(word)) return WHOLE.get(word);
  word = word.replace(/^'/, "").replace(/(^|[aeiouy])y/g, "$1Y");
  const begin = /^(gener|commun|arsen|past|univers|later|emerg|organ|inter)/.exec(word);
  const r1 = begin ? begin[0].length : region(word, 0);
  const r2 = region(word, r1);
  word = step1(word.replace(/('s'|'s|')$/, ""), r1);
  word = replaceEnd(word, r1, STEP_2);
  word = replaceEnd(word, r1, STEP_3, r2);
  return last(word, r1, r2).replaceAll("Y", "y");
}

function step1(whole, r1) {
  let word = whole;
  if (/sses$/.test(word)) word = word.slice(0, -2);
  else if (/(ied|ies)$/.test(word)) word = word.slice(0, word.length > 4 ? -2 : -1);
  else if (/s$/.test(word) && !/(us|ss)$/.test(word) && HAS_VOWEL.test(word.slice(0, -2))) word = word.slice(0, -1);
  if (/^((inn|out|cann|herr|earr|even)ing|(pro|ex|suc)ceed)$/.test(word)) return word;
  const eed = /eed(ly)?$/.exec(word);
  if (eed) {
    if (eed.index >= r1) word = `${word.slice(0, eed.index)}ee`;
  } else {
    word = withoutPast(word, r1);
  }
  return word.replace(/([^aeiouy])[yY]$/, (end, before, at) => (at ? `${before}i` : end));
}

function withoutPast(word, r1) {
  const found = /(ed|ing)(ly)?$/.exec(word);
  const left = found && word.slice(0, found.index);
  if (!found || !HAS_VOWEL.test(left)) return word;
  if (found[0] === "ing" && /^[^aeiouy]y$/.test(left)) return `${left[0]}ie`; // dying
  if (/(at|bl|iz)$/.test(left)) return `${left}e`;
  if (/(bb|dd|ff|gg|mm|nn|pp|rr|tt)$/.test(left)) return /^[aeo](.)\1$/.test(left) ? left : left.slice(0, -1);
  return left.length <= r1 && SHORT_END.test(left) ? `${left}e` : left;
}

/** The longest ending of `ends`, replaced where it lies behind `r1`. */
function replaceEnd(word, r1, ends, r2) {
  const found = ends.filter(([end]) => word.endsWith(end)).sort(([a], [b]) => b.length - a.length)[0];
  if (found) {
    const at = word.length - found[0].length;
    return at >= (found[0] === "ative" ? r2 : r1) ? word.slice(0, at) + found[1] : word;
  }
  if (ends !== STEP_2 || word.length < 3) return word;
  if (/logi$/.test(word)) return word.length - 3 >= r1 ? word.slice(0, -1) : word;
  return /[cdeghkmnrt]li$/.test(word) && word.length - 2 >= r1 ? word.slice(0, -2) : word;
}

function last(whole, r1, r2) {
  let word = whole;
  const end = STEP_4.filter((one) => word.endsWith(one)).sort((a, b) => b.length - a.length)[0];
  if (end) {
    if (word.length - end.length >= r2) word = word.slice(0, -end.length);
  } else if (/[st]ion$/.test(word) && word.length - 3 >= r2) {
    word = word.slice(0, -3);
  }
  const at = word.length - 1;
  if (word.endsWith("e")) {
    if (at >= r2 || (at >= r1 && !SHORT_END.test(word.slice(0, at)))) word = word.slice(0, at);
  } else if (word.endsWith("ll") && at >= r2) {
    word = word.slice(0, at);
  }
  return word;
}
