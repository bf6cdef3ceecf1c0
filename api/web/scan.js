// Pictures of pages in lists: the small whole page, and the strip of the scan around a place. Contract: pictures
// load when they come into view; marks lie over them in fractions of the page; a picture that cannot be had leaves
// quiet paper. All pictures of one page use one address, so each is rendered and fetched once.

import { imageUrl } from "./api.js";
import { h, overlay } from "./dom.js";
import { joinLine } from "./highlight.js";

export const PICTURE_WIDTH = devicePixelRatio > 1.4 ? 1600 : 1000;

function picture(url, width, height, pixels = PICTURE_WIDTH) {
  const image = h("img", {
    src: imageUrl(url, pixels),
    alt: "",
    loading: "lazy",
    decoding: "async",
    draggable: "false",
    width: String(pixels),
    height: String(Math.round((pixels * height) / width)),
  });
  image.addEventListener("load", () => image.classList.add("loaded"), { once: true });
  image.addEventListener("error", () => image.classList.add("missing"), { once: true });
  return image;
}

const sane = ({ width, height }) => (width > 0 && height > 0 ? { width, height } : { width: 210, height: 297 });

/** A whole page, small. `page`: { image_url, width, height }. */
export function thumbnail(page, boxes = [], pixels = PICTURE_WIDTH) {
  const { width, height } = sane(page);
  const node = h(
    "div",
    { class: "thumb", "aria-hidden": "true" },
    picture(page.image_url, width, height, pixels),
    overlay(joinLine(boxes)),
  );
  node.style.aspectRatio = `${width} / ${Math.min(height, width * 1.6)}`;
  return node;
}

/** The part of the page around the first of `boxes`, at reading size. The stylesheet does the placing. */
export function strip(page, boxes) {
  const { width, height } = sane(page);
  const [x, y, tall, left] = centre(boxes);
  const sheet = h("div", { class: "sheet" }, picture(page.image_url, width, height), overlay(joinLine(boxes)));
  const node = h("div", { class: "strip", "aria-hidden": "true" }, sheet);
  node.style.setProperty("--ratio", String(height / width));
  // A citation does not say how large its page is; the picture does.
  const image = sheet.querySelector("img");
  image.addEventListener("load", () =>
    node.style.setProperty("--ratio", String(image.naturalHeight / image.naturalWidth)),
  );
  node.style.setProperty("--x", String(x));
  node.style.setProperty("--y", String(y));
  node.style.setProperty("--left", String(left));
  node.style.setProperty("--tall", String(tall));
  return node;
}

const NEARBY = 0.05; // of the page's height: about three lines of a letter

/**
 * Where to look, and how tall it is: around the box that has the most others close by, so that one stray word does not
 * draw the eye away. Returns [x, y, height, left edge] in fractions of the page.
 */
function centre(boxes) {
  const some = boxes.slice(0, 60);
  let best = [];
  for (const [, top] of some) {
    const near = some.filter((box) => box[1] >= top - 0.004 && box[3] <= top + NEARBY);
    if (near.length > best.length) best = near;
  }
  if (!best.length)
    return some.length
      ? [(some[0][0] + some[0][2]) / 2, some[0][1] + NEARBY / 2, NEARBY, some[0][0]]
      : [0.5, 0.2, 0.02, 0];
  const edge = (i, pick) => pick(...best.map((box) => box[i]));
  const [x0, y0, x1, y1] = [edge(0, Math.min), edge(1, Math.min), edge(2, Math.max), edge(3, Math.max)];
  return [(x0 + x1) / 2, (y0 + y1) / 2, y1 - y0, x0];
}
