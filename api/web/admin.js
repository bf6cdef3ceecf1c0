// How things stand, for who runs the service. Contract: `show(open)` follows the address; while it is open and in sight the
// overview is asked for every few seconds, and what did not change is left alone, so that focus and open details stay.
// Whose key may not see it is asked for one that may; reading again asks with that key, or else with the visitor's own.

import * as api from "./api.js";
import { announce, button, h, icon, replace } from "./dom.js";
import { pageHref } from "./route.js";
import { bytes, count, duration, reason } from "./words.js";

const LOOK_MS = 3000;
const AT_ONCE = 2; // documents that are asked to be read again at a time

export function createAdmin(root) {
  const note = h("p", { class: "quiet", id: "admin-note" });
  const parts = Object.fromEntries(
    ["pages", "disk", "queues", "workers", "failures", "setup"].map((name) => [name, h("section", { class: `fact ${name}` })]),
  );
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
      const enter = error.code === "key_declined" ? button("Enter a key", { kind: "small", on: { click: look } }) : null;
      replace(note, icon("warning"), error.message, enter);
      if (enter) return; // not asked for again by itself
    }
    if (open && !document.hidden) timer = setTimeout(look, LOOK_MS);
  }

  function draw(seen) {
    const { pages, documents, unopened, disk, queues, workers, problem, failures } = seen;
    part("pages", { pages, documents, unopened }, pagesPart);
    part("disk", disk, diskPart);
    part("setup", [seen.engine, seen.embedder, seen.checks], () => factsPart(seen));
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
    replace(parts[name], build(data));
    for (const node of parts[name].querySelectorAll("details")) node.open = opened.has(node.dataset.key);
    if (held) parts[name].querySelector(`[data-key="${CSS.escape(held)}"]`)?.focus();
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
          ? button("Read all failed again", { kind: "small may-write", dataset: { key: "all" }, on: { click: () => againAll(ids) } })
          : null,
      ),
      codes.length
        ? h(
            "ul",
            { class: "codes", "aria-label": "Failed pages by reason" },
            codes.map(({ code, pages: many }) => h("li", {}, h("b", { text: count(many, "page") }), ` ${reason(code)} `, h("code", { text: code }))),
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

  const againButton = (name, key, click) =>
    button(`Read ${name} again`, { shown: false, glyph: "again", kind: "plain may-write", title: "Read again", dataset: { key }, on: { click } });

  function failedDocument({ document_id: id, filename, code, message }) {
    return h(
      "li",
      {},
      h("div", { class: "failed-row" }, h("bdi", { class: "name", text: filename }), againButton(filename, id, () => again([[id]]))),
      h("p", { class: "quiet", text: reason(code, message) }),
    );
  }

  function failedPages(pages) {
    const [{ document_id: id, filename }] = pages;
    const pageRow = ({ page, code, attempts }) =>
      h(
        "li",
        { class: "failed-row" },
        h("span", {}, h("a", { href: pageHref(id, page), text: `Page ${page}` }), ` – ${reason(code)} Tried ${count(attempts, "time")}.`),
        againButton(`page ${page} of ${filename}`, `${id}-${page}`, () => again([[id, page]])),
      );
    return h(
      "li",
      {},
      h("div", { class: "failed-row" }, h("bdi", { class: "name", text: filename }), againButton(filename, id, () => again([[id]]))),
      h(
        "details",
        { dataset: { key: `pages-${id}` } },
        h("summary", { text: `${count(pages.length, "page")} could not be read` }),
        h("ul", {}, pages.map(pageRow)),
      ),
    );
  }

  const againAll = (ids) => again(ids.map((id) => [id]));

  /** `wanted`: [document] or [document, page]. One that fails does not keep the others. */
  async function again(wanted) {
    const waiting = [...wanted];
    const sum = { pages: 0, documents: 0 };
    let problem = null;
    const worker = async () => {
      for (let next = waiting.shift(); next; next = waiting.shift()) {
        try {
          const asked = await api.readAgain(...next);
          sum.pages += asked.pages;
          sum.documents += asked.documents;
        } catch (error) {
          if (error.status !== 404) problem = error;
        }
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    const parts = [sum.pages ? count(sum.pages, "page") : "", sum.documents ? count(sum.documents, "file") : ""].filter(Boolean);
    const said = parts.length ? `${parts.join(" and ")} will be read again.` : "Nothing was left to read again.";
    await look();
    if (last) replace(note, problem ? problem.message : said);
    note.className = problem ? "failure" : "quiet";
    announce(problem ? problem.message : said);
  }

  return { show };
}

const number = new Intl.NumberFormat("en");

function pagesPart({ pages, documents, unopened }) {
  const figure = (value, word, kind = "") =>
    h("div", { class: `figure ${kind}` }, h("b", { text: number.format(value) }), h("span", { text: word }));
  return [
    h("h2", { text: "Pages" }),
    h(
      "div",
      { class: "figures" },
      figure(pages.done, "read"),
      figure(pages.pending, "waiting"),
      figure(pages.failed, "failed", pages.failed ? "bad" : ""),
    ),
    h("progress", { max: String(pages.total || 1), value: String(pages.done + pages.failed), "aria-label": "Pages that are settled" }),
    h("p", { class: "quiet", text: [`${count(documents, "document")}`, unopened ? `${number.format(unopened)} not opened yet` : ""].filter(Boolean).join(", ") }),
  ];
}

function diskPart(disk) {
  if (!disk) return [h("h2", { text: "Disk" }), h("p", { class: "quiet", text: "Not known." })];
  const low = disk.free < 2 * disk.reserved;
  return [
    h("h2", { text: "Disk" }),
    h("p", { class: low ? "hint" : "" }, low ? icon("warning") : null, `${bytes(disk.free)} free of ${bytes(disk.total)}`),
    h("progress", { max: String(disk.total), value: String(disk.total - disk.free), "aria-label": "Disk that is used" }),
    h("p", { class: "quiet", text: `Files are refused when less than ${bytes(disk.reserved)} would stay free.` }),
  ];
}

function factsPart({ engine, embedder, checks }) {
  const rows = [["Engine", engine], ["Embedder", embedder], ...Object.entries(checks).filter(([name]) => name !== "workers")];
  return [
    h("h2", { text: "What runs" }),
    h(
      "dl",
      { class: "receipt" },
      rows.flatMap(([name, value]) => [h("dt", { text: name[0].toUpperCase() + name.slice(1) }), h("dd", { text: value })]),
    ),
  ];
}

const QUEUES = {
  open: "files to open",
  read: "pages to read",
  housekeeping: "files to open",
  "read.cpu": "pages for processors",
  "read.gpu": "pages for GPUs",
  decode: "pages somebody waits for",
};

const cells = (tag, values) => values.map((value) => h(tag, tag === "th" ? { scope: "col" } : {}, value));

function tableOf(label, head, rows) {
  return h(
    "div",
    { class: "table-scroll", tabindex: "0", role: "region", "aria-label": label },
    h("table", {}, h("thead", {}, h("tr", {}, cells("th", head))), h("tbody", {}, rows.map((row) => h("tr", {}, cells("td", row))))),
  );
}

function queuesPart(queues, problem) {
  return [
    h("h2", { text: "Queues" }),
    problem ? h("p", { class: "failure" }, icon("warning"), problem) : null,
    queues.length
      ? tableOf("Queues", ["Queue", "Waiting"], queues.map(({ name, waiting }) => [[h("code", { text: name }), ` ${QUEUES[name] ?? ""}`], number.format(waiting)]))
      : null,
  ];
}

function workersPart(workers) {
  const head = h("h2", { text: "Workers" });
  if (!workers.length) return [head, h("p", { class: "hint" }, icon("warning"), "Nobody works: what waits is read once a worker runs.")];
  const doing = ({ jobs, oldest_s: oldest }) => (jobs ? `${count(jobs, "job")}, longest ${duration(oldest * 1000)}` : "idle");
  const rows = workers.map((one) => [
    h("b", { text: one.name }),
    one.queues.join(", "),
    one.engine ?? "–",
    doing(one),
    number.format(one.done),
    one.memory_bytes ? bytes(one.memory_bytes) : "–",
    one.seen_s < 3 ? "now" : `${duration(one.seen_s * 1000)} ago`,
  ]);
  return [head, tableOf("Workers", ["Name", "Does", "Engine", "Now", "Done", "Memory", "Seen"], rows)];
}
