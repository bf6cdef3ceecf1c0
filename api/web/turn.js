// One question and its answer, as it comes about. Contract: `createTurn(question, parts)` gives { node, run, check, stop,
// state, tell, restore }; `run(request)` asks, shows what is being done and then the text piece by piece, and resolves to
// the whole answer, or to null when it was stopped, failed or broke off; what came until then stays, with a way to ask
// again. `check()` has the same asked, under the filters of then, with its quotes compared with the page images, and leaves
// the answer as it is where that fails. `tell()` is all of it as data, `restore(told)` shows that again. Screen readers hear the end and
// each page that is being read, not every piece.

import * as api from "./api.js";
import { answerText, evidenceList, missingList, notFound, PAGES_SHOWN, verdicts } from "./answer.js";
import { pageUrl, toClipboard, withSource } from "./copy.js";
import { announce, button, h, icon, replace } from "./dom.js";
import { createTrace } from "./trace.js";
import { count } from "./words.js";

export function createTurn(question, { nameOf, waitingPages, again, check: onCheck, withoutFilters }) {
  const label = h("p", { class: "answer-heading" });
  const status = h("p", { class: "thinking" });
  const text = h("div", { class: "answer-text" });
  const rest = h("div", { class: "turn-rest" });
  const trace = createTrace({ nameOf });
  const heading = h("h2", { class: "turn-question" }, h("bdi", { text: question }));
  const node = h("article", { class: "turn" }, heading, label, status, text, rest, trace.node);
  let abort = null;
  let frame = 0;
  let told = { question, searched: question, heard: "", citations: [], answer: null, checked: false, said: "" };

  async function run(request) {
    told = { ...told, filter: request.filter, searched: question, heard: "", citations: [], answer: null, checked: false, said: "" };
    node.dataset.state = "asking";
    node.setAttribute("aria-busy", "true");
    replace(label, "Answer");
    replace(text);
    replace(rest);
    trace.node.hidden = true;
    say("Looking for the pages that answer this…");
    let answer = null;
    try {
      answer = await converse({ question, ...request }, hear);
      told.answer = answer;
      await settle(answer);
    } catch (error) {
      answer = null;
      told.answer = null;
      if (error.name === "AbortError" || abort.signal.aborted) stopped();
      else failed(error);
    }
    node.removeAttribute("aria-busy");
    return answer;
  }

  /** Asks by itself what was searched for then: a conversation that went on meanwhile, or other filters, do not change it. */
  async function check() {
    const { answer: before, filter } = told;
    node.setAttribute("aria-busy", "true");
    node.dataset.checking = "";
    rest.querySelector(".turn-actions")?.remove();
    say("Reading the cited pages again…");
    try {
      const answer = await converse({ question: told.searched, filter, verify: true }, hearCheck);
      told = { ...told, answer, checked: true };
      await settle(answer);
    } catch (error) {
      await settle(before, { aloud: false });
      const aborted = error.name === "AbortError" || abort.signal.aborted;
      const line = aborted ? "Stopped: the quotes were not checked." : `The quotes were not checked. ${error.message}`;
      rest.prepend(h("p", { class: aborted ? "quiet" : "failure" }, aborted ? null : icon("warning"), line));
      announce(line);
    }
    delete node.dataset.checking;
    node.removeAttribute("aria-busy");
    return null;
  }

  function converse(request, onEvent) {
    abort = new AbortController();
    return api.converse(request, { signal: abort.signal, onEvent });
  }

  function hear(kind, data) {
    if (kind === "selection") {
      told.searched = data.question;
      trace.selection(data, question);
      const chosen = data.considered.filter(({ selected }) => selected).length;
      const all = data.considered.length;
      say(all ? `Looking at ${chosen || all} of ${count(all, "page")}…` : "");
    } else if (kind === "decoding") {
      trace.decoding(data);
      if (data.state === "started") sayReading(data);
    } else if (kind === "text") {
      told.heard += data.text;
      status.hidden = true;
      draw();
    } else if (kind === "citations") {
      told.citations = data;
      draw();
    }
  }

  function hearCheck(kind, data) {
    if (kind !== "decoding") return;
    trace.decoding(data);
    if (data.state === "started") sayReading(data);
  }

  function say(sentence) {
    status.hidden = !sentence;
    status.textContent = sentence;
  }

  async function sayReading({ document_id: id, page }) {
    const name = (await nameOf(id)) ?? "a document";
    if (!node.hasAttribute("aria-busy") || (node.dataset.state === "asking" && told.heard)) return;
    say(`Reading page ${page} of ${name}…`);
    announce(status.textContent);
  }

  /** At most once for each picture of the screen, however fast the pieces come. */
  function draw() {
    frame ||= requestAnimationFrame(() => {
      frame = 0;
      if (node.dataset.state === "asking") replace(text, answerText(told.heard, told.citations));
    });
  }

  async function settle(answer, { aloud = true, restored = false } = {}) {
    const missing = (answer.missing ?? []).filter(Boolean);
    const namesOf = (pages) => Promise.all(pages.map(({ document_id: id }) => (id ? nameOf(id) : undefined)));
    const lacking = await namesOf(missing);
    const names = answer.found ? [] : await namesOf(answer.considered.slice(0, PAGES_SHOWN));
    const without = missing.length ? missingList(missing, lacking, again) : null;
    const checks = told.checked && answer.found ? verdicts(answer) : null;
    node.dataset.state = answer.found ? "found" : "none";
    say("");
    replace(
      label,
      answer.found ? "Answer" : h("span", {}, icon("search"), "Nothing found"),
      answer.weak_support ? h("span", { class: "hint" }, icon("warning"), "Weak support – compare this with the page") : null,
    );
    if (answer.found) {
      if (answer.note) label.append(h("span", { class: "faint", text: answer.note }));
      replace(text, answerText(answer.text, answer.citations));
      replace(rest, evidenceList(answer.citations, answer.text, checks), without, actions(answer, { restored }));
    } else {
      replace(text, h("p", { text: "Not found in these documents." }));
      const more = { waiting: waitingPages(), withoutFilters: withoutFilters() };
      replace(rest, without, notFound(answer, names, more), actions(answer, { restored }));
    }
    trace.finish(answer);
    const partly = missing.length ? " The answer is not whole." : "";
    const heard = answer.found ? `Answer: ${answer.text}` : "Not found in these documents.";
    if (aloud) announce((checks ? checks.sentence : heard) + partly);
  }

  /** What can be done with a whole answer; null where that is nothing. */
  function actions(answer, { restored }) {
    const cited = answer.found && answer.citations.length;
    if (!cited && !restored) return null;
    const copy = button("Copy with sources", { kind: "plain small", on: { click: () => copyAnswer(answer, copy) } });
    const row = h(
      "div",
      { class: "turn-actions" },
      cited ? copy : null,
      restored ? h("span", { class: "faint", text: "Answered before this page was loaded again." }) : null,
      restored ? button("Ask again", { kind: "plain small", on: { click: again } }) : null,
    );
    if (cited && !told.checked) offerCheck(answer, row);
    return row;
  }

  /** Only where something is kept of a cited page that could be read again: elsewhere a check could tell nothing. */
  async function offerCheck({ citations }, row) {
    const cited = [...new Map(citations.map((one) => [`${one.document_id} ${one.page}`, one])).values()];
    const pages = cited.map((one) => api.getPage(one.document_id, one.page, undefined, { words: false }));
    const looks = await Promise.allSettled(pages);
    // A page that could not be looked at just now may well be one of those.
    const kept = looks.some(({ value, reason: error }) => (value ? value.vision : error.status !== 404));
    const title = "Reads the cited pages again from their images, and compares the quotes";
    if (kept) row.append(button("Check the quotes on the page image", { kind: "plain small", title, on: { click: onCheck } }));
  }

  async function copyAnswer({ text: whole, citations }, node) {
    const source = ({ number, quote, filename, page, document_id: id, span, note }) =>
      withSource(`[${number}] “${quote.trim()}”`, { filename, page, url: pageUrl(id, page, note ? {} : { at: span }) });
    const copied = await toClipboard([question, whole.trim(), ...citations.map(source)].join("\n\n"));
    announce(copied ? "Answer copied, with its sources" : "This browser did not let the page copy");
    if (copied) node.classList.add("done");
    setTimeout(() => node.classList.remove("done"), 1500);
  }

  function stopped() {
    node.dataset.state = "stopped";
    told.said = "Stopped.";
    ended(h("p", { class: "quiet", text: told.said }), "Ask again");
    announce(told.said);
  }

  function failed(error) {
    node.dataset.state = "failed";
    const cut = told.heard && error.code === "broken";
    told.said = cut ? "The answer broke off here: the connection was lost." : error.message;
    ended(h("p", { class: "failure" }, icon("warning"), told.said), "Try again");
    announce(told.said);
  }

  /** Not by itself: what there is stays. */
  function ended(line, retry) {
    say("");
    replace(text, told.heard ? answerText(told.heard, told.citations) : null);
    const row = h("div", { class: "turn-ended" }, line, button(retry, { kind: "small", on: { click: again } }));
    replace(rest, told.citations.length ? evidenceList(told.citations, told.heard) : null, row);
    trace.finish(null);
  }

  const tell = () => ({ ...told, state: node.dataset.state ?? "asking" });

  function restore({ state, ...kept }) {
    told = { ...told, ...kept };
    if (told.answer) {
      trace.selection({ ...told.answer, question: told.searched }, question);
      settle(told.answer, { aloud: false, restored: true });
      return;
    }
    node.dataset.state = state === "failed" ? "failed" : "stopped";
    replace(label, "Answer");
    told.said ||= "The page was loaded again before this was answered.";
    ended(h("p", { class: "quiet", text: told.said }), "Ask again");
  }

  return { node, run, check, stop: () => abort?.abort(), state: () => node.dataset.state, tell, restore };
}
