// The address bar is the state of the page. Contract: `read()` gives the whole state, `write()` changes
// parts of it, and every listener hears of every change, whoever made it (a link, back, forward, typing).
//
//   ?q=…&ask=1&group=1&document=…&folder=…&type=…&from=…&to=…     what is searched
//   ?in=…&order=…&unread=1                                        which documents are listed, where none is searched
//   #/doc/<id>/page/<n>?at=<start>-<end>&q=…                      which page is open above it
//   #/admin                                                       how things stand, instead of both
//
// `at` names characters of the page's text (a citation). `q` there overrides the search's words.

const listeners = new Set();
export const ADMIN = "#/admin";
const FILTERS = ["document", "folder", "type", "from", "to"];
const ORDERS = ["newest", "oldest", "name", "pages", "size"]; // of the API
export const ALL = { folder: "", order: ORDERS[0], unread: false }; // how documents are listed unless asked otherwise

export function read(href = location.href) {
  const url = new URL(href);
  const params = url.searchParams;
  const filter = Object.fromEntries(FILTERS.map((name) => [name, params.get(name) ?? ""]));
  const query = params.get("q") ?? "";
  return {
    query,
    ask: params.get("ask") === "1",
    group: params.get("group") === "1",
    filter,
    list: {
      folder: (params.get("in") ?? "").replace(/^\/+|\/+$/g, ""),
      order: ORDERS.includes(params.get("order")) ? params.get("order") : ALL.order,
      unread: params.get("unread") === "1",
    },
    admin: url.hash === ADMIN,
    view: readView(url.hash, query),
  };
}

function readView(hash, query) {
  const match = /^#\/doc\/([^/?]+)\/page\/(\d{1,7})(?:\?(.*))?$/.exec(hash);
  if (!match) return null;
  let document;
  try {
    document = decodeURIComponent(match[1]);
  } catch {
    return null;
  }
  const params = new URLSearchParams(match[3] ?? "");
  const span = /^(\d+)-(\d+)$/.exec(params.get("at") ?? "");
  return {
    document,
    page: Math.max(1, Number(match[2])),
    query: params.get("q") ?? query,
    at: span ? [Number(span[1]), Number(span[2])] : null,
  };
}

/** The address of a search state, relative to this page. */
export function searchHref({ query, ask, group, filter = {}, list = ALL }) {
  const params = new URLSearchParams();
  if (query) params.set("q", query);
  if (ask) params.set("ask", "1");
  if (group) params.set("group", "1");
  for (const name of FILTERS) if (filter[name]) params.set(name, filter[name]);
  if (list.folder) params.set("in", list.folder);
  if (list.order !== ALL.order) params.set("order", list.order);
  if (list.unread) params.set("unread", "1");
  const text = params.toString();
  return text ? `?${text}` : location.pathname;
}

/** The address of a page in the viewer; used as a link, it keeps the search under it. */
export function pageHref(document, page, { at, query } = {}) {
  const params = new URLSearchParams();
  if (at) params.set("at", `${at[0]}-${at[1]}`);
  if (query) params.set("q", query);
  const text = params.toString();
  return `#/doc/${encodeURIComponent(document)}/page/${page}${text ? `?${text}` : ""}`;
}

/** Change the search; the viewer closes. `push` makes a step that Back returns to. */
export function writeSearch(change, { push = false } = {}) {
  const next = { ...read(), ...change };
  go(searchHref(next), push);
}

/** List other documents, or in another order; what is searched is left. */
export function writeList(change) {
  const list = { ...read().list, ...change };
  go(searchHref({ query: "", list }), true);
}

export function writeView(document, page, options = {}) {
  go(location.search + pageHref(document, page, options), Boolean(options.push));
}

// Closing a page that was opened here is a step back, so that Back and Esc agree. A page that was opened
// by its address has nothing to go back to: then only the address changes.
let wasOpen = read().view !== null;
let openedHere = wasOpen && Boolean(history.state?.openedHere); // noted with the entry: a reload changes nothing of it

export function closeView() {
  if (openedHere) history.back();
  else go(location.search || location.pathname, false);
}

function go(href, push) {
  // The same address twice would have Back go nowhere.
  if (push && new URL(href, location.href).href !== location.href) history.pushState(null, "", href);
  else history.replaceState(null, "", href);
  tell();
}

function tell() {
  const state = read();
  const isOpen = state.view !== null;
  if (isOpen !== wasOpen) openedHere = isOpen;
  wasOpen = isOpen;
  if (openedHere) history.replaceState({ ...history.state, openedHere }, "");
  for (const listener of listeners) listener(state);
}

export function onChange(listener) {
  listeners.add(listener);
}

// A link to "#/…" and Back both end in popstate.
addEventListener("popstate", tell);
