// How an answer came about. Contract: `createTrace({ nameOf })` is one quiet line that unfolds into the pages that were
// considered, why each was chosen or not, what was read for the answer, and how long the steps took. It hears the
// stream's events; names of documents are asked for when it is unfolded.

import { pageLink } from "./answer.js";
import { h, replace } from "./dom.js";
import { count, duration, reason } from "./words.js";

const STEPS = [
  ["retrieve", "searching"],
  ["select", "choosing"],
  ["decode", "reading"],
  ["answer", "answering"],
  ["verify", "checking"],
];
const keyOf = ({ document_id: id, page }) => `${id} ${page}`;

export function createTrace({ nameOf }) {
  const summary = h("summary");
  const inside = h("div", { class: "trace-inside" });
  const node = h("details", { class: "trace", hidden: true }, summary, inside);
  let considered = [];
  let decoded = new Map(); // page -> [{ prompt, reason, ok, took_ms, code }]
  let timings = {};
  let searched = "";

  node.addEventListener("toggle", () => node.open && unfold());

  function selection(event, question) {
    considered = event.considered;
    timings = { ...event.timings_ms };
    searched = event.question === question ? "" : event.question;
  }

  /** An event of the stream; what it began is forgotten when it ended. */
  function decoding(event) {
    const key = keyOf(event);
    const others = (decoded.get(key) ?? []).filter(({ prompt }) => prompt !== event.prompt);
    decoded.set(key, [...others, { ...event, ok: event.state === "done", running: event.state === "started" }]);
  }

  /** The end, whole (`answer`) or not. */
  function finish(answer) {
    if (answer) {
      considered = answer.considered;
      timings = answer.timings_ms;
      if (answer.decoded?.length) decoded = Map.groupBy(answer.decoded, keyOf);
    }
    const readings = [...decoded.values()].flat();
    const failed = readings.filter(({ ok, running }) => !ok && !running).length;
    const chosen = considered.filter(({ selected }) => selected).length;
    const parts = [
      `${count(considered.length, "page")} considered`,
      chosen ? `${chosen} chosen` : null,
      readings.length - failed ? `${readings.length - failed} read now` : null,
      failed ? `${failed} could not be read` : null,
      answer ? duration(answer.took_ms || timings.total || 0) : null,
    ];
    summary.textContent = parts.filter(Boolean).join(", ");
    node.hidden = !considered.length && !answer;
    if (node.open) unfold();
  }

  async function unfold() {
    const beside = [...decoded.values()].flat().filter((one) => !considered.some((page) => keyOf(page) === keyOf(one)));
    const pages = [...considered, ...beside.map((one) => ({ ...one, selected: true, reason: "" }))];
    const names = await Promise.all(pages.map(({ document_id: id }) => nameOf(id)));
    const steps = STEPS.filter(([step]) => timings[step] !== undefined).map(
      ([step, word]) => `${word} ${duration(timings[step])}`,
    );
    replace(
      inside,
      searched ? h("p", {}, "Searched for: ", h("bdi", { text: searched })) : null,
      h(
        "ul",
        {},
        pages.map((page, i) =>
          h(
            "li",
            { class: page.selected ? "chosen" : "" },
            pageLink(page, names[i]),
            page.reason ? h("span", { text: ` ${page.selected ? "chosen" : "left out"}: ${page.reason}` }) : null,
            (decoded.get(keyOf(page)) ?? []).map((one) =>
              h("span", { class: one.ok ? "" : "bad", text: readingLine(one) }),
            ),
          ),
        ),
      ),
      steps.length ? h("p", { text: `Time: ${steps.join(", ")}.` }) : null,
    );
  }

  return { node, selection, decoding, finish };
}

function readingLine({ prompt, reason: why, ok, running, took_ms: took, code }) {
  const because = why ? ` (${String(why).replaceAll("_", " ")})` : "";
  if (running) return ` · being read${because}`;
  if (!ok) return ` · not read${because}: ${reason(code ?? "error")}`;
  const how = prompt && prompt !== "markdown" ? ` as ${prompt}` : "";
  return ` · read now${how}${because}${took === undefined ? "" : ` in ${duration(took)}`}`;
}
