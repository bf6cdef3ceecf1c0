// Files on their way in. Contract: files and folders come from a drop anywhere, or from the two choosers; two are sent
// at a time; each shows how much is sent, can be cancelled, and says in words why it was refused. What arrives is
// handed to the library. Files stay reachable for this visit, so a password can be added without choosing it again.

import * as api from "./api.js";
import { askPassword } from "./dialogs.js";
import { announce, button, h, icon, replace } from "./dom.js";
import { bytes, count, isPasswordCode, reason } from "./words.js";

const AT_ONCE = 2;
const JUNK = /^(\.DS_Store|Thumbs\.db|desktop\.ini|\._.*)$/i;

export function createUploads({ list, chooser, folderChooser, curtain }, { onDocument }) {
  const waiting = [];
  const files = new Map(); // document id -> File
  let sending = 0;

  function add(chosen) {
    const wanted = chosen.filter((file) => !JUNK.test(file.name));
    for (const file of wanted) enqueue(file);
    if (wanted.length) announce(`Adding ${count(wanted.length, "file")}`);
    pump();
  }

  function enqueue(file, password) {
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
    const job = { file, password, abort, node, line, bar, stop };
    abort.signal.addEventListener("abort", () => {
      const at = waiting.indexOf(job);
      if (at !== -1) waiting.splice(at, 1);
      node.remove();
    });
    waiting.push(job);
  }

  function pump() {
    while (sending < AT_ONCE && waiting.length) {
      sending += 1;
      send(waiting.shift()).finally(() => {
        sending -= 1;
        pump();
      });
    }
  }

  async function send(job) {
    const { file, password, abort, node, line, bar, stop } = job;
    try {
      const { document, isNew } = await api.upload(file, {
        password,
        signal: abort.signal,
        onProgress(sent, total) {
          bar.max = total || 1;
          bar.value = sent;
          line.textContent = sent < total ? `Sending, ${Math.floor((100 * sent) / total)} %` : "Storing safely…";
        },
      });
      files.set(document.id, file);
      node.remove();
      onDocument(document, isNew);
      if (!isNew && !password) announce(`${file.name} was here already.`);
    } catch (error) {
      if (error.name === "AbortError") return;
      bar.remove();
      stop.remove();
      node.dataset.state = "failed";
      const again = isPasswordCode(error.code)
        ? button("Enter the password", {
            glyph: "key",
            kind: "primary small",
            on: { click: () => withPassword(file, node) },
          })
        : error.code === "gone" || error.status >= 500
          ? button("Send again", {
              kind: "small",
              on: {
                click: () => {
                  node.remove();
                  enqueue(file, password);
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
        on: { click: () => node.remove() },
      });
      node.querySelector(".row-actions").append(close);
      if (again) node.querySelector(".row-body").append(again);
      announce(`${file.name} was not added. ${error.message}`);
    }
  }

  async function withPassword(file, node) {
    const given = await askPassword(file.name);
    if (!given) return;
    node.remove();
    enqueue(file, given.password);
    pump();
  }

  /** For a document that turned out to be protected after it was accepted. */
  async function enterPassword(document) {
    const held = files.get(document.id);
    const given = await askPassword(document.filename, {
      needsFile: !held,
      wrong: /wrong/.test(document.failure?.code ?? ""),
    });
    if (!given) return;
    const file = held ?? given.file;
    if (!file) return;
    enqueue(file, given.password);
    pump();
  }

  chooser.addEventListener("change", () => {
    add([...chooser.files]);
    chooser.value = "";
  });
  folderChooser.addEventListener("change", () => {
    add([...folderChooser.files]);
    folderChooser.value = "";
  });
  acceptDrops(curtain, add);

  return { enterPassword };
}

/** Drops of files and folders anywhere on the page; the curtain shows that they may fall. */
function acceptDrops(curtain, add) {
  let depth = 0;
  const carriesFiles = (event) => event.dataTransfer?.types.includes("Files");
  const lower = () => {
    depth = 0;
    curtain.hidden = true;
  };
  addEventListener("dragenter", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    depth += 1;
    curtain.hidden = false;
  });
  addEventListener("dragover", (event) => {
    if (carriesFiles(event)) event.preventDefault();
  });
  addEventListener("dragleave", (event) => {
    if (carriesFiles(event) && --depth <= 0) lower();
  });
  addEventListener("drop", async (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    lower();
    // Entries must be taken before the first pause; afterwards the browser empties them.
    const entries = [...event.dataTransfer.items]
      .filter((item) => item.kind === "file")
      .map((item) => item.webkitGetAsEntry?.() ?? item.getAsFile());
    const found = await Promise.all(
      entries.filter(Boolean).map((entry) => (entry instanceof File ? [entry] : walk(entry))),
    );
    add(found.flat());
  });
}

async function walk(entry) {
  if (entry.isFile) return [await new Promise((resolve, reject) => entry.file(resolve, reject))].filter(Boolean);
  const reader = entry.createReader();
  const found = [];
  for (;;) {
    // A reader gives at most a hundred entries at a time.
    const batch = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!batch.length) return found;
    for (const child of batch) found.push(...(await walk(child)));
  }
}
