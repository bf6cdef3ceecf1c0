// The page put together. Contract: finds the elements of index.html, connects the parts, and hands every change of the
// address to them. Holds no state of its own.

import { onSignIn, signOut } from "./access.js";
import { createAdmin } from "./admin.js";
import * as api from "./api.js";
import { createBrowse } from "./browse.js";
import { announce, button, h, isTyping, replace } from "./dom.js";
import { confirmDelete, showHelp, showReceipt } from "./dialogs.js";
import { createLibrary } from "./library.js";
import { createNamed } from "./named.js";
import { ALL, onChange, read, writeSearch } from "./route.js";
import { createSearch, moveFocus } from "./search.js";
import { createSelection } from "./select.js";
import { createUploads } from "./upload.js";
import { createViewer } from "./viewer.js";

const $ = (id) => document.getElementById(id);
const input = $("q");
const BRIEF_MS = 6000;
let bannerTimer = 0;
const FEW = 8; // documents that are seen at a glance: no field to find them

const library = createLibrary(
  {
    list: $("documents"),
    heading: $("library-count"),
    empty: $("library-empty"),
    more: $("library-more"),
    activity: $("activity"),
  },
  {
    remove,
    searchIn,
    readAgain,
    openFolder: (folder) => browse.open(folder),
    enterPassword: (document) => uploads.enterPassword(document),
    onChange(all) {
      $("library-named").hidden = all.length < FEW && !$("named").value;
      $("library-tools").hidden = all.length < 2;
      search.offerDocuments(library.names(), library.hasMore());
    },
    onFailed: tellAnywhere,
    onOthers() {
      named.renew();
      browse.renew();
    },
    onHeard: (document) => named.heard(document),
    onForget: (id) => named.forget(id),
  },
);
const named = createNamed(
  {
    field: $("named"),
    section: $("library-view"),
    list: $("named-documents"),
    note: $("named-note"),
    more: $("named-more"),
  },
  library.rowActions,
);
const browse = createBrowse($("browse"), $("library-tools"), {
  onFolders: (folders) => search.offerFolders(folders),
  onSearch: () => input.focus(),
  onTrouble: (sentence) => banner(sentence, { passing: true }),
});
const search = createSearch(
  {
    form: $("search-form"),
    input,
    askButton: $("ask"),
    summary: $("summary"),
    results: $("results"),
    answerRoot: $("answer"),
    filterRoot: $("filters"),
  },
  {
    nameOf: library.nameOf,
    waitingPages: library.waitingPages,
    showNamed(name) {
      writeSearch({ query: "", ask: false, filter: {}, list: ALL }, { push: true });
      named.set(name);
      $("named").focus();
    },
  },
);
createSelection(
  { section: $("library-view"), head: $("library-tools"), bar: $("select-bar") },
  {
    forget: library.forget,
    async afterwards() {
      search.forget();
      browse.renew();
      await library.refresh();
    },
  },
);
const uploads = createUploads(
  { list: $("uploads"), chooser: $("file-chooser"), folderChooser: $("folder-chooser"), curtain: $("curtain") },
  {
    onDocument(document, isNew, { expected = false } = {}) {
      library.add(document, { again: !isNew, expected });
      if (isNew) {
        named.renew();
        browse.renew();
      }
      if (read().query) announce(`${document.filename} was added.`);
    },
    onTrouble: (sentence) => banner(sentence, { passing: true }),
    onRefused: tellAnywhere,
    onAdding(sentence) {
      if (isListed()) announce(sentence);
      else banner(`${sentence}. The list of documents shows how far that is.`, { passing: true, brief: true });
    },
  },
);
const viewer = createViewer($("viewer"), {
  async onMissing(id) {
    if (await library.lookFor(id)) search.again(); // somebody else deleted it: what was found of it goes too
  },
});
const admin = createAdmin($("admin-view"));

async function remove(document, forget) {
  if (!(await confirmDelete(document))) return;
  try {
    const receipt = await api.deleteDocument(document.id);
    forget(document.id);
    search.forget();
    browse.renew();
    await showReceipt(receipt);
    await library.refresh();
  } catch (error) {
    if (error.status === 404) forget(document.id);
    else banner(error.message, { passing: true });
  }
}

async function readAgain(document) {
  try {
    await api.readAgain(document.id);
    await library.lookAgain(document.id);
  } catch (error) {
    banner(error.message, { passing: true });
  }
}

