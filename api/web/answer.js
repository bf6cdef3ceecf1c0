// An answer as elements. Contract: `answerText` sets the text with its citations as numbered chips, `evidenceList`
// shows each cited place on its scan, `notFound` says honestly that there is none and what one can try, `missingList`
// what an answer had to do without. What documents and models wrote becomes text: no links, no pictures, no HTML
// (markdown.js).

import { button, h, icon } from "./dom.js";
import { render } from "./markdown.js";
import { pageHref } from "./route.js";
import { strip } from "./scan.js";
import { count, DRAFT, DRAFT_WHY, noFolder, reason } from "./words.js";

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
    parts.push(node.data.slice(at, match.index), sign(" "), chip(citation));
    at = match.index + match[0].length;
  }
  if (parts.length) node.replaceWith(...parts, node.data.slice(at));
}

// [icon, class, sentence]; `verified` is null where it was not asked for, and where it was not possible.
const CHECKED = {
  true: ["check", "checked", "Verified: the page image, read again, says this."],
  false: ["warning", "doubted", "Not verified: the page image, read again, does not say this."],
};
const checked = ({ verified }) => CHECKED[String(verified)] ?? null;
const uncheckable = (code) => [
  "warning",
  "unchecked",
  `Could not be checked. ${code ? reason(code) : "Page images cannot be read again here."}`,
];

/** How the check of each citation ended, and its sentence for all: for an answer that was asked to be checked. */
export function verdicts({ citations, decoded = [] }) {
  const tried = ({ document_id: id, page }) => decoded.filter((one) => one.document_id === id && one.page === page);
  const failure = (citation) => tried(citation).findLast(({ ok }) => !ok)?.code;
  const each = new Map(citations.map((one) => [one.number, checked(one) ?? uncheckable(failure(one))]));
  const good = citations.filter(({ verified }) => verified).length;
  return { each, sentence: `${good} of ${count(citations.length, "quote")} verified on the page image.` };
}

/** Not seen, and copied with what is selected: a bare number would end the word before it. */
const sign = (text) => h("span", { class: "chip-sign", text });

function chip(citation) {
  const said = [`Source ${citation.number}: ${citation.filename}, page ${citation.page}.`, checked(citation)?.[2]];
  const label = said.filter(Boolean).join(" ");
  const props = { class: "chip", href: citationHref(citation), title: label, "aria-label": label };
  return h("a", props, sign("["), String(citation.number), sign("]"));
}

/** `checks`: of `verdicts`, where the quotes were to be checked. */
export function evidenceList(citations, text, checks) {
  return h(
    "ol",
    { class: "evidence", "aria-label": "Sources" },
    citations.map((citation) => evidence(citation, text, checks?.each.get(citation.number) ?? checked(citation))),
  );
}

const flat = (text) => text.replace(/-\n/g, "").replace(/\s+/g, " ").trim(); // lines as they ran on the page, or not

function evidence(citation, text, verdict) {
  const page = { image_url: citation.image_url, width: 0, height: 0, ...citation };
  const [glyph, kind, sentence] = verdict ?? [];
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
        citation.draft ? h("span", { class: "faint", title: DRAFT_WHY, text: DRAFT }) : null,
        h("span", { class: "evidence-open", text: "Show on the page" }),
      ),
      verdict ? h("span", { class: `verdict ${kind}` }, icon(glyph), sentence) : null,
      citation.boxes.length ? strip(page, citation.boxes, { reach: 0.1 }) : null,
      flat(text).includes(flat(citation.quote)) && citation.boxes.length ? null : h("q", { class: "quote", text: citation.quote }),
    ),
  );
}

/** { waiting, withoutFilters } say what else could help; `names` are of the first considered pages. */
export function notFound(answer, names, { waiting, withoutFilters }) {
  const pages = answer.considered.slice(0, PAGES_SHOWN);
  const tips = [
    answer.unknown_documents?.length ? ["The document that is named in the filters is not here any more."] : null,
    answer.unknown_folder ? [noFolder(answer.unknown_folder)] : null,
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
        ? `No answer was recognised on the ${count(answer.considered.length, "closest page")}. ` +
          "It may stand there in other words; to look yourself:"
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
