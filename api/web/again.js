// Reading a page again from its stored vision tokens. Contract: `createAgain({ onBoxes })` is a folded panel that shows
// itself where a page has tokens; a task gives another text under it, a phrase gives boxes (`onBoxes`, empty when there
// are none or the panel is cleared). What was asked for another page never arrives on this one. Stores nothing.

import * as api from "./api.js";
import { announce, button, h, icon, replace } from "./dom.js";
import { render } from "./markdown.js";
import { count, trustHint } from "./words.js";

const TASKS = [
  ["describe", "Describe the page"],
  ["figure", "Charts and drawings"],
  ["text", "Plain text"],
  ["ocr", "Line by line"],
  ["markdown", "As it was read"],
];
const ENDED = { length: "Cut off at the limit", loop: "The model began to repeat itself" };

export function createAgain({ onBoxes }) {
  const task = h(
    "select",
    { id: "again-task", "aria-label": "How to read it" },
    TASKS.map(([value, text]) => h("option", { value, text })),
  );
  const phrase = h("input", {
    id: "again-phrase",
    type: "text",
    autocomplete: "off",
    placeholder: "Find on the picture",
    "aria-label": "Words to find on the picture",
  });
  const read = button("Read", { kind: "small" });
  const find = button("Find", { kind: "small" });
  read.type = "submit";
  find.type = "submit";
  const out = h("div", { class: "again-out", tabindex: "0", role: "region", "aria-label": "Read again", hidden: true });
  const facts = h("span", { class: "faint" });
  const reading = h("form", { class: "again-row", on: { submit: (event) => ask(event, decode) } }, task, read);
  const finding = h("form", { class: "again-row", on: { submit: (event) => ask(event, locate) } }, phrase, find);
  const node = h(
    "details",
    { class: "again", hidden: true },
    h("summary", {}, icon("chevron"), h("span", { text: "Read again" }), facts),
    reading,
    finding,
    out,
  );
  let page = null;
  let running = null;

  function show(next) {
    const same = page && next && page.document_id === next.document_id && page.page === next.page;
    page = next;
    node.hidden = !next?.vision;
    if (same) return;
    running?.abort();
    busy(false);
    replace(out);
    out.hidden = true;
    if (next?.vision) {
      const { engine, mode, tokens } = next.vision;
      facts.textContent = [engine, mode, tokens ? count(tokens, "token") : ""].filter(Boolean).join(" · ");
    }
  }

  function busy(is) {
    read.disabled = is;
    find.disabled = is;
    node.toggleAttribute("aria-busy", is);
  }

  async function ask(event, what) {
    event.preventDefault();
    running?.abort();
    running = new AbortController();
    const { signal } = running;
    busy(true);
    onBoxes([]);
    say("Reading… On a computer without a graphics card this takes a while.");
    try {
      await what(signal);
    } catch (error) {
      if (error.name === "AbortError") return;
      say(error.message, "failure");
      announce(error.message);
    }
    if (!signal.aborted) busy(false);
  }

  function say(sentence, kind = "quiet") {
    out.hidden = false;
    replace(out, h("p", { class: kind, text: sentence }));
  }

  async function decode(signal) {
    const found = await api.decode(page.document_id, page.page, { task: task.value }, signal);
    if (signal.aborted) return;
    const shown = found.text.trim() ? render(found.text, 0, found.text.length) : h("p", { text: "Nothing was read." });
    replace(out, remarks(found), h("div", { class: "again-text" }, shown));
    announce("Read again");
    out.focus();
  }

  async function locate(signal) {
    const words = phrase.value.trim();
    if (!words) {
      phrase.focus();
      out.hidden = true;
      return;
    }
    const found = await api.locate(page.document_id, page.page, { phrase: words }, signal);
    if (signal.aborted) return;
    onBoxes(found.boxes);
    const many = found.boxes.length;
    say(many ? `${count(many, "place")} marked on the picture.` : "It was not found on this page.");
    announce(many ? `${count(many, "place")} marked` : "Not found on this page");
  }

  /** How far to believe what was read. */
  function remarks({ trust, finish }) {
    const said = [ENDED[finish], trustHint(trust)].filter(Boolean);
    return said.length ? h("p", { class: "hint" }, icon("warning"), said.join(". ")) : null;
  }

  return { node, show };
}
