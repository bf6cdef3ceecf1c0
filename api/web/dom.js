// Building the page's elements. Contract: data reaches the page only as text nodes, attributes
// from a fixed list and SVG numbers. Nothing here parses HTML, and nothing else in this
// application may (the content security policy would refuse inline script all the same).
// Knows nothing of documents, routes or the API.

const SVG = "http://www.w3.org/2000/svg";
const SILENCE_MS = 60; // long enough for a browser to tell of it

/** An element. `props`: class, dataset, on (listeners), text, or a property/attribute by name. */
export function h(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "class") node.className = value;
    else if (name === "text") node.textContent = value;
    else if (name === "dataset") Object.assign(node.dataset, value);
    else if (name === "on") for (const [event, handler] of Object.entries(value)) node.addEventListener(event, handler);
    else if (SAFE_ATTRIBUTES.has(name) || name.startsWith("aria-"))
      node.setAttribute(name, value === true ? "" : value);
    else throw new TypeError(`h() does not set ${name}`);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

const SAFE_ATTRIBUTES = new Set([
  "id",
  "type",
  "name",
  "value",
  "href",
  "src",
  "alt",
  "title",
  "role",
  "for",
  "hidden",
  "disabled",
  "multiple",
  "placeholder",
  "autocomplete",
  "autocapitalize",
  "spellcheck",
  "enterkeyhint",
  "list",
  "min",
  "max",
  "step",
  "loading",
  "decoding",
  "width",
  "height",
  "download",
  "tabindex",
  "open",
  "checked",
  "selected",
  "required",
  "webkitdirectory",
  "inputmode",
  "scope",
  "rel",
  "target",
  "label",
  "lang",
  "dir",
  "draggable",
  "start",
  "method",
]);

function svgElement(tag, attributes, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

/** Rectangles over an image that fills the same space. Boxes are [x0, y0, x1, y1] in 0..1. */
export function overlay(boxes, className = "marks") {
  const rects = boxes.map(([x0, y0, x1, y1]) =>
    svgElement("rect", { x: x0, y: y0, width: Math.max(0, x1 - x0), height: Math.max(0, y1 - y0) }),
  );
  return svgElement(
    "svg",
    { class: className, viewBox: "0 0 1 1", preserveAspectRatio: "none", "aria-hidden": "true", focusable: "false" },
    ...rects,
  );
}

// Icons: stroked paths on a 20 by 20 grid.
const ICONS = {
  search: "M9 3.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11Zm4 9.5 4 4",
  plus: "M10 4v12M4 10h12",
  close: "m5 5 10 10M15 5 5 15",
  back: "m12 4-6 6 6 6",
  forward: "m8 4 6 6-6 6",
  download: "M10 3v10m-4-4 4 4 4-4M4 16.5h12",
  trash: "M4 6h12M8 6V4h4v2M6 6l.7 10.5h6.6L14 6M8.7 9v4.5m2.6-4.5v4.5",
  link: "M8.5 11.5a3 3 0 0 0 4.3 0l2.6-2.6A3 3 0 0 0 11 4.6l-1 1M11.5 8.5a3 3 0 0 0-4.3 0l-2.6 2.6a3 3 0 0 0 4.3 4.3l1-1",
  warning: "M10 3.5 17.5 16.5h-15L10 3.5Zm0 4.7v4m0 1.9v.2",
  check: "m4.5 10.5 3.7 3.7 7.3-8",
  folder: "M3 5.5h5l1.5 2H17v8.5H3v-10.5Z",
  page: "M5.5 3h6L15 6.5V17H5.5V3Zm6 0v3.5H15",
  chevron: "m5 8 5 5 5-5",
  key: "M12.5 3.5a4 4 0 1 0 0 8 4 4 0 0 0 0-8Zm-2.9 6.9L4 16v1.5h2.5V16H8v-1.7",
  filter: "M3 5h14M6 10h8m-5 5h2",
  width: "M3 4v12M17 4v12M6 10h8m-8 0 2-2m-2 2 2 2m6-2-2-2m2 2-2 2",
  fit: "M4 7.5V4h3.5M16 7.5V4h-3.5M4 12.5V16h3.5M16 12.5V16h-3.5",
  minus: "M4 10h12",
  again: "M15.5 10a5.5 5.5 0 1 1-1.7-4M16 3v3.6h-3.6",
  turn: "M6 8.5h8.5v8H6zM4 8V6.5A2.5 2.5 0 0 1 6.5 4H11m0 0L9 2m2 2L9 6",
  status: "M4 16V9M8 16V4M12 16v-5M16 16V7",
};

export function icon(name) {
  return svgElement(
    "svg",
    { class: "icon", viewBox: "0 0 20 20", "aria-hidden": "true", focusable: "false" },
    svgElement("path", { d: ICONS[name] }),
  );
}

/** A button with an icon; `label` is its accessible name, shown when `shown` is set. */
export function button(label, { glyph, shown = true, kind = "", title, ...props } = {}) {
  const content = [glyph ? icon(glyph) : null, shown ? h("span", { text: label }) : null];
  const name = shown ? {} : { "aria-label": label, title: title ?? label };
  return h(
    "button",
    { type: "button", class: `button ${kind}${shown ? "" : " icon-only"}`.trim(), ...name, ...props },
    content,
  );
}

export function replace(parent, ...children) {
  parent.replaceChildren(
    ...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false),
  );
}

