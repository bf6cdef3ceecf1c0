// The large picture of a page. Contract: `createSheet(stage)` shows one page at a time, fitted or zoomed, with marks
// and one lit region over it; coordinates are fractions of the page. A sharper picture replaces a coarser one when it
// has arrived. Knows nothing of texts and routes.

import { imageUrl } from "./api.js";
import { h, overlay, replace } from "./dom.js";
import { PICTURE_WIDTH } from "./scan.js";

const SHARPER = [PICTURE_WIDTH, 1600, 2400].filter((width, i, all) => i === 0 || width > all[0]);
const STEP = 1.25;
const MARGIN = 32;

export function createSheet(stage, { onPoint, onClick, onZoom }) {
  const sheet = h("div", { class: "page-sheet" });
  let page = null;
  let ratio = 297 / 210;
  let fit = "page"; // "page", "width" or a width in pixels
  let width = 0;
  let image = null;
  let pixels = 0;
  let lit = null;
  let found = null;
  let target = null; // fraction to bring into view when the layout is known
  replace(stage, sheet);

  function fitted(kind) {
    const wide = Math.max(160, stage.clientWidth - MARGIN);
    return kind === "width" ? wide : Math.min(wide, Math.max(160, stage.clientHeight - MARGIN) / ratio);
  }

  function layout() {
    if (!page) return;
    width = typeof fit === "number" ? fit : fitted(fit);
    sheet.style.width = `${Math.round(width)}px`;
    sheet.style.aspectRatio = `1 / ${ratio}`;
    sharpen();
    onZoom({ fit, percent: Math.round((100 * width) / fitted("width")) });
  }

  function sharpen() {
    const needed = width * devicePixelRatio;
    const wanted = SHARPER.find((candidate) => candidate >= needed * 0.9) ?? SHARPER.at(-1);
    if (wanted <= pixels) return;
    const shownPage = page;
    const next = h("img", { alt: page.alt, decoding: "async", draggable: "false" });
    next.addEventListener("load", () => {
      if (page !== shownPage || wanted < pixels) return;
      image?.remove();
      image = next;
      sheet.prepend(next);
      sheet.classList.remove("loading", "missing");
      setRatio(next.naturalHeight / next.naturalWidth);
    });
    next.addEventListener("error", () => {
      if (page === shownPage && !image) sheet.classList.replace("loading", "missing");
    });
    pixels = wanted;
    next.src = imageUrl(page.image_url, wanted);
  }

  function setRatio(next) {
    if (Math.abs(next - ratio) < 0.002) return;
    ratio = next;
    layout();
    reveal();
  }

  function reveal() {
    if (!target) return;
    const [x, y] = target;
    stage.scrollTo({
      left: sheet.offsetLeft + x * sheet.offsetWidth - stage.clientWidth / 2,
      top: sheet.offsetTop + y * sheet.offsetHeight - stage.clientHeight / 2,
    });
  }

  const middle = (box) => [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2];

  function point(event) {
    const area = sheet.getBoundingClientRect();
    return [(event.clientX - area.left) / area.width, (event.clientY - area.top) / area.height];
  }

  sheet.addEventListener("pointermove", (event) => event.pointerType === "mouse" && onPoint(point(event)));
  sheet.addEventListener("pointerleave", () => onPoint(null));
  sheet.addEventListener("click", (event) => onClick(point(event)));
  stage.addEventListener(
    "wheel",
    (event) => {
      if (!event.ctrlKey) return;
      event.preventDefault();
      zoom(event.deltaY < 0 ? STEP : 1 / STEP, point(event));
    },
    { passive: false },
  );
  new ResizeObserver(layout).observe(stage);

  function zoom(factor, around) {
    const centre = around ?? [
      (stage.scrollLeft + stage.clientWidth / 2 - sheet.offsetLeft) / sheet.offsetWidth,
      (stage.scrollTop + stage.clientHeight / 2 - sheet.offsetTop) / sheet.offsetHeight,
    ];
    fit = Math.min(6000, Math.max(120, width * factor));
    target = centre;
    layout();
    reveal();
  }

  return {
    /** `next`: { image_url, width, height, alt }. The old picture goes at once, so no page is taken for another. */
    show(next, boxes, { cited = false } = {}) {
      page = next;
      pixels = 0;
      image = null;
      lit = null;
      found = null;
      ratio = next.width > 0 && next.height > 0 ? next.height / next.width : ratio;
      sheet.classList.add("loading");
      sheet.classList.remove("missing");
      replace(sheet, overlay(boxes, `marks${cited ? " cited" : ""}`));
      layout();
      target = boxes.length ? middle(boxes[0]) : [0.5, 0];
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
      if (lit) sheet.append(lit);
    },
    /** Further places, in place of those found before; the first is brought into view. */
    find(boxes) {
      found?.remove();
      found = boxes.length ? overlay(boxes, "marks found") : null;
      if (!found) return;
      sheet.append(found);
      target = middle(boxes[0]);
      reveal();
    },
    lookAt(box) {
      target = middle(box);
      reveal();
    },
    fit(kind) {
      fit = kind;
      layout();
      reveal();
    },
    larger: () => zoom(STEP),
    smaller: () => zoom(1 / STEP),
    scrollsSideways: () => stage.scrollWidth > stage.clientWidth + 1,
  };
}