function searchIn({ id, kind, filename }) {
  // An archive is the outermost folder of its files.
  writeSearch({ filter: kind === "archive" ? { folder: filename } : { document: id } }, { push: true });
  input.focus();
}

function show(state) {
  const searching = Boolean(state.query) || Object.values(state.filter).some(Boolean);
  $("library-view").hidden = searching || state.admin;
  $("search-view").hidden = !searching || state.admin;
  if (state.admin) $("status").setAttribute("aria-current", "page");
  else $("status").removeAttribute("aria-current");
  const place = state.admin ? "How things stand" : state.query || (searching ? "Search" : state.list.folder);
  if (!state.view) document.title = place ? `${place} – Folioscope` : "Folioscope";
  admin.show(state.admin);
  if (!searching && !state.admin) {
    browse.show(state.list);
    named.show(state.list);
    library.show();
  }
  search.show(state);
  viewer.show(state.view);
}

/** What a row of the list says: where the list is not in sight, it is said over what is. */
function tellAnywhere(sentence) {
  if (isListed()) announce(sentence);
  else banner(sentence, { passing: true });
}

function isListed() {
  return !$("library-view").hidden && !$("viewer").open;
}

// ---- the service went away, and came back ----

/** `brief`: it goes by itself. */
function banner(text, { retry, passing, brief } = {}) {
  const node = $("banner");
  clearTimeout(bannerTimer);
  if (brief) bannerTimer = setTimeout(() => node.togglePopover(false), BRIEF_MS);
  replace(
    node,
    h("p", { text }),
    retry ? button("Try now", { kind: "small", on: { click: () => api.connection.retry() } }) : null,
    passing
      ? button("Close", { glyph: "close", shown: false, kind: "plain", on: { click: () => node.hidePopover() } })
      : null,
  );
  placeBanner();
  if (!node.matches(":popover-open")) node.showPopover();
}

/** Over an open dialog nothing can be pressed that is not in it. */
function placeBanner() {
  const node = $("banner");
  const place = [...document.querySelectorAll("dialog[open]")].at(-1) ?? document.body;
  if (node.parentElement === place) return;
  const open = node.matches(":popover-open");
  place.append(node);
  if (open) node.showPopover();
}

document.addEventListener("close", placeBanner, { capture: true });

api.connection.addEventListener("down", ({ detail }) => {
  const seconds = detail.retryIn === 1 ? "a second" : `${detail.retryIn} seconds`;
  banner(`Folioscope does not answer. Nothing is lost; trying again in ${seconds}.`, { retry: true });
});
api.connection.addEventListener("up", async () => {
  $("banner").hidePopover();
  announce("Folioscope answers again.");
  await library.refresh();
  named.renew();
  browse.renew();
  search.again();
});

// ---- keys that work everywhere ----

// What chooses among the candidates of an input method, or gives them up, is no key of ours, wherever it is heard.
addEventListener("keydown", (event) => event.isComposing && event.stopPropagation(), { capture: true });

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const typing = isTyping(event);
  if (event.key === "?" && !typing) {
    event.preventDefault();
    showHelp();
  } else if (document.querySelector("dialog[open]")) {
    return;
  } else if (event.key === "/" && !typing) {
    event.preventDefault();
    input.focus();
    input.select();
  } else if ((event.key === "ArrowDown" || event.key === "ArrowUp") && (!typing || event.target === input)) {
    if (moveFocus(event.key === "ArrowDown" ? 1 : -1, input)) event.preventDefault();
  } else if (event.key === "Escape" && !typing && read().query) {
    input.focus();
    input.select();
  }
});

for (const id of ["add", "choose-files", "empty-choose"])
  $(id).addEventListener("click", () => $("file-chooser").click());
$("choose-folder").addEventListener("click", () => $("folder-chooser").click());
$("help").addEventListener("click", showHelp);
$("sign-out").addEventListener("click", signOut);
onSignIn(({ name, tenant, scopes, another }) => {
  if (another) search.forget();
  $("sign-out").hidden = false;
  $("sign-out").title = `Signed in with the key “${name}” for ${tenant}`;
  document.body.classList.toggle("read-only", !scopes.includes("write"));
});
$("brand").addEventListener("click", (event) => {
  if (event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  writeSearch({ query: "", ask: false, group: false, filter: {}, list: ALL }, { push: true });
});
$("activity").addEventListener("click", () => writeSearch({ query: "", ask: false, filter: {} }, { push: true }));

onChange(show);
show(read());
library.refresh();
if (!read().view && matchMedia("(hover: hover)").matches) input.focus();
