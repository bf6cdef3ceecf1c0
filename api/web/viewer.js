// One page, large, over everything else. Contract: `show(view)` follows the address (null closes); the dialog holds the
// focus and the browser returns it. The picture and the text beside it are one thing: what is pointed at in one is lit in
// the other. Words of the search, or the cited place, are marked in both. A page not read yet appears when it is.

import * as api from "./api.js";
import { announce, button, h, icon, isTyping, replace } from "./dom.js";
import { boxesOf, findSpans, tokenize } from "./highlight.js";
import { plain, render } from "./markdown.js";
import { closeView, read, writeView } from "./route.js";
import { PICTURE_WIDTH } from "./scan.js";
import { createSheet } from "./sheet.js";
import { count, isPasswordCode, reason, trustHint } from "./words.js";

const READ_AGAIN_MS = 1500;

export function createViewer(dialog) {
  const stage = h("div", { class: "stage", tabindex: "0", role: "region", "aria-label": "Picture of the page" });
  const title = h("h1", { class: "viewer-title", id: "viewer-title" });
  const number = h("input", { id: "page-number", type: "text", inputmode: "numeric", autocomplete: "off", "aria-label": "Page number" });
  const total = h("span", { class: "page-total" });
  const percent = h("span", { class: "zoom-percent", "aria-hidden": "true" });
  const previous = button("Previous page", { glyph: "back", shown: false, kind: "plain", on: { click: () => turn(-1) } });
  const next = button("Next page", { glyph: "forward", shown: false, kind: "plain", on: { click: () => turn(1) } });
  const download = h("a", { class: "button plain icon-only", "aria-label": "Download the original", title: "Download the original" }, icon("download"));
  const copy = button("Copy link to this page", { glyph: "link", shown: false, kind: "plain", on: { click: copyLink } });
  const rawToggle = button("Plain", { kind: "plain small", title: "Show the text with its marks", "aria-pressed": "false", on: { click: () => setRaw(!raw) } });
  const textToggle = button("Text", { kind: "plain", title: "Show or hide the text", on: { click: () => setText(!textShown) } });
  const text = h("div", { class: "page-text", tabindex: "0", role: "region", "aria-label": "Text of the page" });
  const note = h("p", { class: "page-note" });
  const fitPage = button("Fit page", { glyph: "fit", shown: false, kind: "plain", on: { click: () => sheet.fit("page") } });
  const fitWidth = button("Fit width", { glyph: "width", shown: false, kind: "plain", on: { click: () => sheet.fit("width") } });
  const sheet = createSheet(stage, { onPoint, onClick, onZoom });
  let view = null;
  let page = null;
  let spans = [];
  let running = null;
  let timer = 0;
  let raw = false;
  let textShown = matchMedia("(min-width: 60rem)").matches;

  dialog.setAttribute("aria-labelledby", "viewer-title");
  replace(dialog,
    h("header", { class: "viewer-bar" },
      button("Close", { glyph: "close", shown: false, kind: "plain", title: "Close (Esc)", on: { click: closeView } }), title,
      h("nav", { class: "pager", "aria-label": "Pages" }, previous, h("label", { class: "page-field" }, number, total), next),
      h("div", { class: "zoom", role: "group", "aria-label": "Size" },
        button("Smaller", { glyph: "minus", shown: false, kind: "plain", on: { click: () => sheet.smaller() } }), percent,
        button("Larger", { glyph: "plus", shown: false, kind: "plain", on: { click: () => sheet.larger() } }), fitWidth, fitPage),
      h("div", { class: "viewer-tools" }, textToggle, copy, download)),
    h("div", { class: "viewer-body" }, stage,
      h("aside", { class: "text-pane", "aria-label": "Text" }, h("div", { class: "text-bar" }, note, rawToggle), text)),
    h("p", { class: "visually-hidden", role: "status", dataset: { live: "" } }));

  async function show(nextView) {
    clearTimeout(timer);
    if (!nextView) {
      running?.abort();
      view = null;
      page = null;
      if (dialog.open) dialog.close();
      sheet.clear();
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
    await load();
  }

  async function load() {
    running?.abort();
    running = new AbortController();
    const { signal } = running;
    dialog.setAttribute("aria-busy", "true");
    try {
      const found = await api.getPage(view.document, view.page, signal);
      if (!signal.aborted) present(found);
    } catch (error) {
      if (error.name === "AbortError") return;
      present404(error);
    }
    dialog.removeAttribute("aria-busy");
  }

  function present(found) {
    const again = page && page.document_id === found.document_id && page.page === found.page && page.state === found.state;
    page = found;
    const place = `Page ${page.page} of ${page.pages}`;
    replace(title, h("bdi", { class: "name", text: page.filename }));
    document.title = `${page.filename}, page ${page.page} – Folioscope`;
    number.value = String(page.page);
    total.textContent = `of ${page.pages}`;
    previous.disabled = page.page <= 1;
    next.disabled = page.page >= page.pages;
    download.href = api.originalUrl(page.document_id);
    download.setAttribute("download", page.filename);
    const words = page.words.length ? page.words.map((word) => word.span) : tokenize(page.text);
    spans = view.at ? [clamp(view.at, page.text.length)] : view.query ? findSpans(view.query, page.text, words) : [];
    let boxes = boxesOf(spans, page.words);
    // A reader without word boxes still knows its regions.
    if (!boxes.length) boxes = page.regions.filter((region) => spans.some(([a, b]) => region.span[0] < b && region.span[1] > a)).map((region) => region.box);
    if (!again) sheet.show({ ...page, alt: `${page.filename}, page ${page.page}` }, boxes, { cited: Boolean(view.at) });
    showText();
    const marks = view.at ? "The cited place is marked" : boxes.length ? `${count(boxes.length, "place")} marked` : "";
    replace(note, trustHint(page.trust) && page.state === "done" ? h("span", { class: "hint" }, icon("warning"), trustHint(page.trust)) : null, marks ? h("span", { text: marks }) : null);
    announce([place, marks].filter(Boolean).join(". "));
    if (page.state === "pending") timer = setTimeout(load, READ_AGAIN_MS);
    for (const near of [page.page + 1, page.page - 1]) if (near >= 1 && near <= page.pages) new Image().src = api.imageUrl(api.pageImage(page.document_id, near), PICTURE_WIDTH);
  }

  const clamp = ([a, b], length) => [Math.min(a, length), Math.min(b, length)];

  function present404(error) {
    page = null;
    sheet.clear();
    title.textContent = error.status === 404 ? "Not here" : "Not shown";
    total.textContent = "";
    previous.disabled = view.page <= 1;
    next.disabled = true;
    replace(note);
    replace(text, h("p", { class: "page-state", text: error.status === 404 ? "There is no such page. The document may have been deleted." : error.message }));
    setText(true);
    announce(text.textContent);
    if (error.code === "gone") timer = setTimeout(load, 2 * READ_AGAIN_MS);
  }

  function showText() {
    if (page.state === "pending") {
      replace(text, h("p", { class: "page-state", text: "This page has not been read yet. It will appear here as soon as it is." }));
      return;
    }
    if (page.state === "failed") {
      const why = isPasswordCode(page.error_code) ? "It is protected by a password." : reason(page.error_code ?? "error");
      replace(text, h("p", { class: "page-state", text: `This page could not be read. ${why} The other pages are not affected.` }));
      return;
    }
    if (!page.text.trim()) replace(text, h("p", { class: "page-state", text: "No text was found on this page." }));
    else if (raw) replace(text, h("pre", {}, plain(page.text, 0, page.text.length, spans)));
    else replace(text, sections());
    text.scrollTop = 0;
    text.querySelector("mark")?.scrollIntoView({ block: "center" });
  }

  /** The text region by region, so that each knows its place on the picture; what lies between is shown as well. */
  function sections() {
    const out = [];
    let at = 0;
    const between = (end) => { if (page.text.slice(at, end).trim()) out.push(h("div", {}, render(page.text, at, end, spans))); };
    const ordered = page.regions.map((region, i) => ({ region, i })).sort((a, b) => a.region.span[0] - b.region.span[0]);
    for (const { region, i } of ordered) {
      const [start, end] = region.span;
      if (start < at || end <= start) continue;
      between(start);
      out.push(h("div", { class: `block ${/^[a-z]+$/.test(region.kind) ? `is-${region.kind}` : ""}`, dataset: { region: String(i) } }, render(page.text, start, end, spans)));
      at = end;
    }
    between(page.text.length);
    return out;
  }

  function regionAt([x, y]) {
    const inside = (page?.regions ?? []).map((region, i) => ({ i, box: region.box })).filter(({ box }) => x >= box[0] && x <= box[2] && y >= box[1] && y <= box[3]);
    const area = ({ box }) => (box[2] - box[0]) * (box[3] - box[1]);
    return inside.sort((a, b) => area(a) - area(b))[0]?.i ?? null;
  }

  function light(i) {
    for (const block of text.querySelectorAll(".block.lit")) block.classList.remove("lit");
    if (i !== null) text.querySelector(`[data-region="${i}"]`)?.classList.add("lit");
    sheet.light(i === null ? null : page.regions[i].box);
  }

  function onPoint(at) {
    light(at && textShown && !raw ? regionAt(at) : null);
  }

  function onClick(at) {
    const i = regionAt(at);
    if (i !== null) text.querySelector(`[data-region="${i}"]`)?.scrollIntoView({ block: "center", behavior: "smooth" });
  }

  const blockOf = (event) => event.target.closest?.("[data-region]");
  text.addEventListener("pointerover", (event) => {
    const block = blockOf(event);
    light(block ? Number(block.dataset.region) : null);
  });
  text.addEventListener("pointerleave", () => light(null));
  text.addEventListener("click", (event) => {
    const block = blockOf(event);
    if (block && !String(getSelection())) sheet.lookAt(page.regions[Number(block.dataset.region)].box);
  });

  function onZoom({ fit, percent: shown }) {
    percent.textContent = `${shown} %`;
    fitPage.setAttribute("aria-pressed", String(fit === "page"));
    fitWidth.setAttribute("aria-pressed", String(fit === "width"));
  }

  function setText(shown) {
    textShown = shown;
    dialog.classList.toggle("with-text", shown);
    textToggle.setAttribute("aria-pressed", String(shown));
    if (!shown) light(null);
  }

  function setRaw(next) {
    raw = next;
    rawToggle.setAttribute("aria-pressed", String(raw));
    if (page) showText();
  }

  async function copyLink() {
    const url = new URL(location.href);
    url.search = ""; // the link leads to the page; the search under it stays here, its words travel along
    url.hash = location.hash.includes("?") || !read().query ? location.hash : `${location.hash}?${new URLSearchParams({ q: read().query })}`;
    try {
      await navigator.clipboard.writeText(url.href);
      announce("Link copied");
      copy.classList.add("done");
      setTimeout(() => copy.classList.remove("done"), 1500);
    } catch {
      prompt("Copy this link:", url.href);
    }
  }

  const own = () => (/[?&]q=/.test(location.hash) ? view.query : undefined);
  const goTo = (n) => writeView(view.document, n, { query: own() });

  function turn(step) {
    const to = (page?.page ?? view.page) + step;
    if (to >= 1 && (!page || to <= page.pages)) goTo(to);
  }

  number.addEventListener("change", () => {
    const wanted = Math.min(Math.max(1, Number.parseInt(number.value, 10) || view.page), page?.pages ?? Infinity);
    number.value = String(wanted);
    if (wanted !== view.page) goTo(wanted);
  });

  dialog.addEventListener("cancel", (event) => {
    event.preventDefault();
    closeView();
  });
  dialog.addEventListener("keydown", (event) => {
    if (isTyping(event) || event.ctrlKey || event.metaKey || event.altKey) return;
    const keys = {
      ArrowRight: () => (sheet.scrollsSideways() ? false : turn(1)), ArrowLeft: () => (sheet.scrollsSideways() ? false : turn(-1)),
      n: () => turn(1), p: () => turn(-1), Home: () => goTo(1), End: () => page && goTo(page.pages),
      "+": () => sheet.larger(), "=": () => sheet.larger(), "-": () => sheet.smaller(), 0: () => sheet.fit("page"), w: () => sheet.fit("width"),
      t: () => setText(!textShown),
    };
    const act = keys[event.key];
    if (act && act() !== false) event.preventDefault();
  });

  return { show };
}
