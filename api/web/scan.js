// Pictures of pages in lists: the small whole page, and the strip of the scan around a place. Contract: pictures
// load when they come into view; marks lie over them in fractions of the page; a picture that cannot be had leaves
// quiet paper, and is asked for again. All pictures of one page use one address, so each is rendered and fetched once.

import { imageUrl } from "./api.js";
import { h, overlay } from "./dom.js";
import { joinLine } from "./highlight.js";
import { loadPatiently } from "./patient.js";

export const PICTURE_WIDTH = devicePixelRatio > 1.4 ? 1600 : 1000;
export const THUMB_PIXELS = 240; // of pages that are only ever shown small

function picture(url, width, height, pixels = PICTURE_WIDTH) {
  const image = h("img", {
    alt: "",
    loading: "lazy",
    decoding: "async",
    draggable: "false",
    width: String(pixels),
    height: String(Math.round((pixels * height) / width)),
  });
  image.addEventListener("load", () => image.classList.replace("missing", "loaded") || image.classList.add("loaded"));
  image.addEventListener("error", () => image.classList.add("missing"));
  loadPatiently(image, imageUrl(url, pixels));
  return image;
}

// Where the size of a page is not known yet: A4, until its picture tells.
const sane = ({ width, height }) => (width > 0 && height > 0 ? { width, height } : { width: 210, height: 297 });
const TALLEST = 1.6; // of a small page, in its widths; longer ones are cut

function onSize(image, use) {
  image.addEventListener("load", () => use(image.naturalWidth, image.naturalHeight), { once: true });
}

/** A whole page, small. `page`: { image_url, width, height }. */
export function thumbnail(page, boxes = [], pixels = PICTURE_WIDTH) {
  const { width, height } = sane(page);
  const image = picture(page.image_url, width, height, pixels);
  const node = h("div", { class: "thumb", "aria-hidden": "true" }, image, overlay(joinLine(boxes)));
  const shape = (w, h) => {
    node.style.aspectRatio = `${w} / ${Math.min(h, w * TALLEST)}`;
  };
  shape(width, height);
  onSize(image, shape);
  return node;
}

/**
 * The part of the page around the most telling of `boxes`, at reading size, and at most `reach` of the page's height.
 * The stylesheet does the placing.
 */
export function strip(page, boxes, { reach = 0.05 } = {}) {
  const { width, height } = sane(page);
  const image = picture(page.image_url, width, height);
  const sheet = h("div", { class: "sheet" }, image, overlay(joinLine(boxes)));
  const node = h("div", { class: "strip", "aria-hidden": "true" }, sheet);
  const set = (name, value) => node.style.setProperty(name, String(value));
  set("--ratio", height / width);
  onSize(image, (w, h) => set("--ratio", h / w));
  const { x, y, left, tall } = centre(boxes, reach);
  set("--x", x);
  set("--y", y);
  set("--left", left);
  set("--tall", tall);
  return node;
}

/**
 * Where to look: around the box that has the most others close by, so that one stray word does not draw the eye away.
 * All in fractions of the page: the middle, the left edge and the height.
 */
function centre(boxes, reach) {
  let best = boxes.slice(0, 1);
  let most = 0;
  for (const [, top] of boxes.slice(0, 60)) {
    const near = boxes.filter((box) => box[1] >= top - 0.004 && box[3] <= top + reach);
    if (near.length > most) {
      most = near.length;
      best = near;
    }
  }
  if (!best.length) return { x: 0.5, y: 0.2, left: 0, tall: 0 };
  const edge = (i, pick) => pick(...best.map((box) => box[i]));
  const [x0, y0, x1, y1] = [edge(0, Math.min), edge(1, Math.min), edge(2, Math.max), edge(3, Math.max)];
  return { x: (x0 + x1) / 2, y: (y0 + y1) / 2, left: x0, tall: y1 - y0 };
}
