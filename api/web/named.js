// Documents by their names, by folder, or in another order. Contract: `createNamed` is the field above the list: what is
// typed there is looked for in names of files and folders, of all documents and not only those in sight, and shown in a
// list of its own in place of the others; so is what the address chooses (`show`, browse.js). With neither, all are back;
// Esc empties the field. `heard`, `forget` and `renew` keep what is shown as it is by now. `namedLine` is one line of
// documents of a name for above the results of a search.

import * as api from "./api.js";
import { isAll } from "./browse.js";
import { announce, button, debounce, h, icon, replace } from "./dom.js";
import { createRow } from "./row.js";
import { ALL, pageHref } from "./route.js";
import { count } from "./words.js";

const TYPING_PAUSE = 160;
const AT_A_TIME = 50;
const RENEW_PAUSE = 1000;

export function createNamed({ field, section, list, note, more }, actions) {
  let rows = new Map();
  let running = null;
  let chosen = ALL; // by the address
  let deeper = false; // more than the first step is shown

  const typed = debounce(() => look(), TYPING_PAUSE);
  field.addEventListener("input", typed);
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !field.value) return;
    event.preventDefault();
    set("");
  });

  async function look(cursor, { aloud = true } = {}) {
    running?.abort();
    renewSoon.cancel();
    const name = field.value.trim();
    const wanted = Boolean(name) || !isAll(chosen);
    section.classList.toggle("by-name", wanted);
    if (!wanted) {
      rows = new Map();
      replace(list);
      replace(more);
      note.textContent = "";
      return;
    }
    running = new AbortController();
    const { signal } = running;
    try {
      const found = await api.listDocuments({ ...chosen, name, cursor, limit: AT_A_TIME, signal });
      if (signal.aborted) return;
      const before = cursor ? [] : [...rows.keys()];
      const first = found.items.find(({ id }) => !rows.has(id));
      for (const id of before) if (!found.items.some((item) => item.id === id)) rows.delete(id);
      deeper = Boolean(cursor);
      for (const item of found.items) put(item);
      const order = cursor ? [...rows.keys()] : found.items.map(({ id }) => id);
      arrange(order.map((id) => rows.get(id).node));
      note.textContent = noteOf(found.total, name, chosen);
      replace(more, found.next_cursor ? button("Show more", { on: { click: () => look(found.next_cursor) } }) : null);
      if (aloud) announce(note.textContent);
      if (cursor && first) rows.get(first.id)?.node.querySelector(".row-link, .row-actions button")?.focus();
    } catch (error) {
      if (error.name !== "AbortError") note.textContent = error.message;
    }
  }

  /** What stands in its place already is not touched: the focus stays where it is. */
  function arrange(nodes) {
    for (const node of [...list.children]) if (!nodes.includes(node)) node.remove();
    nodes.forEach((node, i) => list.children[i] !== node && list.insertBefore(node, list.children[i] ?? null));
  }

  const renewSoon = debounce(() => look(undefined, { aloud: false }), RENEW_PAUSE);

  function put(item) {
    const row = rows.get(item.id) ?? createRow(actions);
    rows.set(item.id, row);
    row.update(item);
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
      if (JSON.stringify(next) === JSON.stringify(chosen)) return;
      chosen = next;
      look();
    },
    /** Others were added, or the service came back. Who went further down stays there. */
    renew() {
      if (section.classList.contains("by-name") && !deeper) renewSoon();
    },
    heard: (item) => rows.has(item.id) && put(item),
    forget(id) {
      rows.get(id)?.node.remove();
      if (rows.delete(id)) typed(); // once, however many go together
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
