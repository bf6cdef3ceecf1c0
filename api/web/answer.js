// An answer as elements. Contract: `answerText` sets the text with its citations as numbered chips, `evidenceList`
// shows each cited place on its scan, `notFound` says honestly that there is none and what one can try, `missingList`
// what an answer had to do without. What documents and models wrote becomes text: no links, no pictures, no HTML
// (markdown.js).

import { button, h, icon } from "./dom.js";
import { render } from "./markdown.js";
import { pageHref } from "./route.js";
import { strip } from "./scan.js";
import { count, reason } from "./words.js";

export const PAGES_SHOWN = 8; // of those that were considered, where nothing was found

// What stands in a note of the page (a chart as it was described) has no place in the page's text.
const citationHref = ({ document_id: id, page, span, note }) => pageHref(id, page, note ? {} : { at: span });
const folio = (page) => h("span", { class: "folio" }, h("span", { class: "folio-word", text: "page " }), String(page));

export function pageLink({ document_id: id, page }, name) {
  return h("a", { href: pageHref(id, page) }, h("bdi", { class: "name", text: name ?? "Document" }), folio(page));
}

/** Children for the text's element. While the text still comes there are no citations, and numbers stay numbers. */
export function answerText(text, citations = []) {
  const byNumber = new Map(citations.map((citation) => [String(citation.number), citation]));
  const out = render(text, 0, text.length);
  const walker = document.createTreeWalker(out, NodeFilter.SHOW_TEXT);
  const nodes = [];
  while (walker.nextNode()) nodes.push(walker.currentNode);
  for (const node of byNumber.size ? nodes : []) setChips(node, byNumber);
  return out;
}

function setChips(node, byNumber) {
  const parts = [];
  let at = 0;
  for (const match of node.data.matchAll(/\s*\[(\d+)\]/g)) {
    const citation = byNumber.get(match[1]);
    if (!citation) continue; // brackets of the document itself
    parts.push(node.data.slice(at, match.index), chip(citation));
    at = match.index + match[0].length;
  }
  if (parts.length) node.replaceWith(...parts, node.data.slice(at));
}

const CHECKED = {
  true: ["check", "checked", "Read again: the page says this", "checked"],
  false: ["warning", "doubted", "Read again: the page does not say this", "doubtful"],
};
const checked = ({ verified }) => CHECKED[String(verified)] ?? null;

function chip(citation) {
  const said = [`Source ${citation.number}: ${citation.filename}, page ${citation.page}`, checked(citation)?.[2]];
  const label = said.filter(Boolean).join(". ");
  const props = { class: "chip", href: citationHref(citation), title: label, "aria-label": label };
  return h("a", props, String(citation.number));
}

export function evidenceList(citations, text) {
  return h(
    "ol",
    { class: "evidence", "aria-label": "Sources" },
    citations.map((citation) => evidence(citation, text)),
  );
}

function evidence(citation, text) {
  const page = { image_url: citation.image_url, width: 0, height: 0, ...citation };
  const [glyph, kind, meaning, word] = checked(citation) ?? [];
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
        folio(citation.page),
        citation.note ? h("span", { class: "faint", text: `as its ${citation.note} was read` }) : null,
        glyph ? h("span", { class: kind, title: meaning }, icon(glyph), word) : null,
      ),
      citation.boxes.length ? strip(page, citation.boxes, { reach: 0.1 }) : null,
      text.includes(citation.quote) && citation.boxes.length ? null : h("q", { class: "quote", text: citation.quote }),
    ),
  );
}

/** { waiting, withoutFilters } say what else could help; `names` are of the first considered pages. */
export function notFound(answer, names, { waiting, withoutFilters }) {
  const pages = answer.considered.slice(0, PAGES_SHOWN);
  const tips = [
    withoutFilters
      ? [button("Ask all documents", { kind: "plain small", on: { click: withoutFilters } }), " without the filters."]
      : null,
    waiting ? [`${count(waiting, "page")} still to be read: ask again when they are.`] : null,
    answer.undecoded_pages
      ? [
          `${count(answer.undecoded_pages, "page")} without text yet, which no search finds: ` +
            "name the document, or what may stand in its name.",
        ]
      : null,
    pages.length ? ["Name what the pages may name: a person, a place, a year, a number."] : null,
    pages.length ? ["Ask for one thing at a time."] : null,
  ].filter(Boolean);
  return [
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
          pages.map((page, i) => h("li", {}, pageLink(page, names[i]))),
        )
      : null,
    tips.length
      ? h(
          "ul",
          { class: "tips", "aria-label": "What else to try" },
          tips.map((tip) => h("li", {}, tip)),
        )
      : null,
  ];
}

/** What an answer had to do without: pages that could not be read for it, or anything that the service says. */
export function missingList(missing, names, again) {
  const line = (one, i) => {
    if (typeof one === "string") return [one];
    return [pageLink(one, names[i]), ` – ${reason(one.code ?? "error", one.reason)}`];
  };
  return h(
    "div",
    { class: "missing" },
    h("p", { class: "hint" }, icon("warning"), "This answer is not whole. It had to do without:"),
    h(
      "ul",
      {},
      missing.map((one, i) => h("li", {}, line(one, i))),
    ),
    missing.some(({ code }) => code === "decode_budget")
      ? button("Ask again: what was read is kept", { kind: "small", on: { click: again } })
      : null,
  );
}
