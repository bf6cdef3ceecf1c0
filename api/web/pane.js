// The text beside the picture of a page. Contract: `createPane({ onRegion, onPick, onFind, onCopy })` shows a page's Markdown region by
// region (or as it stands), with marks; `onRegion(i or null)` tells what is pointed at, `onPick(i)` what was clicked;
// `light(i)` lights a region from outside. A page that has no text says why, in words.

import { createAgain } from "./again.js";
import { button, h, icon, replace } from "./dom.js";
import { plain, render } from "./markdown.js";
import { DRAFT, DRAFT_WHY, isPasswordCode, reason, trustHint } from "./words.js";

const CALM = matchMedia("(prefers-reduced-motion: reduce)"); // a stylesheet does not reach what a script scrolls
const MARKS = { cut_off: "The end is missing", loop: "The reader repeated itself" };

export function createPane({ onRegion, onPick, onFind, onCopy }) {
  const again = createAgain({ onBoxes: onFind });
  const note = h("p", { class: "page-note" });
  const text = h("div", { class: "page-text", tabindex: "0", role: "region", "aria-label": "Text of the page" });
  const rawToggle = button("Plain", {
    kind: "plain small",
    title: "Show the text with its Markdown signs",
    "aria-pressed": "false",
    on: { click: toggleRaw },
  });
  const copy = button("Copy", {
    kind: "plain small",
    title: "Copy what is selected, or all of the text, with where it stands",
    // Pressing it with the mouse keeps what is selected.
    on: { mousedown: (event) => event.preventDefault(), click: () => onCopy(text.innerText, copy) },
  });
  const bar = h("div", { class: "text-bar" }, note, copy, rawToggle);
  const node = h("aside", { class: "text-pane", "aria-label": "Text" }, bar, again.node, text);
  let page = null;
  let spans = [];
  let raw = false;

  function toggleRaw() {
    raw = !raw;
    rawToggle.setAttribute("aria-pressed", String(raw));
    if (page) draw();
  }

  function show(nextPage, nextSpans, remark) {
    page = nextPage;
    spans = nextSpans;
    again.show(page);
    const hint = page.state === "done" ? trustHint(page.trust) : "";
    replace(
      note,
      hint ? h("span", { class: "hint" }, icon("warning"), hint) : null,
      page.draft ? h("span", { class: "faint", title: DRAFT_WHY, text: DRAFT }) : null,
      ...page.marks.map((mark) => h("span", { class: "hint", text: MARKS[mark] })),
      remark ? h("span", { text: remark }) : null,
    );
    draw();
  }

  /** A sentence in place of a text. */
  function say(sentence) {
    page = null;
    copy.hidden = true;
    again.show(null);
    replace(note);
    replace(text, h("p", { class: "page-state", text: sentence }));
  }

  function draw() {
    const state = stateSentence(page);
    copy.hidden = Boolean(state);
    if (state) replace(text, h("p", { class: "page-state", text: state }));
    else if (raw) replace(text, h("pre", {}, plain(page.text, 0, page.text.length, spans)));
    else replace(text, sections());
    text.scrollTop = 0;
    reveal();
  }

  /** The first mark in view. A hidden pane cannot scroll: call it again when it is shown. */
  function reveal() {
    text.querySelector("mark")?.scrollIntoView({ block: "center" });
  }

  /** Each region is a block that knows its place on the picture; what lies between regions is shown as well. */
  function sections() {
    const out = [];
    let at = 0;
    const upTo = (end) => {
      if (page.text.slice(at, end).trim()) out.push(h("div", {}, render(page.text, at, end, spans)));
    };
    const ordered = page.regions.map((region, i) => ({ ...region, i })).sort((a, b) => a.span[0] - b.span[0]);
    for (const { span, kind, i } of ordered) {
      const [start, end] = span;
      if (start < at || end <= start) continue;
      upTo(start);
      const kindClass = /^[a-z]+$/.test(kind) ? ` is-${kind}` : "";
      out.push(
        h("div", { class: `block${kindClass}`, dataset: { region: String(i) } }, render(page.text, start, end, spans)),
      );
      at = end;
    }
    upTo(page.text.length);
    return out;
  }

  const block = (i) => text.querySelector(`[data-region="${i}"]`);
  const regionOf = (event) => {
    const found = event.target.closest?.("[data-region]");
    return found ? Number(found.dataset.region) : null;
  };
  text.addEventListener("pointerover", (event) => onRegion(regionOf(event)));
  text.addEventListener("pointerleave", () => onRegion(null));
  text.addEventListener("click", (event) => {
    const i = regionOf(event);
    if (i !== null && !String(getSelection())) onPick(i);
  });

  return {
    node,
    show,
    say,
    reveal,
    light(i) {
      for (const lit of text.querySelectorAll(".block.lit")) lit.classList.remove("lit");
      if (i !== null) block(i)?.classList.add("lit");
    },
    /** What somebody selected in the text, or nothing. */
    selected() {
      const selection = getSelection();
      return selection.rangeCount && text.contains(selection.getRangeAt(0).commonAncestorContainer)
        ? String(selection).trim()
        : "";
    },
    lookAt: (i) => block(i)?.scrollIntoView({ block: "center", behavior: CALM.matches ? "instant" : "smooth" }),
  };
}

/** Why there is no text to show; empty where there is. */
function stateSentence(page) {
  if (page.state === "pending") return "This page has not been read yet. It will appear here as soon as it is.";
  if (page.state === "failed") {
    const why = isPasswordCode(page.error_code) ? "It is protected by a password." : reason(page.error_code ?? "error");
    const others = page.pages > 1 ? " The other pages are not affected." : "";
    return `This page could not be read. ${why}${others}`;
  }
  if (page.decoded === false && !page.draft) {
    return "This page is kept as vision tokens and has no text yet. It is read as soon as a question needs it.";
  }
  return page.text.trim() ? "" : "No text was found on this page.";
}
