// Everything that is said in words: states, reasons, sizes, dates. Contract: pure functions from
// values of the API to short English sentences; a code that is unknown here gives a sentence all the same.

const number = new Intl.NumberFormat("en");
const dateFormat = new Intl.DateTimeFormat("en", { day: "numeric", month: "short", year: "numeric" });

export const count = (n, one, many = `${one}s`) => `${number.format(n)} ${n === 1 ? one : many}`;
export const date = (iso) => dateFormat.format(new Date(iso));

export function bytes(n) {
  const units = ["bytes", "KB", "MB", "GB", "TB"];
  let unit = 0;
  while (n >= 1000 && unit < units.length - 1) {
    n /= 1000;
    unit += 1;
  }
  return unit === 0 ? count(n, "byte") : `${n < 10 ? n.toFixed(1) : Math.round(n)} ${units[unit]}`;
}

/** How long something took, as short as it is told. */
export function duration(ms) {
  if (ms < 1) return "under 1 ms";
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const seconds = ms / 1000;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  return seconds < 90 ? `${Math.round(seconds)} s` : `${Math.round(seconds / 60)} min`;
}

const MEDIA = {
  "application/pdf": "PDF",
  "image/png": "PNG",
  "image/jpeg": "JPEG",
  "image/webp": "WebP",
  "image/tiff": "TIFF",
  "application/zip": "ZIP archive",
  "application/x-tar": "TAR archive",
  "application/gzip": "TAR archive",
};
export const media = (type) => MEDIA[type] ?? type;
export const MEDIA_CHOICES = ["application/pdf", "image/tiff", "image/jpeg", "image/png", "image/webp"];

/** What happened to a document, in one line. */
export function stateLine({ state, pages, kind }) {
  const { done, failed, pending, total } = pages;
  if (state === "accepted") return "Waiting to be read";
  if (state === "reading") {
    if (!total) return "Opening the file";
    // Others may be read before it: a page is only said to be read where pages of this document are.
    if (!done && !failed) return `Waiting to be read, ${count(total, "page")}`;
    return `Reading page ${number.format(Math.min(total, done + failed + 1))} of ${number.format(total)}`;
  }
  if (state === "failed") return total ? "None of its pages could be read" : "Could not be opened";
  const read = kind === "archive" ? `${count(done, "page")} read` : count(done, "page");
  if (state === "partial") {
    if (failed) return `${number.format(done)} of ${count(total, "page")} read, ${number.format(failed)} could not be`;
    return `${read}; some files in it could not be opened`;
  }
  const unread = (pages.undecoded ?? 0) + (pages.drafts ?? 0);
  const later = unread ? `, ${number.format(unread)} to be read when a question needs it` : "";
  return (pending ? `${read}, ${number.format(pending)} waiting` : read) + later;
}

const REASONS = [
  [/encrypt|password/, "It is protected by a password."],
  [/^no_decoder/, "Nobody who could read it is running."],
  [/^poor_decoding/, "It was read no better than its draft, which is quoted. Compare it with the picture."],
  [/^decode_budget/, "What one answer may take for reading pages was spent. What was read is kept: ask again."],
  [/^decode_timeout/, "Everybody who could read it was busy."],
  [/^no_vision_tokens/, "Nothing is kept of its image that could be read again."],
  [/^wrong_tokens/, "What is kept of its image was made by another model than the one that runs."],
  [/empty/, "The file is empty."],
  [/truncat/, "The file ends too early; it may not have been copied completely."],
  [
    /unsupported/,
    "This kind of file cannot be read. Folioscope reads PDF, TIFF, JPEG, PNG, WebP, and ZIP or TAR archives of those.",
  ],
  [/bomb|ratio/, "It would unpack to far more than its size, so it was not opened."],
  [/too_large|limit|too_big|size|pixel/, "It is larger than this installation allows."],
  [/time_?out|deadline|too_slow/, "Reading it took too long, so it was stopped."],
  [/memory/, "Reading it needed more memory than is allowed."],
  [/portfolio/, "It is a portfolio, a folder of other files. Save them out of it and add those."],
  [/crash|killed|died/, "The reader stopped on it. It may be damaged."],
  [/storage_full|disk/, "The disk of the server is full."],
  [/depth|nested/, "Archives inside archives are opened two levels deep, not further."],
  [/path|name/, "Its name inside the archive is not allowed."],
  [/damaged|corrupt|bad_|broken|invalid|malformed|render/, "It is damaged and could not be opened."],
];

/** Why a page, a file or a member failed. Prefers the service's own message. */
export function reason(code, message) {
  // The service names fields of its answers there; the page has a list.
  if (code === "no_member_read") return "Nothing in it could be read. The list of its files says why.";
  if (message) return message;
  const known = REASONS.find(([pattern]) => pattern.test(code));
  return known ? known[1] : `It could not be read (${code.replaceAll("_", " ")}).`;
}

export const isPasswordCode = (code) => /^encrypted|password/.test(code ?? "");

/** Whether another try of a file may end otherwise than the last: not where the same bytes are to blame. */
export const mayOpen = (code) => !isPasswordCode(code) && !/^(damaged|empty|portfolio|unsupported_media_type)$/.test(code ?? "");

const ASKING = new Set(
  (
    "who whom whose what when where why which how is are was were do does did can could should has have had will " +
    "wer wem wen was wann wo warum wieso welche welcher welches wie wieviel " +
    "qui que quoi quand où pourquoi comment combien quel quelle quels quelles"
  ).split(" "),
);

/** Whether a query reads like a question, and not like words to look up. */
export function isQuestion(query) {
  const text = query.trim();
  if (/^".*"$/.test(text)) return false;
  if (/[?？]$/.test(text)) return text.length > 3;
  const words = text.toLowerCase().split(/\s+/);
  return words.length >= 4 && ASKING.has(words[0]);
}

/** A warning when the reader was unsure of the page, or an empty string. */
export function trustHint(trust) {
  if (trust >= 0.75) return "";
  return trust >= 0.5 ? "Partly hard to read" : "Hard to read – check the picture";
}

/** What is said of a page whose text is a quick reading, for search to find it by. */
export const DRAFT = "Draft text";
export const DRAFT_WHY = "Read quickly, for search to find it by. A question that needs the page has it read properly.";

/** What is said of a filter by a folder that there is not. */
export const noFolder = (folder) => `No document lies in the folder “${folder}”.`;

/** The folders above a path in an archive, outermost first. */
export function foldersOf(path) {
  const parts = path.split("/").slice(0, -1);
  return parts.map((_, i) => parts.slice(0, i + 1).join("/"));
}
