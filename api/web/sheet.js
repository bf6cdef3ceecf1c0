// The large picture of a page. Contract: `createSheet(stage)` shows one page at a time, fitted, zoomed or turned, with
// marks and one lit region over it; coordinates are fractions of the page as it is stored, however it is turned. A
// sharper picture replaces a coarser one when it has arrived. Knows nothing of texts and routes.

import { imageUrl } from "./api.js";
import { h, overlay, replace } from "./dom.js";
import { handle } from "./hands.js";
import { loadPatiently } from "./patient.js";
import { PICTURE_WIDTH } from "./scan.js";

const SHARPER = [PICTURE_WIDTH, 1600, 2400].filter((width, i, all) => i === 0 || width > all[0]);
const STEP = 1.25;
const MARGIN = 32;

export function createSheet(stage, { onPoint, onClick, onZoom }) {
  const sheet = h("div", { class: "page-sheet" }); // as wide and high as the page stands on the screen
  const paper = h("div", { class: "page-paper" }); // turned in it
  let turns = 0; // quarters, clockwise
  let page = null;
  let ratio = 297 / 210;
  let fit = "page"; // "page", "width" or a width in pixels
  let width = 0;
  let image = null;
  let pixels = 0;
  let marks = null;
  let lit = null;
  let found = null;
  let pointed = null;
  let target = null; // fraction to bring into view when the layout is known
  replace(stage, sheet);

  function fitted(kind) {
    const wide = Math.max(160, stage.clientWidth - MARGIN);
    return kind === "width" ? wide : Math.min(wide, Math.max(160, stage.clientHeight - MARGIN) / shape());
  }

  const lies = () => turns % 2 === 1;
  const shape = () => (lies() ? 1 / ratio : ratio); // height to width on the screen

  function layout() {
    if (!page) return;
    width = typeof fit === "number" ? fit : fitted(fit);
    sheet.style.width = `${Math.round(width)}px`;
    sheet.style.aspectRatio = `1 / ${shape()}`;
    sheet.style.setProperty("--ratio", String(shape())); // for print
    paper.style.width = `${lies() ? 100 * shape() : 100}%`;
    paper.style.height = `${lies() ? 100 / shape() : 100}%`;
    paper.style.rotate = `${90 * turns}deg`;
    sheet.classList.toggle("turned", turns > 0);
    sharpen();
    onZoom({ fit, percent: Math.round((100 * width) / fitted("width")) });
  }

  function sharpen() {
    const needed = width * (lies() ? shape() : 1) * devicePixelRatio;
    const wanted = SHARPER.find((candidate) => candidate >= needed * 0.9) ?? SHARPER.at(-1);
    if (wanted <= pixels) return;
    const shownPage = page;
    const next = h("img", { alt: page.alt, decoding: "async", draggable: "false" });
    next.addEventListener("load", () => {
      if (page !== shownPage || wanted < pixels) return;
      image?.remove();
      image = next;
      paper.prepend(next);
      sheet.classList.remove("loading", "missing");
      setRatio(next.naturalHeight / next.naturalWidth);
    });
    next.addEventListener("error", () => {
      if (page === shownPage && !image) sheet.classList.replace("loading", "missing");
    });
    pixels = wanted;
    loadPatiently(next, imageUrl(page.image_url, wanted), () => page === shownPage && pixels === wanted);
  }

  function setRatio(next) {
    if (Math.abs(next - ratio) < 0.002) return;
    ratio = next;
    layout();
    reveal();
  }

  /** A place of the page as fractions of the sheet on the screen, and back. */
  const onScreen = ([x, y]) => [[x, y], [1 - y, x], [1 - x, 1 - y], [y, 1 - x]][turns];
  const onPage = ([x, y]) => [[x, y], [y, 1 - x], [1 - x, 1 - y], [1 - y, x]][turns];

  /** Scrolls so that a place of the page stands at `at` pixels from the corner of the stage; in its middle by itself. */
  function bring(place, [left, top] = [stage.clientWidth / 2, stage.clientHeight / 2]) {
    const [x, y] = onScreen(place);
    stage.scrollTo({
      left: sheet.offsetLeft + x * sheet.offsetWidth - left,
      top: sheet.offsetTop + y * sheet.offsetHeight - top,
    });
  }

  function reveal() {
    if (target) bring(target);
  }

  const marksOf = (boxes, cited) => overlay(boxes, `marks${cited ? " cited" : ""}`);
  const middle = (box) => [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2];

  function point(event) {
    const area = sheet.getBoundingClientRect();
    return onPage([(event.clientX - area.left) / area.width, (event.clientY - area.top) / area.height]);
  }

  sheet.addEventListener("pointermove", (event) => event.pointerType === "mouse" && onPoint(point(event)));
  sheet.addEventListener("pointerleave", () => onPoint(null));
  sheet.addEventListener("click", (event) => onClick(point(event)));
  new ResizeObserver(layout).observe(stage);

  /** What is under `at`, a place in the window, stays there; without it, what is in the middle. */
  function zoom(factor, at) {
    if (!page) return;
    const { left, top } = stage.getBoundingClientRect();
    const corner = at ? [at.clientX - left, at.clientY - top] : [stage.clientWidth / 2, stage.clientHeight / 2];
    target = point({ clientX: left + corner[0], clientY: top + corner[1] });
    fit = Math.min(6000, Math.max(120, width * factor));
    layout();
    bring(target, corner);
  }

  function setFit(kind) {
    fit = kind;
    layout();
    reveal();
  }

  handle(stage, {
    zoom,
    reset() {
      const was = fit;
      if (typeof was === "number") setFit("page");
      return typeof was === "number";
    },
  });

  return {
    /** `next`: { image_url, width, height, alt }. The old picture goes at once, so no page is taken for another. */
    show(next, boxes, { cited = false } = {}) {
      page = next;
      pixels = 0;
      image = null;
      lit = null;
      found = null;
      pointed = null;
      ratio = next.width > 0 && next.height > 0 ? next.height / next.width : ratio;
      sheet.classList.add("loading");
      sheet.classList.remove("missing");
      marks = marksOf(boxes, cited);
      replace(paper, marks);
      replace(sheet, paper);
      layout();
      target = boxes.length ? middle(boxes[0]) : [0.5, 0];
      reveal();
    },
    /** Other marks on the page that is shown: the first of them is brought into view. */
    mark(boxes, { cited = false } = {}) {
      const next = marksOf(boxes, cited);
      if (next.isEqualNode(marks)) return;
      marks.replaceWith(next);
      marks = next;
      if (!boxes.length) return;
      target = middle(boxes[0]);
      reveal();
    },
    clear() {
      page = null;
      sheet.classList.remove("loading", "missing");
      replace(sheet);
    },
    light(box) {
      lit?.remove();
      lit = box ? overlay([box], "lit") : null;
      if (lit) paper.append(lit);
    },
    /** Further places, in place of those found before; the first is brought into view. */
    find(boxes) {
      found?.remove();
      found = boxes.length ? overlay(boxes, "marks found") : null;
      if (!found) return;
      paper.append(found);
      target = middle(boxes[0]);
      reveal();
    },
    lookAt(box) {
      target = middle(box);
      reveal();
    },
    /** One place among those that are marked, brought into view; null for none. */
    point(box) {
      pointed?.remove();
      pointed = box ? overlay([box], "pointed") : null;
      if (!pointed) return;
      paper.append(pointed);
      target = middle(box);
      reveal();
    },
    fit: setFit,
    /** By a quarter, clockwise, or (`upright`) as it is stored. */
    turn({ upright = false } = {}) {
      turns = upright ? 0 : (turns + 1) % 4;
      layout();
      reveal();
    },
    larger: () => zoom(STEP),
    smaller: () => zoom(1 / STEP),
    scrollsSideways: () => stage.scrollWidth > stage.clientWidth + 1,
  };
}
