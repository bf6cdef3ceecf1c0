// The list of found pages. Contract: `hitList` and `groupList` turn a search response into elements; each hit is
// one link to its page (arrow keys move between them, see search.js). Knows nothing of requests.

import { button, h, icon, marked } from "./dom.js";
import { pageHref } from "./route.js";
import { strip, thumbnail } from "./scan.js";
import { count, DRAFT, DRAFT_WHY, foldersOf, media, trustHint } from "./words.js";

export const hitList = (hits, actions) =>
  h(
    "ol",
    { class: "hits" },
    hits.map((hit) => h("li", {}, hitCard(hit, actions))),
  );

export function groupList(groups, actions) {
  return groups.map((group) =>
    h(
      "section",
      { class: "group", "aria-label": group.filename },
      h(
        "h3",
        { class: "group-title" },
        h("bdi", { class: "name", text: group.filename }),
        h("span", { class: "quiet", text: count(group.hits.length, "page") }),
      ),
      h(
        "ol",
        { class: "hits compact" },
        group.hits.map((hit) => h("li", {}, hitCard(hit, actions))),
      ),
    ),
  );
}

/** Whether it was found by its meaning alone: none of the words that were asked for stands in its snippets. */
export const isRelated = (hit) => hit.snippets.every(({ highlights }) => !highlights.length);

function hitCard(hit, actions) {
  const boxes = hit.snippets.flatMap((snippet) => snippet.boxes);
  const [first, ...more] = hit.snippets;
  const href = pageHref(hit.document_id, hit.page);
  const hint = trustHint(hit.trust);
  const card = h(
    "article",
    { class: isRelated(hit) ? "hit related" : "hit" },
    thumbnail(hit, boxes),
    h(
      "div",
      { class: "hit-body" },
      h(
        "h3",
        {},
        h(
          "a",
          { class: "hit-link", href },
          h("bdi", { class: "name", text: hit.filename }),
          h("span", { class: "folio" }, h("span", { class: "folio-word", text: "page " }), String(hit.page)),
        ),
      ),
      h(
        "div",
        { class: "hit-meta" },
        h("span", { text: media(hit.media_type) }),
        hit.paths.slice(0, 2).map((path) => crumbs(path, actions)),
        isRelated(hit)
          ? h("span", { class: "faint", title: "None of the words asked for stands here", text: "Related in meaning" })
          : null,
        hit.draft ? h("span", { class: "faint", title: DRAFT_WHY, text: DRAFT }) : null,
        hint ? h("span", { class: "hint" }, icon("warning"), hint) : null,
      ),
      first ? snippetLine(first) : null,
      first?.boxes.length ? strip(hit, first.boxes) : null,
      more.length
        ? h(
            "ul",
            { class: "more-places", "aria-label": "More on this page" },
            more.slice(0, 2).map((s) => h("li", {}, snippetLine(s))),
          )
        : null,
    ),
    h(
      "div",
      { class: "hit-actions" },
      button("Only this document", {
        glyph: "filter",
        shown: false,
        kind: "plain",
        on: { click: () => actions.onlyDocument(hit.document_id, hit.filename) },
      }),
    ),
  );
  card.addEventListener("click", (event) => {
    // The whole card opens the page, but its buttons and selected text stay themselves.
    if (event.target.closest("a, button") || String(getSelection())) return;
    card.querySelector(".hit-link").click();
  });
  return card;
}

function crumbs(path, actions) {
  const folders = foldersOf(path);
  if (!folders.length) return null;
  return h(
    "span",
    { class: "crumbs" },
    icon("folder"),
    folders
      .map((folder, i) => [
        i ? h("span", { class: "slash", "aria-hidden": "true", text: "/" }) : null,
        h(
          "button",
          {
            type: "button",
            class: "crumb",
            title: `Only in ${folder}`,
            on: { click: () => actions.onlyFolder(folder) },
          },
          h("bdi", { text: folder.split("/").at(-1) }),
        ),
      ])
      .flat(),
  );
}

/** A snippet as one flow of text: Markdown's line breaks, signs and table bars are for the page, not for here. */
function snippetLine({ text, highlights }) {
  const start = firstWindow(text, highlights);
  const shown = text.slice(start);
  const spans = highlights.map(([a, b]) => [a - start, b - start]);
  const line = h("p", { class: "snippet" }, start ? "… " : null, marked(shown, spans));
  const nodes = textNodes(line);
  for (const node of nodes) node.data = withoutMarkdown(node.data);
  if (nodes.length) {
    nodes[0].data = nodes[0].data.replace(/^[\s·]+/, "");
    nodes.at(-1).data = nodes.at(-1).data.replace(/[\s·]+$/, "");
  }
  return line;
}

const withoutMarkdown = (text) =>
  text
    .replace(/\|[\s|:-]*\n[\s|:-]*/g, " · ")
    .replace(/\s*\|[\s|:-]*/g, " · ")
    .replace(/(^|\n)#{1,6}\s/g, "$1")
    .replace(/\*(?=[\p{L}\p{N}*])|(?<=[\p{L}\p{N}*.,])\*/gu, "")
    .replace(/\s+/g, " ");

function textNodes(root) {
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  const nodes = [];
  while (walker.nextNode()) nodes.push(walker.currentNode);
  return nodes;
}

/** A passage is long and three lines are shown: begin shortly before the first highlight, at a word. */
function firstWindow(text, highlights) {
  if (!highlights.length) return 0;
  const first = Math.min(...highlights.map(([a]) => a));
  if (first < 110) return 0;
  const sentence = text.slice(0, first).search(/[.!?\n]\s+[^.!?\n]{0,110}$/);
  if (sentence !== -1) return sentence + 1 + /^\s*/.exec(text.slice(sentence + 1))[0].length;
  const word = text.indexOf(" ", first - 80);
  return word === -1 ? 0 : word + 1;
}
