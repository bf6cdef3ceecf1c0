// The answer card. Contract: `createAnswer(root)` owns one element; `ask(question, filter)` shows an answer with its
// evidence, an honest "not found" with the pages that were looked at, or the problem; a later call or `clear()`
// discards an earlier one. Citations are links to the exact place on the page.

import * as api from "./api.js";
import { announce, h, icon, replace } from "./dom.js";
import { pageHref } from "./route.js";
import { strip } from "./scan.js";
import { count } from "./words.js";

export function createAnswer(root, { nameOf }) {
  let running = null;
  let shown = "";

  function clear() {
    running?.abort();
    running = null;
    shown = "";
    root.hidden = true;
    replace(root);
  }

  async function ask(question, filter) {
    const key = JSON.stringify([question, filter]);
    if (key === shown) return;
    running?.abort();
    running = new AbortController();
    const { signal } = running;
    shown = key;
    root.hidden = false;
    root.setAttribute("aria-busy", "true");
    replace(root, heading(), h("p", { class: "thinking", text: "Looking for the sentences that answer this…" }));
    try {
      const answer = await api.ask({ question, filter }, signal);
      if (signal.aborted) return;
      replace(root, ...(answer.found ? found(answer) : await notFound(answer, nameOf)));
      announce(answer.found ? `Answer: ${answer.text}` : "Not found in these documents.");
    } catch (error) {
      if (error.name === "AbortError") return;
      shown = "";
      replace(root, heading(), h("p", { class: "failure" }, icon("warning"), error.message));
    }
    root.removeAttribute("aria-busy");
  }

  return { ask, clear };
}

const heading = (extra) => h("h2", { class: "answer-heading" }, "Answer", extra ?? null);

function citationHref(citation) {
  return pageHref(citation.document_id, citation.page, { at: citation.span });
}

function chip(citation) {
  return h(
    "a",
    {
      class: "chip",
      href: citationHref(citation),
      title: `${citation.filename}, page ${citation.page}`,
      "aria-label": `Source ${citation.number}: ${citation.filename}, page ${citation.page}`,
    },
    String(citation.number),
  );
}

function found(answer) {
  const byNumber = new Map(answer.citations.map((citation) => [citation.number, citation]));
  const text = h("p", { class: "answer-text" });
  let at = 0;
  for (const match of answer.text.matchAll(/\s*\[(\d+)\]/g)) {
    const citation = byNumber.get(Number(match[1]));
    if (!citation) continue; // brackets of the document itself
    text.append(answer.text.slice(at, match.index), chip(citation));
    at = match.index + match[0].length;
  }
  text.append(answer.text.slice(at));
  const unsure = answer.confidence > 0 && answer.confidence < 0.4;
  return [
    heading(unsure ? h("span", { class: "hint" }, icon("warning"), "Weak support – check the page") : null),
    text,
    h(
      "ol",
      { class: "evidence", "aria-label": "Sources" },
      answer.citations.map((citation) => evidence(citation, answer.text)),
    ),
  ];
}

function evidence(citation, answerText) {
  const page = { image_url: citation.image_url, width: 0, height: 0, ...citation };
  return h(
    "li",
    {},
    h(
      "a",
      { class: "evidence-link", href: citationHref(citation) },
      h(
        "span",
        { class: "evidence-source" },
        h("span", { class: "chip", "aria-hidden": "true", text: String(citation.number) }),
        h("bdi", { class: "name", text: citation.filename }),
        h("span", { class: "folio" }, h("span", { class: "folio-word", text: "page " }), String(citation.page)),
      ),
      citation.boxes.length ? strip(page, citation.boxes, { reach: 0.1 }) : null,
      answerText.includes(citation.quote) && citation.boxes.length
        ? null
        : h("q", { class: "quote", text: citation.quote }),
    ),
  );
}

async function notFound(answer, nameOf) {
  const pages = answer.considered.slice(0, 8);
  const names = await Promise.all(pages.map(({ document_id }) => nameOf(document_id)));
  return [
    heading(),
    h("p", { class: "answer-text", text: "Not found in these documents." }),
    h("p", {
      class: "quiet",
      text: pages.length
        ? `Nothing on the ${count(answer.considered.length, "closest page")} answers this. To look yourself:`
        : "There is no page yet that could answer this.",
    }),
    pages.length
      ? h(
          "ul",
          { class: "considered" },
          pages.map((page, i) =>
            h(
              "li",
              {},
              h(
                "a",
                { href: pageHref(page.document_id, page.page) },
                h("bdi", { class: "name", text: names[i] ?? "Document" }),
                h("span", { class: "folio" }, h("span", { class: "folio-word", text: "page " }), String(page.page)),
              ),
            ),
          ),
        )
      : null,
  ];
}
