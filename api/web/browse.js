// Which documents are listed. Contract: `createBrowse(root, tools, parts)` shows the order and the folder that
// the address says, and the folders inside that one to go down by; a choice changes the address and nothing else.
// `show(list)` follows the address, `open(folder)` goes there, `renew()` asks for the folders again, soon, however often
// it is called.

import * as api from "./api.js";
import { button, debounce, h, icon, replace } from "./dom.js";
import { ALL, writeList, writeSearch } from "./route.js";
import { createSave } from "./save.js";
import { count } from "./words.js";

const ORDERS = [
  ["newest", "Newest first"],
  ["oldest", "Oldest first"],
  ["name", "By name"],
  ["pages", "Most pages first"],
  ["size", "Largest first"],
];
const FEW = 12; // folders that are shown before one asks for all
const SOON = 800;

export const isAll = (list) => JSON.stringify(list) === JSON.stringify(ALL);

export function createBrowse(root, tools, { onFolders, onSearch, onTrouble }) {
  const order = h(
    "select",
    { id: "order", "aria-label": "Order of the documents" },
    ORDERS.map(([value, text]) => h("option", { value, text })),
  );
  const unread = h("input", { id: "unread", type: "checkbox" });
  const only = h("div", { class: "check" }, unread, h("label", { for: "unread", text: "Only what could not be read" }));
  const crumbs = h("ol", { class: "way" });
  const here = button("Search in this folder", { glyph: "search", kind: "plain small", on: { click: searchHere } });
  const inside = h("ul", { class: "folders", "aria-label": "Folders in it" });
  let list = ALL;
  let asked = null; // the folder whose folders are shown
  let all = false; // of them
  let running = null;
  let held = false; // the focus was here, or is to come here

  const save = createSave({ folder: () => list.folder, onTrouble });
  tools.prepend(order, only, save);
  replace(root, crumbs, here, inside);
  order.addEventListener("change", () => writeList({ order: order.value }));
  unread.addEventListener("change", () => writeList({ unread: unread.checked }));

  function show(next) {
    list = next;
    order.value = list.order;
    unread.checked = list.unread;
    if (list.folder !== asked) {
      all = false;
      look();
    }
  }

  function searchHere() {
    writeSearch({ filter: { folder: list.folder } }, { push: true });
    onSearch();
  }

  async function look() {
    running?.abort();
    running = new AbortController();
    const { signal } = running;
    asked = list.folder;
    held ||= root.contains(document.activeElement);
    way();
    let found = { items: [], more: 0 }; // where that fails: the list below says why, and there is a way up all the same
    try {
      found = await api.listFolders(list.folder, signal);
      onFolders(found.items.map(({ path }) => path));
    } catch (error) {
      if (error.name === "AbortError") return;
    }
    if (signal.aborted) return;
    draw(found);
    if (held && !root.contains(document.activeElement)) (root.querySelector(".folder") ?? root.querySelector(".crumb"))?.focus();
    held = false;
  }

  function way() {
    const parts = list.folder ? list.folder.split("/") : [];
    const up = (label, folder) =>
      h("button", { type: "button", class: "crumb", on: { click: () => writeList({ folder }) } }, h("bdi", { text: label }));
    replace(
      crumbs,
      parts.length ? h("li", {}, up("All folders", "")) : h("li", { text: "Folders" }),
      parts.map((part, i) =>
        i === parts.length - 1
          ? h("li", { "aria-current": "location" }, h("bdi", { text: part }))
          : h("li", {}, up(part, parts.slice(0, i + 1).join("/"))),
      ),
    );
    here.hidden = !parts.length;
  }

  function draw({ items, more }) {
    root.hidden = !items.length && !list.folder;
    const shown = all ? items : items.slice(0, FEW);
    const over = items.length - shown.length;
    replace(
      inside,
      shown.map(({ path, documents }) => h("li", {}, folderButton(path, documents))),
      over
        ? h("li", {}, button(`Show ${count(over, "more folder")}`, { kind: "plain small", on: { click: () => open({ items, more }) } }))
        : null,
      !over && more ? h("li", { class: "quiet", text: `and ${count(more, "more", "more")}` }) : null,
    );
  }

  function open(found) {
    all = true;
    draw(found);
    inside.children[FEW].querySelector("button").focus();
  }

  function folderButton(path, documents) {
    return h(
      "button",
      { type: "button", class: "folder", on: { click: () => writeList({ folder: path }) } },
      icon("folder"),
      h("bdi", { class: "name", text: path.split("/").at(-1) }),
      h("span", { class: "quiet", "aria-label": count(documents, "document"), text: String(documents) }),
    );
  }

  const renew = debounce(look, SOON);
  return {
    show,
    renew,
    /** To that folder, with the focus here: what led there may not be on the page any more. */
    open(folder) {
      held = true;
      writeList({ folder });
    },
  };
}
