// Words in an open document. Contract: `createFind({ open, lookAt })` is a bar: what is typed there is searched for in
// all pages of the document (`about` says which); Enter and the buttons go from place to place, over the pages that have
// it and around at the end. `open(page, query)` asks for another page with the words marked, `arrived(found)` tells the
// bar what is marked there, `lookAt(box or null)` points at one of the places. Esc closes it.

import { search } from "./api.js";
import { announce, button, debounce, h } from "./dom.js";
import { isRelated } from "./results.js";
import { count } from "./words.js";

const TYPING_PAUSE = 250;
const AT_A_TIME = 100; // pages, as many as the API gives at once
const MOST = 1000; // and as far as it goes

export function createFind({ open, lookAt }) {
  const field = h("input", {
    id: "find",
    type: "search",
    autocomplete: "off",
    autocapitalize: "off",
    spellcheck: "false",
    enterkeyhint: "next",
    placeholder: "Find in this document",
  });
  field.maxLength = 500;
  const status = h("p", { class: "find-status" });
  const tool = (label, glyph, click) => button(label, { glyph, shown: false, kind: "plain", on: { click } });
  const previous = tool("Previous place", "back", () => step(-1));
  const next = tool("Next place", "forward", () => step(1));
  const node = h(
    "form",
    { class: "find-bar", hidden: true, on: { submit: (event) => event.preventDefault() } },
    h("label", { class: "visually-hidden", for: "find", text: "Words to find in this document" }),
    field,
    previous,
    next,
    status,
    tool("Close the search", "close", close),
  );
  let document = null;
  let page = 1; // the one that is shown
  let boxes = []; // of the places on it
  let at = -1; // the one that is pointed at
  let pages = null; // that have the words, in order; null while that is not known
  let asked = ""; // what `pages` are about
  let running = null;
  let last = false; // the last place of the next page is wanted, not its first
  let returnTo = null;

  const typed = debounce(() => look(), TYPING_PAUSE);
  field.addEventListener("input", typed);
  field.addEventListener("keydown", (event) => {
    if (event.key === "Enter") {
      event.preventDefault();
      if (field.value.trim() === asked && pages) step(event.shiftKey ? -1 : 1);
      else look();
    } else if (event.key === "Escape") {
      event.preventDefault(); // and the page stays open
      close();
    }
  });

  function show(query) {
    if (node.hidden) {
      returnTo = globalThis.document.activeElement;
      node.hidden = false;
      if (query) field.value = query;
      if (field.value.trim()) look({ stay: true });
    }
    field.focus();
    field.select();
  }

  function close() {
    hide();
    (returnTo?.isConnected && returnTo.checkVisibility() ? returnTo : node.parentElement.querySelector(".stage")).focus();
  }

  function hide() {
    typed.cancel();
    running?.abort();
    node.removeAttribute("aria-busy");
    status.textContent = "";
    node.hidden = true;
    pages = null;
    asked = "";
    at = -1;
    lookAt(null);
  }

  /** Another document: what was found in the one before says nothing of it. */
  function about(id) {
    if (id === document) return;
    document = id;
    field.value = "";
    if (!node.hidden) hide();
  }

  async function look({ stay = false } = {}) {
    typed.cancel();
    running?.abort();
    const query = field.value.trim();
    asked = query;
    pages = null;
    node.removeAttribute("aria-busy"); // what ran does not end it any more
    if (!query) {
      tell("");
      return;
    }
    running = new AbortController();
    const { signal } = running;
    node.setAttribute("aria-busy", "true");
    status.textContent = "Looking…";
    try {
      const found = await pagesWith(query, signal);
      if (signal.aborted) return;
      pages = found;
      if (!pages.length) {
        at = -1;
        lookAt(null);
        tell("Not in this document");
      } else if (stay && boxes.length) {
        point(0);
      } else {
        last = false;
        open(pages.includes(page) ? page : (pages.find((one) => one > page) ?? pages[0]), query);
      }
    } catch (error) {
      if (signal.aborted) return;
      tell(error.message);
    }
    node.removeAttribute("aria-busy");
  }

  async function pagesWith(query, signal) {
    const found = new Set();
    for (let offset = 0; offset <= MOST; offset += AT_A_TIME) {
      const request = { query, filter: { document_ids: [document] }, limit: AT_A_TIME, offset };
      const { hits } = await search(request, signal);
      const exact = hits.filter((hit) => !isRelated(hit));
      for (const hit of exact) found.add(hit.page);
      if (hits.length < AT_A_TIME || !exact.length) break;
    }
    return [...found].sort((a, b) => a - b);
  }

  function step(way) {
    if (!pages?.length) return;
    const to = at + way;
    if (to >= 0 && to < boxes.length) {
      point(to);
      return;
    }
    const ahead = way > 0 ? pages.find((one) => one > page) : pages.findLast((one) => one < page);
    const target = ahead ?? (way > 0 ? pages[0] : pages.at(-1));
    if (target === page) {
      point(way > 0 ? 0 : boxes.length - 1);
      return;
    }
    last = way < 0;
    open(target, asked);
  }

  function point(to) {
    at = to;
    lookAt(boxes[at] ?? null);
    const others = pages.length > 1 ? `, ${count(pages.length, "page")} with it` : "";
    tell(boxes.length ? `${at + 1} of ${boxes.length} on this page${others}` : `On this page${others}`);
  }

  function tell(sentence) {
    status.textContent = sentence;
    if (sentence) announce(sentence);
  }

  return {
    node,
    show,
    hide,
    about,
    arrived(found) {
      ({ page, boxes } = found);
      at = -1;
      if (node.hidden || !pages) return;
      if (pages.includes(page) && found.query === asked) point(last ? boxes.length - 1 : 0);
      else tell(`${count(pages.length, "page")} with it, not this one`);
      last = false;
    },
  };
}
