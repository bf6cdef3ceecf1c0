// Search as you type. Contract: the address is the state (route.js). Typing writes it after a short pause; every
// change of it runs at most one search, and an older answer never overwrites a newer one. Questions are answered too.
// Back, a reload and a service that comes back show as many pages as were shown, where they were (depth.js).

import * as api from "./api.js";
import { createChat } from "./chat.js";
import * as depth from "./depth.js";
import { announce, button, debounce, h, icon, keepFocus, replace } from "./dom.js";
import { createFilters, isFiltered, isNever, toRequest } from "./filters.js";
import { namedLine } from "./named.js";
import { groupList, hitList, isRelated } from "./results.js";
import { read, writeSearch } from "./route.js";
import { count, foldersOf, isQuestion, noFolder } from "./words.js";

const TYPING_PAUSE = 140;
const QUESTION_PAUSE = 650;
const AT_A_TIME = 10; // pages, or documents when grouped
const MOST = 1000; // the API's own bound of offset
const MOST_AT_ONCE = 100; // and of a limit
const NAMED_SHOWN = 4;
const MOST_OF_NAME = 200; // characters, as the API takes them

export function createSearch(
  { form, input, askButton, summary, results, answerRoot, filterRoot },
  { nameOf, waitingPages, showNamed },
) {
  const answer = createChat(answerRoot, {
    nameOf,
    waitingPages,
    onNew() {
      writeSearch({ query: "", ask: false }, { push: true });
      input.focus();
    },
    onWithoutFilters: () => writeSearch({ filter: {} }, { push: true }),
  });
  const filters = createFilters(filterRoot, { nameOf });
  const named = h("div");
  summary.before(named);
  let running = null;
  let shown = null; // key of the search whose results are on the page
  let hits = [];
  let groupCount = 0;
  let committed = true; // the next typed change is a new step for Back
  let prompt = false; // Enter and the Ask button do not wait for a pause; nor does what nobody types
  let byHand = false; // and not by Back, a link or a reload

  const actions = {
    onlyDocument(id, name) {
      filters.offerDocuments(new Map([[id, name]]));
      writeSearch({ filter: { ...read().filter, document: id } }, { push: true });
    },
    onlyFolder: (folder) => writeSearch({ filter: { ...read().filter, folder } }, { push: true }),
  };

  const typed = debounce(() => {
    const query = input.value.trim();
    if (query === read().query) return;
    byHand = true;
    writeSearch({ query, ask: false }, { push: committed });
    byHand = false;
    committed = false;
  }, TYPING_PAUSE);
  input.addEventListener("input", typed);
  input.addEventListener("change", () => {
    committed = true;
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    commit({ ask: event.submitter === askButton || read().ask });
  });
  input.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !input.value) return;
    event.preventDefault();
    input.value = "";
    commit({ ask: false });
  });

  function commit(change) {
    typed.cancel();
    const query = input.value.trim();
    if (change.ask && !query) {
      input.focus();
      return;
    }
    prompt = byHand = true;
    writeSearch({ query, ...change }, { push: committed || query !== read().query });
    committed = true;
    prompt = byHand = false;
  }

  const askSoon = debounce((query, filter, how) => answer.ask(query, filter, how), QUESTION_PAUSE);

  function show(state) {
    if (input.value.trim() !== state.query) input.value = state.query;
    filters.show(state);
    const filter = toRequest(state.filter);
    askSoon.cancel();
    const never = isNever(state.filter);
    if (!state.query || never || !(state.ask || isQuestion(state.query))) answer.clear();
    else if (prompt || state.ask || !byHand) answer.ask(state.query, filter, { byHand });
    else askSoon(state.query, filter, { byHand });
    const key = JSON.stringify([state.query, filter, state.group]);
    if (key === shown) {
      depth.carry(key);
      return;
    }
    shown = key;
    running?.abort();
    results.removeAttribute("aria-busy"); // what ran does not end it any more
    if (!state.query) {
      summary.textContent = "";
      replace(named);
      replace(
        results,
        isFiltered(state.filter)
          ? h("p", { class: "empty", text: "Type what you are looking for. Only what the filters leave is searched." })
          : null,
      );
      return;
    }
    if (never) {
      summary.textContent = "";
      replace(named);
      replace(results, nothing(state, { total_pages: 0 }));
      announce("No page passes these filters.");
      return;
    }
    run(state, filter, 0, byHand ? null : depth.of(key));
  }

  /** `before`: how much of the same was shown, and where; null for another search. */
  async function run(state, filter, offset, before) {
    running?.abort(); // "Show more", pressed twice, adds the same pages once
    running = new AbortController();
    const { signal } = running;
    results.setAttribute("aria-busy", "true");
    try {
      const [found, alike] = await Promise.all([
        api.search(
          {
            query: state.query,
            filter,
            limit: before?.shown ?? AT_A_TIME,
            offset,
            group_by_document: state.group,
            rerank: isQuestion(state.query),
          },
          signal,
        ),
        offset ? null : namedSo(state, signal),
      ]);
      if (signal.aborted) return;
      if (!offset) replace(named, namedLine(alike, { ...actions, showAll: () => showNamed(state.query) }));
      const groups = found.groups ?? null;
      const page = groups ? groups.flatMap((group) => group.hits) : found.hits;
      hits = offset ? [...hits, ...page] : page;
      groupCount = (groups?.length ?? 0) + (offset ? groupCount : 0);
      filters.offerFolders(page.flatMap((hit) => hit.paths.flatMap(foldersOf)));
      summarize(found);
      results.querySelector(".more")?.remove();
      if (!hits.length) replace(results, nothing(state, found));
      else extend(groups ? groupList(groups, actions) : hitList(page, actions), offset, before?.y);
      const end = offset + (before?.shown ?? AT_A_TIME);
      const complete = offset + (groups ?? page).length < end || end > MOST;
      if (!complete) results.append(moreButton(state, filter, end));
      depth.keep(shown, Math.min(end, MOST_AT_ONCE));
    } catch (error) {
      if (signal.aborted) return;
      if (offset) moreFailed(error);
      else {
        shown = null;
        summary.textContent = "";
        replace(named);
        replace(results, h("p", { class: "failure" }, icon("warning"), error.message));
      }
      announce(error.message);
    }
    results.removeAttribute("aria-busy");
  }

  /** Documents whose names have what is asked for. Without them, the pages that were found are shown all the same. */
  async function namedSo({ query, filter }, signal) {
    if (isFiltered(filter) || isQuestion(query) || query.length < 3 || query.length > MOST_OF_NAME) return null;
    return api.listDocuments({ name: query, limit: NAMED_SHOWN, signal }).catch(() => null);
  }

  function extend(more, offset, y = 0) {
    if (!offset) {
      keepFocus(results, () => replace(results, more));
      scrollTo({ top: y });
      return;
    }
    const nodes = [more].flat();
    results.append(...nodes);
    nodes[0]?.querySelector(".hit-link")?.focus();
  }

  /** What was found before stays, and the button below it is another try. */
  function moreFailed(error) {
    const more = results.querySelector(".more");
    more.querySelector(".failure")?.remove();
    more.prepend(h("p", { class: "failure" }, icon("warning"), error.message));
  }

  function moreButton(state, filter, offset) {
    return h("div", { class: "more" }, button("Show more", { on: { click: () => run(state, filter, offset) } }));
  }

  function summarize(found) {
    const waiting = waitingPages();
    const ms = found.took_ms < 10 ? found.took_ms.toFixed(1) : Math.round(found.took_ms);
    const shownWords = groupCount
      ? `${count(hits.length, "page")} in ${count(groupCount, "document")}`
      : count(hits.length, "page");
    const related = hits.filter(isRelated).length;
    const loosely = related ? `, ${related === hits.length ? "all" : `${related} of them`} by meaning alone` : "";
    const line = hits.length
      ? `Best ${shownWords} of ${count(found.total_pages, "page")} searched${loosely}`
      : `Nothing found on ${count(found.total_pages, "page")}`;
    replace(
      summary,
      line,
      hits.length ? h("span", { class: "faint", text: ` · ${ms} ms` }) : null,
      waiting ? h("span", { class: "hint", text: ` · ${count(waiting, "page")} still to be read` }) : null,
      found.undecoded_pages
        ? h("span", { class: "faint", text: ` · ${count(found.undecoded_pages, "page")} without text yet` })
        : null,
    );
    announce(line);
  }

  function nothing(state, found) {
    const tips = [];
    if (isNever(state.filter)) tips.push(h("li", { text: "“From” is a later day than “To”." }));
    const unquoted = state.query.replace(/["“”„]/g, "");
    if (isFiltered(state.filter)) {
      tips.push(
        h(
          "li",
          {},
          button("Search all documents", {
            kind: "plain",
            on: { click: () => writeSearch({ filter: {} }, { push: true }) },
          }),
          " without filters.",
        ),
      );
    }
    if (found.unknown_documents?.length)
      tips.unshift(h("li", { text: "The document that is named in the filters is not here any more." }));
    if (found.unknown_folder) tips.unshift(h("li", { text: noFolder(found.unknown_folder) }));
    if (unquoted !== state.query) {
      tips.push(
        h(
          "li",
          {},
          button("Search without quotes", {
            kind: "plain",
            on: { click: () => writeSearch({ query: unquoted }, { push: true }) },
          }),
          ": the words need not stand together then.",
        ),
      );
    }
    if (waitingPages())
      tips.push(
        h("li", {
          text: `${count(waitingPages(), "page")} still to be read. What is on them can be found as soon as they are.`,
        }),
      );
    tips.push(
      h("li", { text: "Try fewer words, or other words for the same thing: meaning counts, not only spelling." }),
    );
    return h(
      "div",
      { class: "empty" },
      h("h3", {
        text: found.total_pages
          ? "Nothing found"
          : isFiltered(state.filter)
            ? "No page passes these filters"
            : "There is nothing to search yet",
      }),
      found.total_pages || isFiltered(state.filter)
        ? h("ul", {}, tips)
        : h("p", { text: "Add documents first. Pages can be searched as soon as each of them is read." }),
    );
  }

  return {
    show,
    offerDocuments: filters.offerDocuments,
    offerFolders: filters.offerFolders,
    /** What was answered is not to be seen again. */
    forget: answer.forget,
    /** Search again, for example after the service came back or pages were read. */
    again() {
      shown = null;
      show(read());
    },
  };
}

/** Arrow keys through links in the order they stand on the page. Returns whether it moved. */
export function moveFocus(step, input) {
  const links = [...document.querySelectorAll(".evidence-link, .considered a, .hit-link")].filter((link) =>
    link.checkVisibility(),
  );
  const at = links.indexOf(document.activeElement);
  if (at === -1 && document.activeElement !== input && document.activeElement !== document.body) return false;
  const next = at === -1 ? (step > 0 ? 0 : -1) : at + step;
  if (next >= links.length) return false;
  if (next < 0) input.focus();
  else links[next].focus();
  return true;
}
