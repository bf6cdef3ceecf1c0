// The text of what is listed as a file. Contract: `createSave({ folder, onTrouble })` is a button that has the service
// write all pages that are read (of the folder that `folder()` names, or of all documents) and hands the file to the
// browser to keep. The request carries the visitor's key, which a plain link could not.

import { exportPages } from "./api.js";
import { announce, button } from "./dom.js";

export function createSave({ folder, onTrouble }) {
  const label = "Download text";
  const node = button(label, {
    glyph: "download",
    kind: "plain small",
    title: "The text of every page that is read, one page a line (JSON Lines)",
    on: { click: save },
  });
  const said = node.querySelector("span");

  async function save() {
    node.disabled = true;
    said.textContent = "Preparing…";
    try {
      keep(await exportPages(folder()), `${folder().split("/").at(-1) || "all documents"}.jsonl`);
      announce("The text is downloaded");
    } catch (error) {
      onTrouble(error.message);
    }
    node.disabled = false;
    said.textContent = label;
  }

  return node;
}

function keep(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000); // the browser may still be writing it
}
