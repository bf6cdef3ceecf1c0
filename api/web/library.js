// The documents and how far they are read. Contract: rows are updated in place, newest first; documents being read
// are followed live (server-sent events for the newest few, one shared poll for the rest and whenever a stream
// breaks); nothing is followed while the page is hidden. Where more is being read than is listed, the service is asked how
// far all is. Now and then it is asked what others added and deleted. Deleting asks first and shows the receipt. Back and a
// reload show as many as were shown, where they were (depth.js).

import * as api from "./api.js";
import * as depth from "./depth.js";
import { announce, button, h, replace, takeAway } from "./dom.js";
import { together } from "./outcomes.js";
import { createRow } from "./row.js";
import { count } from "./words.js";

const STREAMS = 2; // browsers allow six connections to a server; pictures and searches need some
const POLL_MS = 1500;
const GLANCE_MS = 10_000; // between two looks for what came from a terminal, or from another window
const LISTED = "documents"; // what depth.js calls this list
const AT_A_TIME = 50;
const DEEPEST = 2000; // documents that a reload lists at once
const TELL_MS = 150; // between two looks of others at the list: thousands of files may come in a row

const isActive = (document) => document.state === "accepted" || document.state === "reading";

export function createLibrary({ list, heading, empty, more, activity }, actions) {
  const documents = new Map(); // id -> DocumentJSON, as last heard
  const rows = new Map();
  const streams = new Map(); // id -> stop function
  const broken = new Set(); // ids whose stream broke: polled until they end
  const names = new Map(); // names of documents that are not in the list (members of archives)
  const burst = new Map(); // id -> pages of what was or is being read since nothing was
  let total = 0; // documents in all, in the list or not, where not all are
  let whole = null; // how far reading is over all documents, where not all are listed
  let settledBefore = null; // pages, when that began
  let cursor = null;
  let loaded = false;
  let timer = 0; // of the next poll
  let polling = false;
  let telling = 0;
  let tellMore = false;

  const tellRead = together(announce, (many) => announce(`${count(many, "more document")} were read.`));
  const tellFailed = together(actions.onFailed, (many) =>
    actions.onFailed(`${count(many, "more document")} could not be read. The list of documents says why.`),
  );

  const rowActions = {
    ...actions,
    remove: (document) => actions.remove(document, (id) => forget(id)),
    details: (id) => api.getDocument(id),
  };

  /** A new row stands on top, or below the one of the document `after` (null: none), or else at the end. */
  function put(document, { top = false, after } = {}) {
    const before = documents.get(document.id);
    documents.set(document.id, { ...before, ...document });
    let row = rows.get(document.id);
    if (!row) {
      row = createRow(rowActions);
      rows.set(document.id, row);
      if (top || after === null) list.prepend(row.node);
      else if (rows.has(after)) rows.get(after).node.after(row.node);
      else list.append(row.node);
    } else if (top && row.node.previousElementSibling) {
      const held = row.node.querySelector(":focus"); // which does not come along by itself
      list.prepend(row.node);
      held?.focus({ preventScroll: true });
    }
    row.update(documents.get(document.id));
    actions.onHeard?.(documents.get(document.id));
    if ((before ? isActive(before) : top) && !isActive(document)) {
      if (document.state === "failed") tellFailed(`${document.filename}: ${row.line()}. ${row.why()}`.trim());
      else tellRead(`${document.filename}: ${row.line()}`);
    }
  }

  function forget(id) {
    streams.get(id)?.();
    streams.delete(id);
    burst.delete(id);
    if (documents.delete(id)) total -= 1;
    actions.onForget?.(id);
    if (rows.has(id)) takeAway(rows.get(id).node);
    rows.delete(id);
    changed();
  }

  function changed() {
    const all = [...documents.values()];
    const pages = all.reduce((sum, document) => sum + document.pages.done, 0);
    const active = all.filter(isActive);
    const rest = cursor ? `${count(all.length, "of them", "of them")} listed here` : `${count(pages, "page")} read`;
    heading.textContent = all.length ? `${count(cursor ? total : all.length, "document")}, ${rest}` : "";
    empty.hidden = !loaded || all.length > 0;
    if (cursor && whole) tellWhole();
    else tellActivity(active);
    tellSoon();
    follow();
  }

  /** At once, and then only now and then: who hears of it goes through the whole list. */
  function tellSoon() {
    tellMore = Boolean(telling);
    if (telling) return;
    actions.onChange?.([...documents.values()]);
    telling = setTimeout(() => {
      telling = 0;
      if (tellMore) tellSoon();
    }, TELL_MS);
  }

  const isBusy = () => Boolean(cursor && whole && (whole.pages.pending || whole.unopened));

  /** Over all documents: most of what is being read may stand further down than is listed. */
  function tellWhole() {
    const { pages, unopened } = whole;
    const settled = pages.done + pages.failed;
    if (!isBusy()) settledBefore = null;
    else settledBefore ??= settled;
    activity.hidden = !isBusy();
    if (activity.hidden) return;
    const text = [
      pages.pending ? `${count(pages.pending, "page")} to read` : "",
      unopened ? `${count(unopened, "file")} to open` : "",
    ];
    showActivity(text.filter(Boolean).join(", "), settled - settledBefore, settled - settledBefore + pages.pending);
  }

  /** Over all that was sent together: who ends early stays counted, so that the bar never goes back. */
  function tellActivity(active) {
    for (const { id, pages } of active) burst.set(id, pages);
    for (const id of burst.keys()) burst.set(id, documents.get(id).pages);
    if (!active.length) burst.clear();
    const sum = (part) => [...burst.values()].reduce((all, pages) => all + pages[part], 0);
    const [total, waiting] = [sum("total"), sum("pending")];
    activity.hidden = active.length === 0;
    showActivity(total ? `Reading ${total - waiting} of ${count(total, "page")}` : "Opening…", total - waiting, total);
  }

  function showActivity(text, done, most) {
    replace(
      activity,
      h("span", { class: "activity-text", text }),
      h("progress", { max: String(most || 1), value: most ? String(done) : undefined, "aria-label": "Pages read" }),
    );
  }

  function follow() {
    if (document.hidden) {
      clearTimeout(timer);
      timer = 0;
      for (const stop of streams.values()) stop();
      streams.clear();
      return;
    }
    const active = [...documents.values()].filter(isActive);
    for (const { id } of active) {
      if (streams.size >= STREAMS) break;
      if (!streams.has(id) && !broken.has(id)) stream(id);
    }
    const wanted = isBusy() || (cursor && active.length) || active.some(({ id }) => !streams.has(id));
    // One that is due stays due: files that come in every moment would put it off until the last has come.
    if (wanted && !timer && !polling) timer = setTimeout(poll, POLL_MS);
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
    timer = 0;
    polling = true;
    try {
      const active = [...documents.values()].filter((document) => isActive(document) && !streams.has(document.id));
      const page = await api.listDocuments({ limit: Math.min(100, Math.max(20, active.length)) });
      total = page.total;
      if (cursor) whole = await api.progress();
      const heard = new Set(page.items.map((item) => item.id));
      for (const item of page.items) if (documents.has(item.id)) put(item);
      for (const { id } of active.filter((document) => !heard.has(document.id)).slice(0, 5)) await reload(id);
    } catch {
      // The banner says so already; the next poll tries again.
    }
    polling = false;
    changed();
  }

  /** A list that is looked at shows what others added or deleted, without a reload. */
  async function glance() {
    if (document.hidden || !loaded || api.connection.down) return;
    try {
      const { items, total: there } = await api.listDocuments({ limit: 1 });
      if (there === (cursor ? total : documents.size) && items.every(({ id }) => documents.has(id))) return;
      await refresh();
      actions.onOthers?.();
    } catch {
      // As above.
    }
  }

  async function refresh() {
    const before = [...documents.keys()]; // what is added while the service answers is not gone
    const was = loaded ? null : depth.of(LISTED);
    try {
      // As many as are listed: who went further down the list stays there.
      const page = await api.listSoMany(Math.max(AT_A_TIME, Math.min(was?.shown ?? documents.size, DEEPEST)));
      const complete = !page.next_cursor;
      cursor = page.next_cursor;
      total = page.total;
      whole = cursor ? await api.progress().catch(() => whole) : null;
      const present = new Set(page.items.map((item) => item.id));
      if (complete) for (const id of before) if (!present.has(id)) forget(id);
      page.items.forEach((item, i) => put(item, { after: page.items[i - 1]?.id ?? null }));
      loaded = true;
      broken.clear();
      showMore();
      if (was && list.checkVisibility()) scrollTo({ top: was.y });
      keepDepth();
    } catch (error) {
      if (error.code !== "gone") replace(more, h("p", { class: "failure", text: error.message }));
    }
    changed();
  }

  function keepDepth() {
    if (loaded && list.checkVisibility()) depth.keep(LISTED, documents.size);
  }

  async function older() {
    const page = await api.listDocuments({ cursor, limit: AT_A_TIME });
    cursor = page.next_cursor;
    total = page.total;
    const before = list.lastElementChild;
    for (const item of page.items) put(item);
    showMore();
    keepDepth();
    changed();
    before?.nextElementSibling?.querySelector(".row-link, .row-actions button")?.focus(); // the button may be gone
  }

  function showMore() {
    replace(
      more,
      cursor
        ? button("Show older documents", {
            on: {
              click: () => older().catch((error) => announce(error.message)), // and the banner says it
            },
          })
        : null,
    );
  }

  // Another window, or somebody else, may have added and deleted meanwhile.
  document.addEventListener("visibilitychange", () => (document.hidden ? follow() : refresh()));
  setInterval(glance, GLANCE_MS);

  return {
    refresh,
    forget,
    rowActions,
    /** Looks whether a document is still there, and forgets it where it is not. Resolves to whether it is gone. */
    async lookFor(id) {
      const gone = await api.getDocument(id).then(
        () => false,
        (error) => error.status === 404,
      );
      if (gone) forget(id);
      return gone;
    },
    /** A document that was sent: new, or once more because it had failed; `expected`: who sent it knows that it is here. */
    add(document, { again, expected }) {
      if (!again && !documents.has(document.id)) total += 1;
      put(document, { top: true });
      if (again && !expected) rows.get(document.id).remark("It was here already.");
      changed();
    },
    /** It may be in sight now, at another entry of the browser's history. */
    show() {
      if (!depth.of(LISTED)) keepDepth();
    },
    /** What failed in it is read again. It may be listed elsewhere only. */
    lookAgain: async (id) => (documents.has(id) ? reload(id) : actions.onHeard?.(await api.getDocument(id))),
    hasMore: () => Boolean(cursor),
    names: () =>
      new Map(
        [...documents.values()].filter(({ kind }) => kind === "document").map(({ id, filename }) => [id, filename]),
      ),
    waitingPages: () =>
      cursor && whole
        ? whole.pages.pending
        : [...documents.values()].reduce((sum, { pages }) => sum + pages.pending, 0),
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
