// One page, large, over everything else. Contract: `show(view)` follows the address (null closes); the dialog holds the
// focus and the browser returns it. The picture and the text beside it are one thing: what is pointed at in one is lit
// in the other. Words of the search, or the cited place, are marked in both. A page not read yet appears when it is.

import * as api from "./api.js";
import { pageUrl, spanOf, toClipboard, withSource } from "./copy.js";
import { announce, button, h, icon, isTyping, replace } from "./dom.js";
import { boxesOf, findSpans, joinLine, tokenize } from "./highlight.js";
import { createFind } from "./find.js";
import { createPane } from "./pane.js";
import { charactersOf, unitsOf } from "./places.js";
import { closeView, read, writeView } from "./route.js";
import { PICTURE_WIDTH } from "./scan.js";
import { createSheet } from "./sheet.js";
import { count } from "./words.js";

const READ_AGAIN_MS = 1500;
const LATE_MS = 300; // after which what is still shown is not to be taken for the page that comes

const tool = (label, glyph, click, title) =>
  button(label, { glyph, shown: false, kind: "plain", title, on: { click } });

export function createViewer(dialog, { onMissing }) {
  const stage = h("div", { class: "stage", tabindex: "0", role: "region", "aria-label": "Picture of the page" });
  const sheet = createSheet(stage, { onPoint, onClick, onZoom });
  const pane = createPane({ onRegion: light, onPick: (i) => sheet.lookAt(page.regions[i].box), onFind: sheet.find, onCopy: copyText });
  const find = createFind({
    open: (to, query) => (to === view.page && query === view.query && !view.at ? present(page) : turnTo(to, query)),
    lookAt: sheet.point,
  });
  const title = h("h1", { class: "viewer-title", id: "viewer-title" });
  const number = h("input", {
    id: "page-number",
    type: "text",
    inputmode: "numeric",
    autocomplete: "off",
    "aria-label": "Page number",
  });
  const total = h("span", { class: "page-total" });
  const percent = h("span", { class: "zoom-percent", "aria-hidden": "true" });
  const by = (step) => (event) => event.currentTarget.getAttribute("aria-disabled") !== "true" && turn(step);
  const previous = tool("Previous page", "back", by(-1));
  const next = tool("Next page", "forward", by(1));
  const fitPage = tool("Fit page", "fit", () => sheet.fit("page"));
  const fitWidth = tool("Fit width", "width", () => sheet.fit("width"));
  const textToggle = button("Text", {
    kind: "plain",
    title: "Show or hide the text",
    on: { click: () => setText(!textShown) },
  });
  const search = tool("Find in this document", "search", showFind, "Find in this document (f)");
  const copy = tool("Copy link to this page", "link", copyLink);
  const turnPage = tool("Turn the page", "turn", turnSheet, "Turn the page by a quarter (r)");
  const download = h(
    "a",
    { class: "button plain icon-only", "aria-label": "Download the original", title: "Download the original" },
    icon("download"),
  );
  let view = null; // what the address asks for
  let page = null; // PageJSON, when it is there
  let pages = Infinity; // of the document, once they are known
  let running = null;
  let timer = 0;
  let late = 0;
  let told = ""; // of the page that is shown
  let turned = null; // the document whose pages may be turned
  let textShown = matchMedia("(min-width: 60rem)").matches;

  const pageField = h("label", { class: "page-field" }, number, total);
  const smaller = tool("Smaller", "minus", () => sheet.smaller());
  const larger = tool("Larger", "plus", () => sheet.larger());
  dialog.setAttribute("aria-labelledby", "viewer-title");
  replace(
    dialog,
    h(
      "header",
      { class: "viewer-bar" },
      tool("Close", "close", closeView, "Close (Esc)"),
      title,
      h("nav", { class: "pager", "aria-label": "Pages" }, previous, pageField, next),
      h("div", { class: "zoom", role: "group", "aria-label": "Size" }, turnPage, smaller, percent, larger, fitWidth, fitPage),
      h("div", { class: "viewer-tools" }, search, textToggle, copy, download),
    ),
    find.node,
    h("div", { class: "viewer-body" }, stage, pane.node),
    h("p", { class: "visually-hidden", role: "status", dataset: { live: "" } }),
  );

  async function show(nextView) {
    if (!nextView) {
      close();
      return;
    }
    if (JSON.stringify(nextView) === JSON.stringify(view)) return;
    view = nextView;
    if (!dialog.open) {
      dialog.showModal();
      setText(textShown);
      stage.focus();
    }
    number.value = String(view.page);
    if (view.document !== turned) {
      sheet.turn({ upright: true });
      pages = Infinity;
    }
    turned = view.document;
    find.about(view.document);
    await load();
  }

  function close() {
    clearTimeout(timer);
    running?.abort();
    arrived();
    view = null;
    page = null;
    told = "";
    find.hide();
    if (dialog.open) dialog.close();
    sheet.clear();
  }

  async function load() {
    clearTimeout(timer);
    running?.abort();
    running = new AbortController();
    const { signal } = running;
    dialog.setAttribute("aria-busy", "true");
    clearTimeout(late);
    if (page?.document_id !== view.document || page.page !== view.page)
      late = setTimeout(() => dialog.classList.add("coming"), LATE_MS);
    try {
      const found = await api.getPage(view.document, view.page, signal);
      if (signal.aborted) return;
      present(found);
    } catch (error) {
      // Of a document that is there the service says best why it has no such page.
      const there = error.status === 404 && (await api.getDocument(view.document, signal).catch(() => null));
      if (signal.aborted) return;
      if (there) presentNone(error, there);
      else presentError(error);
    }
    arrived();
  }

  function arrived() {
    clearTimeout(late);
    dialog.classList.remove("coming");
    dialog.removeAttribute("aria-busy");
  }

  function present(found) {
    const same = page?.document_id === found.document_id && page.page === found.page && page.state === found.state;
    page = found;
    replace(title, h("bdi", { class: "name", text: page.filename }));
    title.dataset.page = page.page; // for print
    document.title = `${page.filename}, page ${page.page} – Folioscope`;
    // It is looked at again while it waits to be read, and somebody may be writing another number there.
    if (document.activeElement !== number) number.value = String(page.page);
    showPages(page.pages);
    offer(page.document_id, page.filename);
    const spans = spansToMark();
    const boxes = boxesToMark(spans);
    const cited = Boolean(view.at);
    if (same) sheet.mark(boxes, { cited });
    else sheet.show({ ...page, alt: `${page.filename}, page ${page.page}` }, boxes, { cited });
    const remark = view.at ? "The cited place is marked" : boxes.length ? `${count(boxes.length, "place")} marked` : "";
    pane.show(page, spans, remark);
    const sentence = [`Page ${page.page} of ${page.pages}`, remark].filter(Boolean).join(". ");
    tell(sentence, same);
    find.arrived({ page: page.page, boxes: joinLine(boxes), query: view.at ? "" : view.query });
    if (page.state === "pending") timer = setTimeout(load, READ_AGAIN_MS);
    fetchNeighbours();
  }

  /** `again`: of the page that is looked at until it is there, which is said once. */
  function tell(sentence, again) {
    if (!again || sentence !== told) announce(sentence);
    told = sentence;
  }

  function spansToMark() {
    if (view.at) return [view.at.map(unitsOf(page.text))];
    if (!view.query) return [];
    const words = page.words.length ? page.words.map((word) => word.span) : tokenize(page.text);
    return findSpans(view.query, page.text, words);
  }

  /** A reader that gives no words still knows its regions. */
  function boxesToMark(spans) {
    const boxes = boxesOf(spans, page.words);
    if (boxes.length) return boxes;
    const touched = ({ span }) => spans.some(([start, end]) => span[0] < end && span[1] > start);
    return page.regions.filter(touched).map((region) => region.box);
  }

  function fetchNeighbours() {
    for (const near of [page.page + 1, page.page - 1]) {
      if (near < 1 || near > page.pages) continue;
      new Image().src = api.imageUrl(api.pageImage(page.document_id, near), PICTURE_WIDTH);
    }
  }

  function offer(id, filename) {
    download.hidden = !id;
    if (!id) return;
    download.href = api.originalUrl(id);
    download.setAttribute("download", filename);
  }

  function showPages(known) {
    pages = known;
    total.textContent = pages && Number.isFinite(pages) ? `of ${pages}` : "";
    // Not `disabled`: a button that is loses the focus, and with it each key would be lost.
    previous.setAttribute("aria-disabled", String(view.page <= 1 || pages < 1));
    next.setAttribute("aria-disabled", String(!(view.page < pages && Number.isFinite(pages))));
  }

  /** The document is there, and has no such page: the way to those it has stays open. */
  function presentNone(error, there) {
    const archive = there.kind === "archive";
    clear(there.filename, archive ? "This is an archive: the files in it have the pages." : error.message);
    showPages(archive ? 0 : there.pages.total);
    offer(there.id, there.filename);
  }

  function presentError(error) {
    const missing = error.status === 404;
    const early = error.status === 409;
    const sentence = missing
      ? "There is no such page. The document may have been deleted."
      : early
        ? "This document has not been opened yet. The page will appear here as soon as it is."
        : error.message;
    clear(missing ? "Not here" : early ? "Not yet" : "Not shown", sentence);
    showPages(Infinity);
    offer(null);
    if (missing) onMissing(view.document);
    if (early || error.code === "gone") timer = setTimeout(load, 2 * READ_AGAIN_MS);
  }

  /** No page is shown, and a sentence says why. */
  function clear(heading, sentence) {
    page = null;
    sheet.clear();
    delete title.dataset.page;
    title.textContent = heading;
    pane.say(sentence);
    setText(true);
    tell(sentence, true);
  }

  /** The smallest region under a point of the picture. */
  function regionAt([x, y]) {
    const area = ([x0, y0, x1, y1]) => (x1 - x0) * (y1 - y0);
    const holds = ([x0, y0, x1, y1]) => x >= x0 && x <= x1 && y >= y0 && y <= y1;
    const under = (page?.regions ?? []).map(({ box }, i) => ({ box, i })).filter(({ box }) => holds(box));
    return under.sort((a, b) => area(a.box) - area(b.box))[0]?.i ?? null;
  }

  function light(i) {
    pane.light(i);
    sheet.light(i === null || !page ? null : page.regions[i].box);
  }

  function onPoint(at) {
    light(at && textShown ? regionAt(at) : null);
  }

  function onClick(at) {
    const i = regionAt(at);
    if (i !== null) pane.lookAt(i);
  }

  function onZoom({ fit, percent: shown }) {
    percent.textContent = `${shown} %`;
    fitPage.setAttribute("aria-pressed", String(fit === "page"));
    fitWidth.setAttribute("aria-pressed", String(fit === "width"));
  }

  function setText(shown) {
    textShown = shown;
    dialog.classList.toggle("with-text", shown);
    textToggle.setAttribute("aria-pressed", String(shown));
    if (shown) pane.reveal();
    else light(null);
  }

  function turnSheet() {
    sheet.turn();
    announce("Turned by a quarter");
  }

  /** The link leads to the page alone: the search under it stays here, but its words travel along. */
  async function copyLink() {
    const words = view.query || read().query;
    const url = pageUrl(view.document, view.page, view.at ? { at: view.at } : { query: words });
    if (await toClipboard(url)) done(copy, "Link copied");
    else prompt("Copy this link:", url);
  }

  /** What is selected beside the picture, or else all of the page's text; with where it stands. */
  async function copyText(shown, node) {
    const selected = pane.selected();
    const at = selected ? spanOf(page.text, selected) : null;
    const url = pageUrl(page.document_id, page.page, at ? { at: at.map(charactersOf(page.text)) } : {});
    const copied = await toClipboard(withSource(selected ? `“${selected}”` : shown, { ...page, url }));
    if (copied) done(node, selected ? "Selected text copied, with its source" : "Text of the page copied, with its source");
    else announce("This browser did not let the page copy");
  }

  function done(node, sentence) {
    announce(sentence);
    node.classList.add("done");
    setTimeout(() => node.classList.remove("done"), 1500);
  }

  /** Another page of the document; words that came in the address stay in it. */
  function goTo(to) {
    const own = /[?&]q=/.test(location.hash);
    turnTo(to, own ? view.query : undefined);
  }

  function turnTo(to, query) {
    writeView(view.document, to, { query });
  }

  function showFind() {
    if (page) find.show(view.at ? "" : view.query);
  }

  function turn(step) {
    // From the page in the address: the one that is shown may still be the one before, while the next is on its way.
    const to = Math.min(view.page + step, pages);
    if (to >= 1 && Math.sign(to - view.page) === step) goTo(to);
  }

  number.addEventListener("change", () => {
    const asked = Number.parseInt(number.value, 10) || view.page;
    const to = Math.max(1, Math.min(asked, pages));
    number.value = String(to);
    if (to !== view.page) goTo(to);
  });

  dialog.addEventListener("cancel", (event) => {
    event.preventDefault();
    closeView();
  });

  const sideways = (step) => () => (sheet.scrollsSideways() ? false : turn(step));
  const keys = {
    ArrowRight: sideways(1),
    ArrowLeft: sideways(-1),
    n: () => turn(1),
    p: () => turn(-1),
    Home: () => goTo(1),
    End: () => Number.isFinite(pages) && pages > 0 && goTo(pages),
    "+": () => sheet.larger(),
    "=": () => sheet.larger(),
    "-": () => sheet.smaller(),
    0: () => sheet.fit("page"),
    w: () => sheet.fit("width"),
    t: () => setText(!textShown),
    r: turnSheet,
    f: showFind,
  };
  dialog.addEventListener("keydown", (event) => {
    // The browser's own search knows the text of one page: it is there at the second press.
    if (event.key === "f" && (event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey && find.node.hidden) {
      event.preventDefault();
      showFind();
      return;
    }
    if (isTyping(event) || event.ctrlKey || event.metaKey || event.altKey) return;
    // An action that returns false leaves the key to the browser: arrows scroll a page that is wider than the stage.
    if (Object.hasOwn(keys, event.key) && keys[event.key]() !== false) event.preventDefault();
  });

  return { show };
}
