// One question and its answer, as it comes about. Contract: `createTurn(question, parts)` gives { node, run, stop };
// `run(request)` asks, shows what is being done and then the text piece by piece, and resolves to the whole answer, or
// to null when it was stopped, failed or broke off; what came until then stays, with a way to ask again. Screen readers
// hear the end and each page that is being read, not every piece.

import * as api from "./api.js";
import { answerText, evidenceList, missingList, notFound, PAGES_SHOWN } from "./answer.js";
import { announce, button, h, icon, replace } from "./dom.js";
import { createTrace } from "./trace.js";
import { count } from "./words.js";

const UNSURE = 0.4;

export function createTurn(question, { nameOf, waitingPages, again, withoutFilters }) {
  const label = h("p", { class: "answer-heading" });
  const status = h("p", { class: "thinking" });
  const text = h("div", { class: "answer-text" });
  const rest = h("div", { class: "turn-rest" });
  const trace = createTrace({ nameOf });
  const heading = h("h2", { class: "turn-question" }, h("bdi", { text: question }));
  const node = h("article", { class: "turn" }, heading, label, status, text, rest, trace.node);
  let abort = null;
  let heardText = "";
  let frame = 0;
  let citations = [];

  async function run(request) {
    abort = new AbortController();
    heardText = "";
    citations = [];
    node.dataset.state = "asking";
    node.setAttribute("aria-busy", "true");
    replace(label, "Answer");
    replace(text);
    replace(rest);
    trace.node.hidden = true;
    say("Looking for the pages that answer this…");
    let answer = null;
    try {
      answer = await api.converse({ question, ...request }, { signal: abort.signal, onEvent: hear });
      await settle(answer);
    } catch (error) {
      answer = null;
      if (error.name === "AbortError" || abort.signal.aborted) stopped();
      else failed(error);
    }
    node.removeAttribute("aria-busy");
    return answer;
  }

  function hear(kind, data) {
    if (kind === "selection") {
      trace.selection(data, question);
      const chosen = data.considered.filter(({ selected }) => selected).length;
      const all = data.considered.length;
      say(all ? `Looking at ${chosen || all} of ${count(all, "page")}…` : "");
    } else if (kind === "decoding") {
      trace.decoding(data);
      if (data.state === "started") sayReading(data);
    } else if (kind === "text") {
      heardText += data.text;
      status.hidden = true;
      draw();
    } else if (kind === "citations") {
      citations = data;
      draw();
    }
  }

  function say(sentence) {
    status.hidden = !sentence;
    status.textContent = sentence;
  }

  async function sayReading({ document_id: id, page }) {
    const name = (await nameOf(id)) ?? "a document";
    if (node.dataset.state !== "asking" || heardText) return;
    say(`Reading page ${page} of ${name}…`);
    announce(status.textContent);
  }

  /** At most once for each picture of the screen, however fast the pieces come. */
  function draw() {
    frame ||= requestAnimationFrame(() => {
      frame = 0;
      if (node.dataset.state === "asking") replace(text, answerText(heardText, citations));
    });
  }

  async function settle(answer) {
    const missing = (answer.missing ?? []).filter(Boolean);
    const namesOf = (pages) => Promise.all(pages.map(({ document_id: id }) => (id ? nameOf(id) : undefined)));
    const lacking = await namesOf(missing);
    const names = answer.found ? [] : await namesOf(answer.considered.slice(0, PAGES_SHOWN));
    const without = missing.length ? missingList(missing, lacking, again) : null;
    node.dataset.state = answer.found ? "found" : "none";
    say("");
    const unsure = answer.found && answer.confidence > 0 && answer.confidence < UNSURE;
    replace(
      label,
      answer.found ? "Answer" : h("span", {}, icon("search"), "Nothing found"),
      unsure ? h("span", { class: "hint" }, icon("warning"), "Weak support – check the page") : null,
    );
    if (answer.found) {
      if (answer.note) label.append(h("span", { class: "faint", text: answer.note }));
      replace(text, answerText(answer.text, answer.citations));
      replace(rest, evidenceList(answer.citations, answer.text), without);
    } else {
      replace(text, h("p", { text: "Not found in these documents." }));
      const more = { waiting: waitingPages(), withoutFilters: withoutFilters() };
      replace(rest, without, notFound(answer, names, more));
    }
    trace.finish(answer);
    const partly = missing.length ? " The answer is not whole." : "";
    announce((answer.found ? `Answer: ${answer.text}` : "Not found in these documents.") + partly);
  }

  function stopped() {
    node.dataset.state = "stopped";
    ended(h("p", { class: "quiet", text: "Stopped." }), "Ask again");
    announce("Stopped.");
  }

  function failed(error) {
    node.dataset.state = "failed";
    const cut = heardText && error.code === "broken";
    const said = cut ? "The answer broke off here: the connection was lost." : error.message;
    ended(h("p", { class: "failure" }, icon("warning"), said), "Try again");
    announce(said);
  }

  /** Not by itself: what there is stays. */
  function ended(line, retry) {
    say("");
    replace(text, heardText ? answerText(heardText, citations) : null);
    const row = h("div", { class: "turn-ended" }, line, button(retry, { kind: "small", on: { click: again } }));
    replace(rest, citations.length ? evidenceList(citations, heardText) : null, row);
    trace.finish(null);
  }

  return { node, question, run, stop: () => abort?.abort() };
}
