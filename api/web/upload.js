// Files on their way in. Contract: files and folders come from a drop anywhere, or from the two choosers; two are sent
// at a time; each file (a folder as a whole, batch.js) shows how much is sent, can be cancelled, and says in words why
// it was refused; while the service is away it waits. What arrives is handed to the library. Files stay reachable for this visit, so a password can be
// added without choosing it again.

import * as api from "./api.js";
import { createBatch } from "./batch.js";
import { askPassword } from "./dialogs.js";
import { announce, button, h, icon, keepFocus, replace, takeAway } from "./dom.js";
import { chosenItems, droppedItems } from "./folders.js";
import { bytes, count, isPasswordCode, reason } from "./words.js";

const AT_ONCE = 2;

export function createUploads({ list, chooser, folderChooser, curtain }, { onDocument, onTrouble, onRefused, onAdding }) {
  const waiting = []; // functions that send one file each
  const files = new Map(); // document id -> { file, path, tried }: whether a password came with it
  let sending = 0;

  /** Files by themselves have a row each, the files of a folder one together. */
  function add(items) {
    const folders = Map.groupBy(items.filter(({ path }) => path.includes("/")), ({ path }) => path.split("/")[0]);
    for (const { file, path } of items) if (!path.includes("/")) enqueue(file);
    for (const [name, inside] of folders) {
      const batch = createBatch(name, {
        schedule,
        onDocument,
        onEnd: onRefused,
        onPassword: ({ file, path }) => withPassword(file, null, path),
        keep: (id, item) => files.set(id, item),
      });
      list.append(batch.node);
      batch.send(inside);
    }
    if (items.length) onAdding(`Adding ${count(items.length, "file")}`);
    pump();
  }

  function enqueue(file, password, path) {
    const abort = new AbortController();
    const line = h("span", { class: "row-status", text: "Waiting to be sent" });
    const bar = h("progress", { max: String(file.size || 1), value: "0", "aria-label": `Sending ${file.name}` });
    const stop = button(`Cancel ${file.name}`, {
      glyph: "close",
      shown: false,
      kind: "plain",
      title: "Cancel",
      on: { click: () => abort.abort() },
    });
    const node = h(
      "li",
      { class: "row sending" },
      h("div", { class: "row-picture" }, h("div", { class: "thumb blank" }, icon("page"))),
      h(
        "div",
        { class: "row-body" },
        h("div", { class: "row-title" }, h("bdi", { class: "name", text: file.name })),
        h("p", { class: "row-meta", text: bytes(file.size) }),
        line,
        bar,
      ),
      h("div", { class: "row-actions" }, stop),
    );
    list.append(node);
    const job = { file, password, path, abort, node, line, bar, stop };
    const run = () => send(job);
    abort.signal.addEventListener("abort", () => {
      const at = waiting.indexOf(run);
      if (at !== -1) waiting.splice(at, 1);
      takeAway(node);
    });
    waiting.push(run);
  }

  function schedule(run) {
    waiting.push(run);
    pump();
  }

  function pump() {
    while (sending < AT_ONCE && waiting.length) {
      sending += 1;
      waiting.shift()().finally(() => {
        sending -= 1;
        pump();
      });
    }
  }

  async function send(job) {
    const { file, password, path, abort, node, line, bar, stop } = job;
    try {
      const { document, isNew } = await api.uploadWhenBack(file, {
        password,
        path,
        signal: abort.signal,
        onAway(away) {
          bar.value = 0;
          line.textContent = away
            ? "Folioscope does not answer. The file waits here and is sent as soon as it does."
            : "Sending again…";
        },
        onProgress(sent, total) {
          bar.max = total || 1;
          bar.value = sent;
          line.textContent = sent < total ? `Sending, ${Math.floor((100 * sent) / total)} %` : "Storing safely…";
        },
      });
      files.set(document.id, { file, path, tried: Boolean(password) });
      takeAway(node);
      onDocument(document, isNew, { expected: Boolean(password) });
      if (!isNew && !password) announce(`${file.name} was here already.`);
    } catch (error) {
      if (error.name === "AbortError") return;
      bar.remove();
      node.dataset.state = "failed";
      const again = isPasswordCode(error.code)
        ? button("Enter the password", {
            glyph: "key",
            kind: "primary small",
            on: { click: () => withPassword(file, node, path) },
          })
        : error.code === "gone" || error.status >= 500
          ? button("Send again", {
              kind: "small",
              on: {
                click: () => {
                  takeAway(node);
                  enqueue(file, password, path);
                  pump();
                },
              },
            })
          : null;
      replace(
        line,
        h("span", { class: "dot", "aria-hidden": "true" }),
        `Not added. ${reason(error.code, error.message)}`,
      );
      const close = button(`Hide ${file.name}`, {
        glyph: "close",
        shown: false,
        kind: "plain",
        title: "Hide",
        on: { click: () => takeAway(node) },
      });
      if (again) node.querySelector(".row-body").append(again);
      keepFocus(node, () => stop.replaceWith(close));
      onRefused(`${file.name} was not added. ${reason(error.code, error.message)}`);
    }
  }

  async function withPassword(file, node, path) {
    const given = await askPassword(file.name);
    if (!given) return;
    if (node) takeAway(node);
    enqueue(file, given.password, path);
    pump();
  }

  /** For a document that turned out to be protected after it was accepted. */
  async function enterPassword(document) {
    const held = files.get(document.id);
    const given = await askPassword(document.filename, {
      needsFile: !held,
      wrong: Boolean(held?.tried),
    });
    if (!given) return;
    const file = held?.file ?? given.file;
    if (!file) return;
    enqueue(file, given.password, held?.path);
    pump();
  }

  // Leaving the page stops what is being sent: the browser asks first.
  addEventListener("beforeunload", (event) => {
    if (sending || waiting.length) event.preventDefault();
  });
  chooser.addEventListener("change", () => {
    add(chosenItems(chooser.files));
    chooser.value = "";
  });
  folderChooser.addEventListener("change", () => {
    add(chosenItems(folderChooser.files));
    folderChooser.value = "";
  });
  acceptDrops(curtain, async (transfer) => {
    const lost = [];
    add(await droppedItems(transfer, (path) => lost.push(path)));
    if (lost.length) onTrouble(`${count(lost.length, "part")} of what was dropped could not be opened: ${lost[0]}`);
  });

  return { enterPassword };
}

/** Drops of files and folders anywhere on the page; the curtain shows that they may fall. */
function acceptDrops(curtain, take) {
  let depth = 0;
  const carriesFiles = (event) => event.dataTransfer?.types.includes("Files");
  const lower = () => {
    depth = 0;
    curtain.togglePopover(false);
  };
  addEventListener("dragenter", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    depth += 1;
    curtain.togglePopover(true); // also over an open page
  });
  addEventListener("dragover", (event) => {
    if (carriesFiles(event)) event.preventDefault();
  });
  addEventListener("dragleave", (event) => {
    if (carriesFiles(event) && --depth <= 0) lower();
  });
  addEventListener("drop", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    lower();
    take(event.dataTransfer);
  });
}
