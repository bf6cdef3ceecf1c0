// A folder on its way in, as one row. Contract: `createBatch(name, parts)` gives { node, send }; `send(items)` sends
// every file with its path, some at a time, and ends with one summary: how many were added, what was skipped because it
// is no scan, and what could not be added, with a way to try that again. One file's failure keeps no other; while the
// service is away the rest waits; Cancel stops what runs and keeps what was added.

import * as api from "./api.js";
import { isReadable } from "./folders.js";
import { announce, button, h, icon, keepFocus, replace, takeAway } from "./dom.js";
import { bytes, count, isPasswordCode, mayOpen, reason } from "./words.js";

const MOST_LISTED = 100;
// The next file would fare no better: the rest waits for somebody to try again.
const FOR_ALL = new Set(["storage_full", "quota_exceeded", "scope_missing"]);

export function createBatch(name, { schedule, onDocument, onEnd, onPassword, keep }) {
  const meta = h("p", { class: "row-meta", text: "Looking into the folder…" });
  const line = h("p", { class: "row-status" });
  const bar = h("progress", { "aria-label": `Sending ${name}` });
  const more = h("div", { class: "row-problem" });
  const actions = h("div", { class: "row-actions" });
  const title = h("div", { class: "row-title" }, h("bdi", { class: "name", text: name }));
  const picture = h("div", { class: "row-picture" }, h("div", { class: "thumb blank" }, icon("folder")));
  const body = h("div", { class: "row-body" }, title, meta, line, bar, more);
  const node = h("li", { class: "row sending batch" }, picture, body, actions);
  let abort = new AbortController();
  let all = [];
  let left = 0;
  let away = 0; // files that wait for the service to come back
  let added = 0;
  let known = 0; // of `added`: it was here already
  let tried = false; // this is another try of what did not arrive
  let total = 0;
  let sent = new Map(); // item -> bytes
  let skipped = [];
  let failed = []; // { item, error }
  let stopAll = null; // the error after which nothing more is sent

  function send(items) {
    all = items;
    total = items.reduce((sum, { file }) => sum + file.size, 0);
    meta.textContent = `${count(items.length, "file")}, ${bytes(total)}`;
    begin(items);
  }

  function begin(items) {
    abort = new AbortController();
    left = items.length;
    failed = [];
    stopAll = null;
    delete node.dataset.state;
    bar.hidden = false;
    bar.max = total || 1;
    shown(null, corner("Cancel", () => abort.abort()));
    progress();
    if (!items.length) end();
    for (const item of items) schedule(() => one(item));
  }

  function shown(below, beside) {
    keepFocus(node, () => {
      replace(more, below);
      replace(actions, beside);
    });
  }

  function corner(title, click) {
    return button(`${title} ${name}`, { glyph: "close", shown: false, kind: "plain", title, on: { click } });
  }

  async function one(item) {
    try {
      if (!abort.signal.aborted && !stopAll) await sendOne(item);
      else if (stopAll) failed.push({ item, error: stopAll });
    } catch (error) {
      if (error.name !== "AbortError") {
        if (FOR_ALL.has(error.code)) stopAll = error;
        failed.push({ item, error });
      }
      sent.delete(item);
    }
    left -= 1;
    progress();
    if (!left) end();
  }

  async function sendOne(item) {
    const { file, path } = item;
    let readable;
    try {
      readable = await isReadable(file);
    } catch {
      throw new Error("This browser could not open the file.");
    }
    if (!readable) {
      skipped.push(item);
      sent.set(item, file.size);
      return;
    }
    try {
      const { document, isNew } = await api.uploadWhenBack(file, {
        path,
        signal: abort.signal,
        onAway(is) {
          away += is ? 1 : -1;
          sent.delete(item);
          progress();
        },
        onProgress(done) {
          sent.set(item, Math.min(done, file.size));
          progress();
        },
      });
      added += 1;
      if (!isNew && !tried) known += 1; // what a break cut off may have arrived: that is no news
      sent.set(item, file.size);
      keep(document.id, item);
      onDocument(document, isNew);
    } catch (error) {
      if (error.code !== "unsupported_media_type") throw error;
      skipped.push(item);
      sent.set(item, file.size);
    }
  }

  function progress() {
    if (!left) return;
    const done = all.length - left;
    const bytesSent = [...sent.values()].reduce((sum, one) => sum + one, 0);
    bar.value = total ? bytesSent : done;
    const share = total ? `, ${Math.floor((100 * bytesSent) / total)} %` : "";
    const at = Math.min(done + 1, all.length);
    line.textContent = away ? "Waiting for Folioscope…" : `Sending file ${at} of ${all.length}${share}`;
  }

  function end() {
    const cancelled = abort.signal.aborted;
    if (!cancelled && !failed.length && !skipped.length && !known) {
      announce(`${count(added, "file")} of ${name} ${added === 1 ? "was" : "were"} added.`);
      takeAway(node);
      return;
    }
    node.dataset.state = failed.length ? "failed" : cancelled ? "partial" : "done";
    bar.hidden = true;
    const said = [
      `${added - known} of ${count(all.length, "file")} added`,
      known ? `${known} here already` : "",
      cancelled ? "stopped" : "",
      skipped.length === 1 ? "1 skipped, as it is no scan or archive" : "",
      skipped.length > 1 ? `${skipped.length} skipped, as they are no scans or archives` : "",
      failed.length ? `${failed.length} not added` : "",
    ];
    const sentence = `${said.filter(Boolean).join("; ")}.`;
    replace(line, h("span", { class: "dot", "aria-hidden": "true" }), sentence);
    const open = failed.filter(({ error }) => mayOpen(error.code)); // the others would end as they did
    const again = cancelled ? all.filter((item) => !sent.has(item)) : open.map(({ item }) => item);
    shown([list(), again.length ? tryAgain(again, cancelled) : null], corner("Hide", () => takeAway(node)));
    onEnd(`${name}: ${sentence}`);
  }

  function tryAgain(items, cancelled) {
    const them = items.length === 1 ? "it" : "them";
    const click = () => {
      tried = true;
      begin(items);
    };
    const label = cancelled ? `Send the other ${count(items.length, "file")}` : `Try ${them} again`;
    return button(label, { kind: "small", on: { click } });
  }

  function list() {
    const lines = [
      ...failed.map(({ item, error }) =>
        h(
          "li",
          { class: "bad" },
          h("bdi", { class: "name", text: item.path }),
          ` – ${reason(error.code ?? "", error.message)} `,
          isPasswordCode(error.code)
            ? button(`Enter the password of ${item.file.name}`, {
                glyph: "key",
                kind: "small",
                on: { click: () => onPassword(item) },
              })
            : null,
        ),
      ),
      ...skipped
        .toSorted((a, b) => a.path.localeCompare(b.path))
        .map(({ path }) => h("li", {}, h("bdi", { text: path }), " – skipped")),
    ];
    if (!lines.length) return null;
    const over = lines.length - MOST_LISTED;
    return h(
      "details",
      { class: "row-details" },
      h("summary", { text: "Which files" }),
      h("ul", {}, lines.slice(0, MOST_LISTED)),
      over > 0 ? h("p", { class: "quiet", text: `and ${count(over, "more", "more")}` }) : null,
    );
  }

  return { node, send };
}
