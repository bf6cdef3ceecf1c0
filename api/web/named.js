// Documents by their names, by folder, or in another order. Contract: `createNamed` is the field above the list: what is
// typed there is looked for in names of files and folders, of all documents and not only those in sight, and shown in a
// list of its own in place of the others; so is what the address chooses (`show`, browse.js), of which Back and a reload show
// as much as was shown (depth.js). With neither, all are back; Esc empties the field. `heard`, `forget` and `renew` keep what
// is shown as it is by now, and what is being read is followed. `namedLine` is one line of documents of a name for above
// the results of a search.

import * as api from "./api.js";
import { isAll } from "./browse.js";
import * as depth from "./depth.js";
import { announce, button, debounce, h, icon, replace, takeAway } from "./dom.js";
import { createRow } from "./row.js";
import { ALL, pageHref } from "./route.js";
import { count } from "./words.js";

const TYPING_PAUSE = 160;
const AT_A_TIME = 50;
const RENEW_PAUSE = 1000;
const FOLLOW_MS = 3000; // between two looks at what is being read
const DEEPEST = 2000; // documents that are listed at once

export function createNamed({ field, section, list, note, more }, actions) {
  let rows = new Map();
  let reading = new Set(); // ids of those that are not read yet
  let running = null;
  let chosen = ALL; // by the address
  let cursor = null; // of what comes after those that are shown
  let timer = 0;

  const typed = debounce(() => look(), TYPING_PAUSE);
  field.addEventListener("input", typed);
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !field.value) return;
    event.preventDefault();
    set("");
  });

  const onward = button("Show more", { on: { click: () => look({ onward: cursor }) } });
  const key = () => JSON.stringify([field.value.trim(), chosen]);

  /** `many`: how many of them, from the first on; `onward`: the cursor of the next. */
  async function look({ many = AT_A_TIME, onward: from, y, aloud = true } = {}) {
    running?.abort();
    renewSoon.cancel();
    const name = field.value.trim();
    const wanted = Boolean(name) || !isAll(chosen);
    section.classList.toggle("by-name", wanted);
    if (!wanted) {
      rows = new Map();
      reading = new Set();
      replace(list);
      replace(more);
      note.textContent = "";
      return;
    }
    running = new AbortController();
    const { signal } = running;
    try {
      const asked = { ...chosen, name, signal };
      const found = await (from
        ? api.listDocuments({ ...asked, cursor: from, limit: AT_A_TIME })
        : api.listSoMany(Math.min(many, DEEPEST), asked));
      if (signal.aborted) return;
      const first = found.items.find(({ id }) => !rows.has(id));
      if (!from) keepOnly(new Set(found.items.map(({ id }) => id)));
      for (const item of found.items) put(item);
      const order = from ? [...rows.keys()] : found.items.map(({ id }) => id);
      arrange(order.map((id) => rows.get(id).node));
      cursor = found.next_cursor;
      if (Boolean(cursor) !== onward.isConnected) replace(more, cursor ? onward : null);
      const said = noteOf(found.total, name, chosen);
      if (note.textContent !== said) note.textContent = said;
      if (aloud) announce(said);
      if (from && first) rows.get(first.id)?.node.querySelector(".row-link, .row-actions button")?.focus();
      if (y !== undefined) scrollTo({ top: y });
      keepDepth();
      follow();
    } catch (error) {
      if (error.name !== "AbortError") note.textContent = error.message;
    }
    if (running?.signal === signal) running = null;
  }

  function keepDepth() {
    if (list.checkVisibility()) depth.keep(key(), rows.size);
  }

  function keepOnly(ids) {
    for (const id of rows.keys()) if (!ids.has(id)) drop(id);
  }

  function drop(id) {
    reading.delete(id);
    return rows.delete(id);
  }

  /** What stands in its place already is not touched: the focus stays where it is. */
  function arrange(nodes) {
    for (const node of [...list.children]) if (!nodes.includes(node)) node.remove();
    nodes.forEach((node, i) => list.children[i] !== node && list.insertBefore(node, list.children[i] ?? null));
  }

  /** What somebody asked for is not broken off for it. */
  const again = () => (running ? renewSoon() : look({ many: Math.max(AT_A_TIME, rows.size), aloud: false }));
  const renewSoon = debounce(again, RENEW_PAUSE);

  /** Files in an archive, and what is not among the newest, are followed by nobody else. */
  function follow() {
    if (timer || !reading.size) return;
    timer = setTimeout(async () => {
      timer = 0;
      if (list.checkVisibility() && !document.hidden && !api.connection.down) await again();
      follow();
    }, FOLLOW_MS);
  }

  function put(item) {
    const row = rows.get(item.id) ?? createRow(actions);
    rows.set(item.id, row);
    row.update(item);
    if (item.state === "accepted" || item.state === "reading") reading.add(item.id);
    else reading.delete(item.id);
  }

  function set(name) {
    typed.cancel();
    field.value = name;
    return look();
  }

  return {
    set,
    /** Follows the address. */
    show(next) {
      if (JSON.stringify(next) === JSON.stringify(chosen)) {
        if (rows.size && !depth.of(key())) keepDepth();
        return;
      }
      chosen = next;
      const was = depth.of(key());
      look({ many: Math.max(AT_A_TIME, was?.shown ?? 0), y: was?.y });
    },
    /** Others were added, or the service came back. */
    renew() {
      if (section.classList.contains("by-name")) renewSoon();
    },
    heard(item) {
      if (!rows.has(item.id)) return;
      put(item);
      follow();
    },
    forget(id) {
      if (rows.has(id)) takeAway(rows.get(id).node);
      if (drop(id)) renewSoon(); // once, however many go together
    },
  };
}

function noteOf(total, name, { folder, unread }) {
  const [what, where] = [unread ? " that could not be read whole" : "", folder ? ` in ${folder}` : ""];
  if (total) return `${count(total, "document")}${what}${where}${name ? ` with “${name}” in the name or folder` : ""}`;
  if (name) {
    const among = what || where ? ` among those${what}${where}` : "";
    return (
      `No document${among} has “${name}” in its name or folder. ` +
      "What stands on the pages is found with the field at the top."
    );
  }
  return unread ? `Everything${where} could be read, or is still to be read.` : `There is nothing${where}.`;
}

/** `found`: of the API, or null. Null where nothing is named so. */
export function namedLine(found, { onlyFolder, showAll }) {
  const shown = found?.items.filter(({ kind, pages }) => kind === "archive" || pages.total) ?? [];
  if (!shown.length) return null;
  const name = (item) => h("bdi", { class: "name", text: item.filename });
  const link = (item) =>
    item.kind === "archive"
      ? h("button", { type: "button", title: "Only in this archive", on: { click: () => onlyFolder(item.filename) } }, [
          icon("folder"),
          name(item),
        ])
      : h("a", { href: pageHref(item.id, 1), title: "Open the document" }, name(item));
  const over = found.total - shown.length;
  return h(
    "div",
    { class: "named-line" },
    h("p", { class: "quiet", id: "named-line-label", text: "Named so" }),
    h(
      "ul",
      { class: "considered", "aria-labelledby": "named-line-label" },
      shown.map((item) => h("li", {}, link(item))),
      over > 0
        ? h("li", {}, h("button", { type: "button", text: `and ${count(over, "more", "more")}`, on: { click: showAll } }))
        : null,
    ),
  );
}
