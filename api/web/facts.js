// The facts of the administrator's view as elements. Contract: each function turns its part of the overview into
// children of a section, and knows nothing of requests. What is not known is said so.

import { h, icon } from "./dom.js";
import { bytes, count, duration } from "./words.js";

const number = new Intl.NumberFormat("en");

/** `failed`: files that could not be opened, and so have no pages that could have failed. */
export function pagesPart({ pages, documents, uploaded, unopened, failed }) {
  const figure = (value, word, kind = "") =>
    h("div", { class: `figure ${kind}` }, h("b", { text: number.format(value) }), h("span", { text: word }));
  const said = [
    count(documents, "document"),
    uploaded < documents ? `${number.format(documents - uploaded)} of them in archives` : "",
    unopened ? `${number.format(unopened)} not opened yet` : "",
    pages.undecoded ? `${count(pages.undecoded, "page")} without text until a question needs it` : "",
    pages.drafts ? `${count(pages.drafts, "page")} with a draft text until a question needs it` : "",
  ];
  return [
    h("h2", { text: "Pages" }),
    h(
      "div",
      { class: "figures" },
      figure(pages.done, "read"),
      figure(pages.pending, "waiting"),
      figure(pages.failed, "failed", pages.failed ? "bad" : ""),
      failed ? figure(failed, failed === 1 ? "file not opened" : "files not opened", "bad") : null,
    ),
    h("progress", {
      max: String(pages.total || 1),
      value: String(pages.done + pages.failed),
      "aria-label": "Pages that are settled",
    }),
    h("p", { class: "quiet", text: said.filter(Boolean).join(", ") }),
  ];
}

export function diskPart(disk) {
  if (!disk) return [h("h2", { text: "Disk" }), h("p", { class: "quiet", text: "Not known." })];
  const low = disk.free < 2 * disk.reserved;
  const room = `${bytes(disk.free)} free of ${bytes(disk.total)}`;
  return [
    h("h2", { text: "Disk" }),
    h("p", { class: low ? "hint" : "" }, low ? icon("warning") : null, room),
    h("progress", {
      max: String(disk.total),
      value: String(disk.total - disk.free),
      "aria-label": "Disk that is used",
    }),
    h("p", { class: "quiet", text: `Files are refused when less than ${bytes(disk.reserved)} would stay free.` }),
  ];
}

const NAMES = {
  "check-engine": "why this engine",
  "check-reading": "pages are read",
  "check-sandbox": "sandbox",
};
const READING = { full: "when they come in", lazy: "when a question needs them" };
const SAID = { reading: (value) => READING[value] ?? value, sandbox: (value) => value.replaceAll("_", " ") };

export function setupPart({ engine, embedder, checks }) {
  const others = Object.entries(checks)
    .filter(([name]) => name !== "workers") // they have a part of their own
    .map(([name, value]) => [`check-${name}`, SAID[name]?.(value) ?? value]);
  const rows = [["engine", engine], ["embedder", embedder], ...others];
  return [
    h("h2", { text: "What runs" }),
    h(
      "dl",
      { class: "receipt" },
      rows.flatMap(([name, value]) => [
        h("dt", { text: (NAMES[name] ?? name.replace("check-", "")).replace(/^./, (first) => first.toUpperCase()) }),
        h("dd", { text: value }),
      ]),
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
    h(
      "table",
      {},
      h("thead", {}, h("tr", {}, cells("th", head))),
      h(
        "tbody",
        {},
        rows.map((row) => h("tr", {}, cells("td", row))),
      ),
    ),
  );
}

export function queuesPart(queues, problem) {
  const rows = queues.map(({ name, waiting }) => [
    [h("code", { text: name }), ` ${QUEUES[name] ?? ""}`],
    number.format(waiting),
  ]);
  return [
    h("h2", { text: "Queues" }),
    problem ? h("p", { class: "failure" }, icon("warning"), problem) : null,
    rows.length ? tableOf("Queues", ["Queue", "Waiting"], rows) : null,
  ];
}

export function workersPart(workers) {
  const head = h("h2", { text: "Workers" });
  if (!workers.length) {
    const sentence = "Nobody works: what waits is read once a worker runs.";
    return [head, h("p", { class: "hint" }, icon("warning"), sentence)];
  }
  const doing = ({ jobs, oldest_s: oldest }) =>
    jobs ? `${count(jobs, "job")}, longest ${duration(oldest * 1000)}` : "idle";
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
