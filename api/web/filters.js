// The filters beside the results. Contract: shows what the address says and writes changes to it; `toRequest`
// turns the address's filter into the API's. Knows documents only as a list of names to choose from.

import { button, h, keepFocus, replace } from "./dom.js";
import { read, writeSearch } from "./route.js";
import { count, media, MEDIA_CHOICES } from "./words.js";

const MOST_OFFERED = 300; // documents to choose from; a list of thousands helps nobody
const EMPTY = { document: "", folder: "", type: "", from: "", to: "" };

export const isFiltered = (filter) => Object.values(filter).some(Boolean);

/** Whether no day is in it; the service would refuse to look. */
export const isNever = ({ from, to }) => Boolean(day(from) && day(to)) && day(from) > day(to);

/** FilterJSON of a filter in the address. Days are the reader's own. */
export function toRequest(filter) {
  const request = {};
  if (filter.document) request.document_ids = [filter.document];
  if (filter.folder) request.folder = filter.folder.replace(/^\/+|\/+$/g, "");
  if (filter.type) request.media_types = [filter.type];
  const from = day(filter.from);
  const to = day(filter.to);
  if (from) request.created_from = from.toISOString();
  if (to) {
    to.setHours(23, 59, 59, 999);
    request.created_to = to.toISOString();
  }
  return request;
}

function day(text) {
  const match = /^(\d{4})-(\d{2})-(\d{2})$/.exec(text);
  const date = match ? new Date(Number(match[1]), Number(match[2]) - 1, Number(match[3])) : null;
  return date && !Number.isNaN(date.getTime()) ? date : null;
}

function daysAgo(n) {
  const date = new Date();
  date.setDate(date.getDate() - n);
  const two = (part) => String(part).padStart(2, "0");
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

const TIMES = [
  ["", "Any time"],
  ["0", "Today"],
  ["6", "Last 7 days"],
  ["29", "Last 30 days"],
  ["custom", "Between two days…"],
];

export function createFilters(root, { nameOf }) {
  const options = (pairs) => pairs.map(([value, text]) => h("option", { value, text }));
  const documents = h("select", { id: "f-document" });
  const folder = h("input", {
    id: "f-folder",
    type: "text",
    list: "f-folders",
    placeholder: "Any folder",
    autocomplete: "off",
    spellcheck: "false",
  });
  const folders = h("datalist", { id: "f-folders" });
  const type = h(
    "select",
    { id: "f-type" },
    options([["", "Any type"], ...MEDIA_CHOICES.map((value) => [value, media(value)])]),
  );
  const time = h("select", { id: "f-time" }, options(TIMES));
  const from = h("input", { id: "f-from", type: "date" });
  const to = h("input", { id: "f-to", type: "date" });
  const range = h(
    "div",
    { class: "range", hidden: true },
    h("label", { for: "f-from", text: "From" }),
    from,
    h("label", { for: "f-to", text: "To" }),
    to,
  );
  const group = h("input", { id: "f-group", type: "checkbox" });
  const clear = button("Clear filters", {
    kind: "plain",
    glyph: "close",
    hidden: true,
    on: { click: () => writeSearch({ filter: EMPTY }, { push: true }) },
  });
  const summary = h("summary", {}, "Filters");
  const knownFolders = new Set();
  let known = new Map();
  let more = false; // documents than are known

  const field = (label, control, ...more) =>
    h("div", { class: "field" }, h("label", { for: control.id, text: label }), control, ...more);
  const box = h(
    "details",
    { class: "filter-box", open: matchMedia("(min-width: 64rem)").matches },
    summary,
    h(
      "div",
      { class: "filter-fields" },
      field("Document", documents),
      field("Folder", folder, folders),
      field("Type", type),
      field("Added", time, range),
      h("div", { class: "check" }, group, h("label", { for: "f-group", text: "Group by document" })),
      clear,
    ),
  );
  replace(root, box);

  const change = (part) => writeSearch({ filter: { ...read().filter, ...part } }, { push: true });
  documents.addEventListener("change", () => change({ document: documents.value }));
  folder.addEventListener("change", () => change({ folder: folder.value.trim() }));
  type.addEventListener("change", () => change({ type: type.value }));
  from.addEventListener("change", () => change({ from: from.value }));
  to.addEventListener("change", () => change({ to: to.value }));
  group.addEventListener("change", () => writeSearch({ group: group.checked }, { push: true }));
  time.addEventListener("change", () => {
    range.hidden = time.value !== "custom";
    if (time.value !== "custom") change({ from: time.value === "" ? "" : daysAgo(Number(time.value)), to: "" });
    else from.focus();
  });

  function listDocuments(selected) {
    const entries = [...known].slice(-MOST_OFFERED).sort((a, b) => a[1].localeCompare(b[1]));
    const others = more || known.size > MOST_OFFERED;
    if (selected && !entries.some(([id]) => id === selected))
      entries.unshift([selected, known.get(selected) ?? "One document"]);
    replace(
      documents,
      h("option", { value: "", text: "All documents" }),
      entries.map(([value, text]) => h("option", { value, text })),
      others ? h("option", { disabled: true, text: "Others: “Search in” beside them in the list" }) : null,
    );
    documents.value = selected;
  }

  async function show({ filter, group: grouped }) {
    listDocuments(filter.document);
    folder.value = filter.folder;
    type.value = filter.type;
    from.value = filter.from;
    to.value = filter.to;
    const preset = TIMES.find(
      ([value]) => value && value !== "custom" && !filter.to && daysAgo(Number(value)) === filter.from,
    );
    time.value = preset
      ? preset[0]
      : filter.from || filter.to
        ? "custom"
        : time.value === "custom" && !range.hidden
          ? "custom"
          : "";
    range.hidden = time.value !== "custom";
    group.checked = grouped;
    const active = Object.entries(filter).filter(([name, value]) => value && !(name === "to" && filter.from)).length;
    keepFocus(box, () => (clear.hidden = active === 0));
    summary.textContent = active ? `Filters (${count(active, "set", "set")})` : "Filters";
    if (filter.document && !known.has(filter.document)) {
      const name = await nameOf(filter.document);
      if (name && read().filter.document === filter.document) {
        known.set(filter.document, name);
        listDocuments(filter.document);
      }
    }
  }

  return {
    show,
    /** Names to choose from. `names`: Map of document id to name; `others`: whether there are more. */
    offerDocuments(names, others = more) {
      more = others;
      known = new Map([...known, ...names]);
      listDocuments(read().filter.document);
    },
    offerFolders(names) {
      const before = knownFolders.size;
      for (const name of names) knownFolders.add(name);
      if (knownFolders.size !== before)
        replace(
          folders,
          [...knownFolders].sort().map((value) => h("option", { value })),
        );
    },
  };
}
