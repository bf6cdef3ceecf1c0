// Folders on their way in. Contract: `droppedItems` takes what was dropped, at once, and then looks into folders,
// however many files are in them; `chosenItems` does the same for a chooser. Both give [{ file, path }], path with the
// folder's own name in front and empty for a file by itself. What file managers leave behind and what is hidden is left
// out. `isReadable` looks at a file's first bytes, as the service will.

// As `is_junk` of ingest/member_paths.py has it in archives; of a folder, what is hidden too.
const JUNK = /^(\.DS_Store|Thumbs\.db|desktop\.ini|\._.*|.*:(Zone\.Identifier|encryptable))$/i;
const HIDDEN =
  /(^|\/)(\.[^/]*|__MACOSX|@eaDir|\$RECYCLE\.BIN|System Volume Information|Thumbs\.db|desktop\.ini)(\/|$)|:(Zone\.Identifier|encryptable)$/i;

const wanted = ({ file, path }) => !(path ? HIDDEN.test(path) : JUNK.test(file.name));

export const chosenItems = (files) =>
  [...files].map((file) => ({ file, path: file.webkitRelativePath ?? "" })).filter(wanted);

/** Call it before the first pause: afterwards the browser empties the transfer. A folder that cannot be looked into is
 *  told to `onLost`, and the others are taken all the same. */
export async function droppedItems(transfer, onLost) {
  const entries = [...transfer.items]
    .filter((item) => item.kind === "file")
    .map((item) => item.webkitGetAsEntry?.() ?? item.getAsFile())
    .filter(Boolean);
  const found = [];
  for (const entry of entries) {
    if (entry instanceof File) found.push({ file: entry, path: "" });
    else if (entry.isFile) found.push(...(await fileOf(entry, "", onLost)));
    else await walk(entry, found, onLost);
  }
  return found.filter(wanted);
}

async function walk(folder, found, onLost) {
  const path = folder.fullPath.replace(/^\/+/, "");
  if (HIDDEN.test(path)) return;
  const reader = folder.createReader();
  try {
    for (;;) {
      // A reader gives at most a hundred entries at a time.
      const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
      if (!some.length) return;
      for (const entry of some) {
        if (entry.isDirectory) await walk(entry, found, onLost);
        else found.push(...(await fileOf(entry, entry.fullPath.replace(/^\/+/, ""), onLost)));
      }
    }
  } catch {
    onLost(path);
  }
}

async function fileOf(entry, path, onLost) {
  try {
    return [{ file: await new Promise((resolve, reject) => entry.file(resolve, reject)), path }];
  } catch {
    onLost(path || entry.name);
    return [];
  }
}

const NAMES = /\.(pdf|tiff?|jpe?g|png|webp|zip|tar|tgz|tar\.gz)$/i;
const SIGNS = [
  [0, "%PDF-"],
  [0, "\x89PNG"],
  [0, "\xff\xd8\xff"],
  [8, "WEBP"],
  [0, "II*\0"],
  [0, "II+\0"],
  [0, "MM\0*"],
  [0, "MM\0+"],
  [0, "PK\x03\x04"],
  [0, "PK\x05\x06"],
  [0, "\x1f\x8b"],
  [257, "ustar"],
];

/** Whether it looks like something that the service reads. Rejects where the file cannot be opened. */
export async function isReadable(file) {
  const head = new Uint8Array(await file.slice(0, 1100).arrayBuffer());
  if (NAMES.test(file.name)) return true;
  const text = String.fromCharCode(...head);
  return SIGNS.some(([at, sign]) => text.startsWith(sign, at)) || text.slice(0, 1024).includes("%PDF-");
}