const CONTROLS = "a[href]:not([tabindex]), button:enabled, input:enabled, select:enabled, summary";
const focusIn = (node) => {
  const first = [...(node?.querySelectorAll(CONTROLS) ?? [])].find((one) => one.checkVisibility());
  (first ?? document.getElementById("main")).focus({ preventScroll: true });
};

/** Changes what is in `node`. A focus that goes with that comes to the first control that is there then: from nowhere a
 *  keyboard would begin at the top of the page again.
 */
export function keepFocus(node, change) {
  const held = node.contains(document.activeElement);
  change();
  if (held && !(node.contains(document.activeElement) && document.activeElement.checkVisibility())) focusIn(node);
}

/** Takes a row of a list away; a focus in it goes to the next one, or to the one before. */
export function takeAway(row) {
  const held = row.contains(document.activeElement);
  const near = row.nextElementSibling ?? row.previousElementSibling;
  row.remove();
  if (held) focusIn(near);
}

/** Text with <mark> around half-open spans; spans may overlap or be out of order. */
export function marked(text, spans) {
  const out = document.createDocumentFragment();
  let at = 0;
  for (const [start, end] of [...spans].sort((a, b) => a[0] - b[0])) {
    const from = Math.max(at, start);
    const to = Math.min(text.length, end);
    if (to <= from) continue;
    out.append(text.slice(at, from), h("mark", { text: text.slice(from, to) }));
    at = to;
  }
  out.append(text.slice(at));
  return out;
}

/** Says a sentence to screen readers, politely. What is behind an open dialog is silent, so dialogs have their own. */
export function announce(sentence) {
  const live = document.querySelector("dialog[open] [data-live]") ?? document.getElementById("live");
  const again = live.textContent === sentence;
  live.textContent = again ? "" : sentence;
  // Only a change is heard: the same again, as of another search that found as much, is set anew.
  if (again) setTimeout(() => (live.textContent ||= sentence), SILENCE_MS);
}

export function debounce(run, wait) {
  let timer = 0;
  const later = (...args) => {
    clearTimeout(timer);
    timer = setTimeout(run, wait, ...args);
  };
  later.cancel = () => clearTimeout(timer);
  return later;
}

/** Runs once, when the element first comes near the window. */
export function whenVisible(node, run) {
  const observer = new IntersectionObserver(
    (entries) => {
      if (!entries.some((entry) => entry.isIntersecting)) return;
      observer.disconnect();
      run();
    },
    { rootMargin: "200px" },
  );
  observer.observe(node);
}

/** True when a key press belongs to a field and must not become a shortcut. */
export function isTyping(event) {
  const node = event.target;
  return node instanceof HTMLElement && (node.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(node.tagName));
}
