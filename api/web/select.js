// Several documents at once. Contract: `createSelection` adds a button that gives every listed row a box to tick, and a bar
// that says how many are ticked and deletes them: asked once, told once, one after the other, and what cannot be deleted
// keeps its row. Only rows in sight count: what another list hides is not deleted unseen.

import * as api from "./api.js";
import { confirmDeleteMany, showReceipts } from "./dialogs.js";
import { announce, button, h } from "./dom.js";
import { count } from "./words.js";

export function createSelection({ section, head, bar }, { forget, afterwards }) {
  const toggle = button("Select", {
    kind: "plain small may-write",
    title: "Select several documents",
    "aria-pressed": "false",
    on: { click: () => set(!section.classList.contains("selecting")) },
  });
  const line = h("p", { class: "select-line" });
  const all = button("Select all listed", { kind: "plain small", on: { click: tickAll } });
  const remove = button("Delete", { glyph: "trash", kind: "small danger-text", on: { click: removeTicked } });
  const done = button("Done", { kind: "small", on: { click: () => set(false) } });
  let busy = false;

  head.append(toggle);
  bar.append(line, all, remove, done);
  section.addEventListener("change", (event) => event.target.matches(".row-tick") && tell());
  // A list that changes under the bar changes what is counted.
  new MutationObserver(() => !bar.hidden && !busy && tell()).observe(section, { childList: true, subtree: true });

  const ticks = () => [...section.querySelectorAll(".row-tick")].filter((tick) => tick.checkVisibility());
  const ticked = () => ticks().filter((tick) => tick.checked);

  function set(on) {
    section.classList.toggle("selecting", on);
    toggle.setAttribute("aria-pressed", String(on));
    bar.hidden = !on;
    for (const tick of section.querySelectorAll(".row-tick")) tick.checked = false;
    if (on) tell();
    else toggle.focus();
  }

  function tell() {
    const [many, listed] = [ticked().length, ticks().length];
    const said = many ? `${count(many, "document")} selected` : "Tick the documents that are meant";
    if (line.textContent !== said) line.textContent = said;
    remove.disabled = !many;
    all.disabled = many === listed;
  }

  function tickAll() {
    for (const tick of ticks()) tick.checked = true;
    tell();
    announce(line.textContent);
  }

  async function removeTicked() {
    const wanted = ticked().map((tick) => ({ id: tick.value, filename: tick.dataset.name }));
    if (busy || !wanted.length || !(await confirmDeleteMany(wanted))) return;
    busy = true;
    const receipts = [];
    const failed = [];
    for (const button of [all, remove, done, toggle]) button.disabled = true;
    for (const [i, document] of wanted.entries()) {
      line.textContent = `Deleting ${i + 1} of ${wanted.length}…`;
      try {
        receipts.push(await api.deleteDocument(document.id));
        forget(document.id);
      } catch (error) {
        if (error.status === 404) forget(document.id);
        else failed.push({ ...document, error });
        if (error.code === "gone") break; // the others would fare no better
      }
    }
    busy = false;
    for (const button of [all, remove, done, toggle]) button.disabled = false;
    set(false);
    await showReceipts(receipts, failed, wanted.length);
    toggle.focus();
    await afterwards();
  }
}
