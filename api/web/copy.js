// Text on its way into other programs, with where it stands. Contract: `withSource` is a quotation with its document, page
// and address under it; `spanOf` finds what somebody selected in a page's text; `pageUrl` is an address that opens the
// page and nothing else, for whoever may look; `toClipboard` copies, also where a browser has no clipboard for pages
// that came unencrypted. Resolves to whether it did.

import { hasSigns } from "./highlight.js";
import { pageHref } from "./route.js";

const MOST_WORDS = 400; // of a selection that is looked for

export const pageUrl = (document, page, options) => {
  const url = new URL(location.href);
  url.search = "";
  url.hash = pageHref(document, page, options);
  return url.href;
};

/** `text` as it is quoted; what is not known is left out. */
export function withSource(text, { filename, page, pages, url }) {
  const place = `${filename}, page ${page}${pages ? ` of ${pages}` : ""}`;
  return `${text.trim()}\n\n${place}\n${url}`;
}

/** [start, end] in `text` of words that stand there with nothing but signs between them; null where they do not. */
export function spanOf(text, selected) {
  const words = selected.match(/[\p{L}\p{N}]+/gu) ?? [];
  if (!words.length || words.length > MOST_WORDS) return null;
  // Where there are no spaces between words, a selection begins and ends anywhere.
  const before = hasSigns(words[0][0]) ? "" : "(?<![\\p{L}\\p{N}])";
  const after = hasSigns(words.at(-1).at(-1)) ? "" : "(?![\\p{L}\\p{N}])";
  const found = new RegExp(`${before}${words.join("[^\\p{L}\\p{N}]+")}${after}`, "u").exec(text);
  return found && [found.index, found.index + found[0].length];
}

export async function toClipboard(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return byHand(text);
  }
}

function byHand(text) {
  const held = document.activeElement;
  const field = document.createElement("textarea");
  field.value = text;
  field.className = "visually-hidden";
  (document.querySelector("dialog[open]") ?? document.body).append(field);
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  held?.focus?.();
  return done;
}
