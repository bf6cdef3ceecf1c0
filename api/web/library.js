// The documents and how far they are read. Contract: rows are updated in place, newest first; documents being read
// are followed live (server-sent events for the newest few, one shared poll for the rest and whenever a stream
// breaks); nothing is followed while the page is hidden. Deleting asks first and shows the receipt.

import * as api from "./api.js";
import { announce, button, h, replace } from "./dom.js";
import { createRow } from "./row.js";
import { count } from "./words.js";

const STREAMS = 2; // browsers allow six connections to a server; pictures and searches need some
const POLL_MS = 1500;
const TRIED_AGAIN_MS = 6000; // how long an old failure may still be told after a file was sent again

const isActive = (document) => document.state === "accepted" || document.state === "reading";

export function createLibrary({ list, heading, empty, more, activity }, actions) {
  const documents = new Map(); // id -> DocumentJSON, as last heard
  const rows = new Map();
  const streams = new Map(); // id -> stop function
  const broken = new Set(); // ids whose stream broke: polled until they end
  const triedAgain = new Map(); // id -> until when a failure that is told may be the old one
  const names = new Map(); // names of documents that are not in the list (members of archives)
  let cursor = null;
  let loaded = false;
  let timer = 0;

  const rowActions = {
    ...actions,
    remove: (document) => actions.remove(document, (id) => forget(id)),
    details: (id) => api.getDocument(id),
  };

  function put(told, { top = false } = {}) {
    const document = notTheOldFailure(told);
    const before = documents.get(document.id);
    documents.set(document.id, { ...before, ...document });
    let row = rows.get(document.id);
    if (!row) {
      row = createRow(rowActions);
      rows.set(document.id, row);
      if (top) list.prepend(row.node);
      else list.append(row.node);
    } else if (top) {
      list.prepend(row.node);
    }
    row.update(documents.get(document.id));
    if (before && isActive(before) && !isActive(document)) announce(`${document.filename}: ${row.line()}`);
  }

  /** Right after a file was sent again, the service still tells how the last try ended. */
  function notTheOldFailure(document) {
    const until = triedAgain.get(document.id);
    if (!until) return document;
    if (Date.now() < until) {
      if (document.state === "failed") return { ...document, state: "accepted", failure: null };
      if (document.state === "partial") return { ...document, state: "reading" };
    }
    triedAgain.delete(document.id);
    return document;
  }

  function forget(id) {
    streams.get(id)?.();
    streams.delete(id);
    documents.delete(id);
    rows.get(id)?.node.remove();
    rows.delete(id);
    changed();
  }

  function changed() {
    const all = [...documents.values()];
    const pages = all.reduce((sum, document) => sum + document.pages.done, 0);
    const active = all.filter(isActive);
    heading.textContent = all.length
      ? `${count(all.length, "document")}${cursor ? " and more" : ""}, ${count(pages, "page")} read`
      : "";
    empty.hidden = !loaded || all.length > 0;
    const total = active.reduce((sum, document) => sum + document.pages.total, 0);
    const waiting = active.reduce((sum, document) => sum + document.pages.pending, 0);
    activity.hidden = active.length === 0;
    replace(
      activity,
      h("span", {
        class: "activity-text",
        text: total ? `Reading ${total - waiting} of ${count(total, "page")}` : "Opening…",
      }),
      h("progress", {
        max: String(total || 1),
        value: total ? String(total - waiting) : undefined,
        "aria-label": "Pages read",
      }),
    );
    actions.onChange?.(all);
    follow();
  }

  function follow() {
    clearTimeout(timer);
    if (document.hidden) {
      for (const stop of streams.values()) stop();
      streams.clear();
      return;
    }
    const active = [...documents.values()].filter(isActive);
    for (const { id } of active) {
      if (streams.size >= STREAMS) break;
      if (!streams.has(id) && !broken.has(id) && !triedAgain.has(id)) stream(id);
    }
    if (active.some(({ id }) => !streams.has(id))) timer = setTimeout(poll, POLL_MS);
  }

  function stream(id) {
    const stop = api.watch(id, {
      onProgress: ({ state, pages }) => {
        if (!documents.has(id)) return;
        put({ ...documents.get(id), state, pages });
        changed();
      },
      onEnd: async (ended) => {
        streams.delete(id);
        if (!ended) broken.add(id);
        await reload(id);
      },
    });
    streams.set(id, stop);
  }

  /** The whole of one document again: failures come with it. */
  async function reload(id) {
    try {
      put(await api.getDocument(id));
    } catch (error) {
      if (error.status === 404) forget(id);
    }
    changed();
  }

  async function poll() {
    try {
      const active = [...documents.values()].filter((document) => isActive(document) && !streams.has(document.id));
      const page = await api.listDocuments({ limit: Math.min(100, Math.max(20, active.length)) });
      const heard = new Set(page.items.map((item) => item.id));
      for (const item of page.items) if (documents.has(item.id)) put(item);
      for (const { id } of active.filter((document) => !heard.has(document.id)).slice(0, 5)) await reload(id);
    } catch {
      // The banner says so already; the next poll tries again.
    }
    changed();
  }

  async function refresh() {
    try {
      const page = await api.listDocuments();
      cursor = page.next_cursor;
      const present = new Set(page.items.map((item) => item.id));
      if (!cursor) for (const id of [...documents.keys()]) if (!present.has(id)) forget(id);
      for (const item of page.items) put(item);
      loaded = true;
      broken.clear();
      showMore();
    } catch (error) {
      if (error.code !== "gone") replace(more, h("p", { class: "failure", text: error.message }));
    }
    changed();
  }

  function showMore() {
    replace(
      more,
      cursor
        ? button("Show older documents", {
            on: {
              click: async () => {
                const page = await api.listDocuments({ cursor });
                cursor = page.next_cursor;
                for (const item of page.items) put(item);
                showMore();
                changed();
              },
            },
          })
        : null,
    );
  }

  document.addEventListener("visibilitychange", follow);

  return {
    refresh,
    /** A document that was sent: new, or once more because it had failed. */
    add(document, { again }) {
      if (again && ["failed", "partial"].includes(document.state)) triedAgain.set(document.id, Date.now() + TRIED_AGAIN_MS);
      put(document, { top: true });
      changed();
    },
    /** What failed in it is read again: until the service says so, the old failure is not told. */
    async triedAgain(id) {
      triedAgain.set(id, Date.now() + TRIED_AGAIN_MS);
      await reload(id);
    },
    names: () =>
      new Map(
        [...documents.values()].filter(({ kind }) => kind === "document").map(({ id, filename }) => [id, filename]),
      ),
    waitingPages: () => [...documents.values()].reduce((sum, { pages }) => sum + pages.pending, 0),
    /** The name of any document, asked for once. Undefined when it is gone. */
    async nameOf(id) {
      if (documents.has(id)) return documents.get(id).filename;
      if (!names.has(id))
        names.set(
          id,
          api.getDocument(id).then(
            (found) => found.filename,
            () => {
              names.delete(id);
            },
          ),
        );
      return names.get(id);
    },
  };
}
