// Questions to the user. Contract: each function shows one modal dialog and resolves when it closes; focus is held
// inside and returned by the browser; Esc answers "no". The dialog element is removed afterwards.

import { button, h } from "./dom.js";
import { count } from "./words.js";

const MOST_NAMED = 8;

function modal({ title, body, actions, onSubmit, required = false }) {
  return new Promise((resolve) => {
    let result = null;
    const dialog = h("dialog", { class: "dialog", "aria-labelledby": "dialog-title" });
    const form = h(
      "form",
      {
        method: "dialog",
        on: {
          submit: (event) => {
            event.preventDefault();
            result = onSubmit ? onSubmit(event.submitter) : (event.submitter?.value ?? null);
            dialog.close();
          },
        },
      },
      h("h2", { id: "dialog-title", text: title }),
      body,
      h("div", { class: "dialog-actions" }, actions),
    );
    dialog.append(form);
    if (required) dialog.addEventListener("cancel", (event) => event.preventDefault());
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(result);
    });
    document.body.append(dialog);
    dialog.showModal();
    // The browser brings what it focuses into view: where that is a button at the end, the beginning would be missed.
    if (document.activeElement.closest(".dialog-actions")) dialog.scrollTop = 0;
  });
}

function submit(label, kind, value) {
  const node = button(label, { kind, name: "choice", value });
  node.type = "submit";
  return node;
}

function cancel(label = "Cancel") {
  return button(label, { on: { click: (event) => event.currentTarget.closest("dialog").close() } });
}

export async function confirmDelete(document) {
  const inside = document.kind === "archive" ? " and every file in it that is nowhere else" : "";
  const choice = await modal({
    title: "Delete this document?",
    body: h(
      "p",
      {},
      h("bdi", { class: "name", text: document.filename }),
      `${inside} will be removed: the original, its pages and everything read from them. This cannot be undone.`,
    ),
    actions: [cancel("Keep it"), submit("Delete", "danger", "yes")],
  });
  return choice === "yes";
}

/** The same for several: { filename } of each. */
export async function confirmDeleteMany(documents) {
  const over = documents.length - MOST_NAMED;
  const choice = await modal({
    title: `Delete ${count(documents.length, "document")}?`,
    body: h(
      "div",
      {},
      h(
        "ul",
        { class: "named-list" },
        documents.slice(0, MOST_NAMED).map(({ filename }) => h("li", {}, h("bdi", { class: "name", text: filename }))),
        over > 0 ? h("li", { class: "quiet", text: `and ${count(over, "more", "more")}` }) : null,
      ),
      h("p", {
        text:
          "The originals will be removed, their pages and everything read from them; with an archive, every file in it " +
          "that is nowhere else. This cannot be undone.",
      }),
    ),
    actions: [cancel("Keep them"), submit("Delete", "danger", "yes")],
  });
  return choice === "yes";
}

/** What became of `asked` documents that were to be deleted. `failed`: { filename, error } of each that was not. */
export function showReceipts(receipts, failed, asked) {
  const sum = (pick) => receipts.reduce((all, receipt) => all + pick(receipt), 0);
  const left = sum(({ remaining: { archives: _, ...own } }) => Object.values(own).reduce((all, n) => all + n, 0));
  const untried = asked - receipts.length - failed.length;
  const rows = [
    ["Documents", `${receipts.length} of ${asked}`],
    ["Pages removed", String(sum((receipt) => receipt.pages_deleted))],
    ["Files removed", String(sum((receipt) => receipt.documents_deleted))],
    ["Left afterwards", left ? `${left} parts – please report this` : "Nothing of them"],
    ...failed.map(({ filename, error }) => ["Not deleted", [h("bdi", { text: filename }), ` – ${error.message}`]]),
    ...(untried > 0 && failed.length ? [["Not tried", String(untried)]] : []),
  ];
  return modal({
    title: failed.length ? "Not everything was deleted" : `${count(receipts.length, "document")} deleted`,
    body: h(
      "dl",
      { class: "receipt" },
      rows.flatMap(([term, value]) => [h("dt", { text: term }), h("dd", {}, value)]),
    ),
    actions: [submit("Close", "primary", "ok")],
  });
}

/** What was deleted, and that a look afterwards found nothing. */
export function showReceipt(receipt) {
  const { archives = 0, ...own } = receipt.remaining;
  const left = Object.values(own).reduce((sum, n) => sum + n, 0);
  const nothing = archives ? "Nothing, but the original of an archive that is kept still contains it" : "Nothing";
  const rows = [
    ["Document", h("bdi", { text: receipt.filename })],
    ["Pages removed", String(receipt.pages_deleted)],
    ["Files removed", String(receipt.documents_deleted)],
    ["Deleted", new Date(receipt.deleted_at).toLocaleString("en")],
    ["Left afterwards", left === 0 ? nothing : `${left} parts – please report this`],
    ["Fingerprint (SHA-256)", h("code", { text: receipt.sha256 })],
  ];
  return modal({
    title: left === 0 ? "Deleted, and nothing remains" : "Deleted, but something remains",
    body: h(
      "dl",
      { class: "receipt" },
      rows.flatMap(([term, value]) => [h("dt", { text: term }), h("dd", {}, value)]),
    ),
    actions: [submit("Close", "primary", "ok")],
  });
}

