// How things stand, for who runs the service. Contract: `show(open)` follows the address; while it is open and in sight
// the overview is asked for every few seconds, and what did not change is left alone, so that focus and open details
// stay. Whose key may not see it is asked for one that may; reading again asks with that key, or else with the visitor's
// own.

import * as api from "./api.js";
import { announce, button, h, icon, keepFocus, replace } from "./dom.js";
import { diskPart, pagesPart, queuesPart, setupPart, workersPart } from "./facts.js";
import { ALL, pageHref, searchHref, writeList } from "./route.js";
import { count, mayOpen, reason } from "./words.js";

const LOOK_MS = 3000;

export function createAdmin(root) {
  const note = h("p", { class: "quiet", id: "admin-note" });
  const names = ["pages", "disk", "queues", "workers", "failures", "setup"];
  const parts = Object.fromEntries(names.map((name) => [name, h("section", { class: `fact ${name}` })]));
  const told = {}; // part -> what it shows, as JSON
  let open = false;
  let timer = 0;
  let running = null;
  let last = null;

  root.append(
    h("div", { class: "library-head" }, h("h1", { id: "admin-heading", text: "How things stand" }), note),
    h("div", { class: "facts" }, Object.values(parts)),
  );
  root.setAttribute("aria-labelledby", "admin-heading");
  document.addEventListener("visibilitychange", () => open && !document.hidden && look());

  function show(wanted) {
    if (wanted === open) return;
    open = wanted;
    root.hidden = !open;
    clearTimeout(timer);
    if (open) look();
    else running?.abort();
  }

  async function look() {
    clearTimeout(timer);
    if (document.querySelector("dialog.dialog[open]")) {
      timer = setTimeout(look, LOOK_MS); // a key is being asked for
      return;
    }
    running?.abort();
    running = new AbortController();
    const { signal } = running;
    try {
      const seen = await api.overview(signal);
      if (signal.aborted) return;
      last = seen;
      note.className = "quiet";
      replace(note, `Version ${seen.version}, ${seen.stack ? "workers of their own" : "all in one process"}`);
      draw(seen);
    } catch (error) {
      if (error.name === "AbortError" || signal.aborted) return;
      note.className = "failure";
      const declined = error.code === "key_declined";
      const enter = declined ? button("Enter a key", { kind: "small", on: { click: look } }) : null;
      replace(note, icon("warning"), error.message, enter);
      if (enter) return; // not asked for again by itself
    }
    if (open && !document.hidden) timer = setTimeout(look, LOOK_MS);
  }

  function draw(seen) {
    const { pages, documents, uploaded, unopened, disk, queues, workers, problem, failures } = seen;
    const failed = failures.documents.length + failures.more_documents;
    part("pages", { pages, documents, uploaded, unopened, failed }, pagesPart);
    part("disk", disk, diskPart);
    part("setup", [seen.engine, seen.embedder, seen.checks], () => setupPart(seen));
    part("queues", [queues, problem], () => queuesPart(queues, problem));
    part("workers", [workers, problem], () => workersPart(workers));
    part("failures", failures, failuresPart);
  }

  function part(name, data, build) {
    const now = JSON.stringify(data);
    if (told[name] === now) return;
    told[name] = now;
    const opened = new Set([...parts[name].querySelectorAll("details[open]")].map((node) => node.dataset.key));
    const held = parts[name].contains(document.activeElement) ? document.activeElement.dataset.key : null;
    keepFocus(parts[name], () => {
      replace(parts[name], build(data));
      for (const node of parts[name].querySelectorAll("details")) node.open = opened.has(node.dataset.key);
      if (held) parts[name].querySelector(`[data-key="${CSS.escape(held)}"]`)?.focus();
    });
  }

  function failuresPart(failures) {
    const { codes, pages, documents, more_pages: morePages, more_documents: moreDocuments } = failures;
    const all = codes.reduce((sum, one) => sum + one.pages, 0);
    const byDocument = Map.groupBy(pages, ({ document_id: id }) => id);
    const more = morePages + moreDocuments;
    if (!all && !documents.length) return [h("h2", { text: "Failures" }), h("p", { class: "quiet", text: "None." })];
    const ids = [...new Set([...byDocument.keys(), ...documents.map(({ document_id: id }) => id)])];
    return [
      h(
        "div",
        { class: "fact-head" },
        h("h2", { text: "Failures" }),
        ids.length
          ? h("a", {
              class: "fact-link",
              href: searchHref({ query: "", list: { ...ALL, unread: true } }),
              text: "List their documents",
              dataset: { key: "list" },
              on: { click: listThem },
            })
          : null,
        ids.length
          ? button("Read all failed again", {
              kind: "small may-write",
              dataset: { key: "all" },
              on: { click: allAgain },
            })
          : null,
      ),
      codes.length
        ? h(
            "ul",
            { class: "codes", "aria-label": "Failed pages by reason" },
            codes.map(({ code, pages: many }) =>
              h("li", {}, h("b", { text: count(many, "page") }), ` ${reason(code)} `, h("code", { text: code })),
            ),
          )
        : null,
      h(
        "ul",
        { class: "failed" },
        documents.map(failedDocument),
        [...byDocument.values()].map(failedPages),
      ),
      more ? h("p", { class: "quiet", text: `and ${count(more, "older one")}` }) : null,
      all > pages.length + morePages
        ? h("p", { class: "quiet", text: "Failures of other tenants are counted, and not listed." })
        : null,
    ];
  }

  function listThem(event) {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    writeList({ ...ALL, unread: true });
  }

  const againButton = (name, key, click) =>
    button(`Read ${name} again`, {
      shown: false,
      glyph: "again",
      kind: "plain may-write",
      title: "Read again",
      dataset: { key },
      on: { click },
    });

  const failedName = (id, filename, paths, code) =>
    h(
      "div",
      { class: "failed-row" },
      h("div", {}, h("bdi", { class: "name", text: filename }), failedWhere(paths)),
      // Without its password, or damaged as it is, another try ends as the last one did.
      mayOpen(code) ? againButton(filename, id, () => again([id])) : null,
    );

  /** The archive and the folders it lies in: many archives have a `scan.pdf`. */
  function failedWhere([path = ""]) {
    const folders = path.split("/").slice(0, -1).join(" / ");
    return folders ? h("span", { class: "quiet" }, " in ", h("bdi", { text: folders })) : null;
  }

  function failedDocument({ document_id: id, filename, paths, code, message }) {
    return h(
      "li",
      {},
      failedName(id, filename, paths, code),
      h("p", { class: "quiet", text: reason(code, message) }),
    );
  }

  function failedPages(pages) {
    const [{ document_id: id, filename, paths }] = pages;
    const pageRow = ({ page, code, attempts }) =>
      h(
        "li",
        { class: "failed-row" },
        h(
          "span",
          {},
          h("a", { href: pageHref(id, page), text: `Page ${page}` }),
          ` – ${reason(code)} Tried ${count(attempts, "time")}.`,
        ),
        againButton(`page ${page} of ${filename}`, `${id}-${page}`, () => again([id, page])),
      );
    return h(
      "li",
      {},
      failedName(id, filename, paths),
      h(
        "details",
        { dataset: { key: `pages-${id}` } },
        h("summary", { text: `${count(pages.length, "page")} could not be read` }),
        h("ul", {}, pages.map(pageRow)),
      ),
    );
  }

  async function again(wanted) {
    const sum = { pages: 0, documents: 0 };
    let problem = null;
    try {
      add(sum, await api.readAgain(...wanted));
    } catch (error) {
      if (error.status !== 404) problem = error;
    }
    await tell(sum, problem);
  }

  /** Also what is not listed, step by step; a step that fails is the last. */
  async function allAgain() {
    const sum = { pages: 0, documents: 0 };
    let problem = null;
    let cursor = null;
    try {
      do {
        const step = await api.readFailedAgain(cursor);
        add(sum, step);
        cursor = step.next_cursor;
        note.className = "quiet";
        if (cursor) replace(note, `${tried(sum) || "Nothing"} so far…`);
      } while (cursor);
    } catch (error) {
      problem = error;
    }
    await tell(sum, problem);
  }

  function add(sum, asked) {
    sum.pages += asked.pages;
    sum.documents += asked.documents;
  }

  const tried = ({ pages, documents }) =>
    [pages ? count(pages, "page") : "", documents ? count(documents, "file") : ""].filter(Boolean).join(" and ");

  async function tell(sum, problem) {
    const said = tried(sum) ? `${tried(sum)} will be read again.` : "Nothing was left to read again.";
    await look();
    if (last) replace(note, problem ? problem.message : said);
    note.className = problem ? "failure" : "quiet";
    announce(problem ? problem.message : said);
  }

  return { show };
}