/** The password for a file, and the file itself where the browser does not hold it any more. Null when cancelled. */
export function askPassword(filename, { wrong = false, needsFile = false } = {}) {
  const field = h("input", { id: "password", type: "password", required: true, autocomplete: "off" });
  const file = needsFile ? h("input", { id: "password-file", type: "file", required: true }) : null;
  return modal({
    title: wrong ? "That password did not open it" : "A password is needed",
    body: h(
      "div",
      { class: "fields" },
      h(
        "p",
        {},
        h("bdi", { class: "name", text: filename }),
        " is protected, or files in it are. With the password they can be read.",
      ),
      file ? h("label", { for: "password-file", text: "The file again" }) : null,
      file,
      h("label", { for: "password", text: "Password" }),
      field,
    ),
    actions: [cancel(), submit("Read it", "primary", "ok")],
    onSubmit: () => ({ password: field.value, file: file?.files[0] ?? null }),
  });
}

/** The key that the service wants. `problem` says what was wrong with the last one. There is no way around it. */
export async function askKey(problem) {
  const field = h("input", { id: "key", type: "password", required: true, autocomplete: "current-password" });
  const given = await modal({
    title: "Sign in",
    body: h(
      "div",
      { class: "fields" },
      h("p", { text: "This archive opens with a key. Whoever runs it can make you one." }),
      problem ? h("p", { class: "bad", role: "alert", text: problem }) : null,
      h("label", { for: "key", text: "Key" }),
      field,
      h("p", { class: "quiet", text: "It is kept until this tab is closed." }),
    ),
    actions: [submit("Open the archive", "primary", "ok")],
    onSubmit: () => field.value,
    required: true,
  });
  // A browser may close a dialog that was told not to, at the second Esc.
  return given ?? askKey(problem);
}

/** A key for what only administrators see; null when there is none. */
export function askAdminKey(problem) {
  const field = h("input", { id: "admin-key", type: "password", required: true, autocomplete: "off" });
  return modal({
    title: "An administrator’s key",
    body: h(
      "div",
      { class: "fields" },
      h("p", { text: "Queues, workers and failures are shown to keys with the scope admin." }),
      problem ? h("p", { class: "bad", role: "alert", text: problem }) : null,
      h("label", { for: "admin-key", text: "Key" }),
      field,
      h("p", { class: "quiet", text: "It is kept until this tab is closed, and used for nothing else." }),
    ),
    actions: [cancel(), submit("Look", "primary", "ok")],
    onSubmit: () => field.value,
  });
}

const SEARCHING = [
  [
    "In a search",
    [
      ['"deed of gift"', "Exactly these words, in this order"],
      ["INV-2024-0117", "Numbers and identifiers are found as they are"],
      ["Who signed it?", "A question is also answered, with its sources; best in the language of the pages"],
    ],
  ],
  [
    "In an answer",
    [
      ["1", "Each number is a quotation. It opens the page with the place marked: check there what the scan says"],
      [
        "Not found",
        "No sentence on the closest pages was recognised as an answer. They may say it in other words, or in a " +
          "language that is understood less well, so they are listed",
      ],
    ],
  ],
];

const KEYS = [
  [
    "Anywhere",
    [
      ["/", "Go to the search field"],
      ["?", "Show this help"],
      ["Esc", "Close, clear the search, or stop an answer"],
    ],
  ],
  [
    "In results",
    [
      ["↓ ↑", "Next or previous result"],
      ["Enter", "Open the page"],
    ],
  ],
  [
    "On a page",
    [
      ["→ ←", "Next or previous page"],
      ["n p", "The same, when zoomed in"],
      ["+ −", "Larger, smaller"],
      ["w", "Fit the width"],
      ["0", "Fit the whole page"],
      ["r", "Turn the page by a quarter"],
      ["t", "Show or hide the text"],
      ["f", "Find words in the document; Enter goes on to the next place"],
    ],
  ],
];

export function showHelp() {
  if (document.querySelector("dialog.dialog[open]")) return Promise.resolve();
  return modal({
    title: "Searching, asking, and keys",
    body: h(
      "div",
      { class: "keys" },
      SEARCHING.map(([where, rows]) => helpPart(where, rows, (term) => h("code", { text: term }))),
      KEYS.map(([where, rows]) => helpPart(where, rows, (keys) => keys.split(" ").map((key) => h("kbd", { text: key })))),
    ),
    actions: [submit("Close", "primary", "ok")],
  });
}

function helpPart(where, rows, term) {
  const lines = rows.flatMap(([what, meaning]) => [h("dt", {}, term(what)), h("dd", { text: meaning })]);
  return h("section", {}, h("h3", { text: where }), h("dl", {}, lines));
}
