// The HTTP API as functions. Contract: every failure becomes one of three errors, `Problem` (the
// service answered and refused; `message` is a sentence for people, `code` is stable), `Gone`
// (nobody answered) or `Broken` (an answer broke off). An aborted request rejects with AbortError.
// `connection` tells when the service disappears and when it is back; it asks by itself.

import { administering, authorised } from "./access.js";
import { uploadInPieces } from "./pieces.js";
import { unitsOf } from "./places.js";
import { readEvents } from "./stream.js";

const BASE = new URL("..", import.meta.url);
const LARGE = 32 << 20; // bytes of a file that is sent in pieces, to go on where a line broke
const MOST_LISTED = 200; // documents of one request
const MOST_TRIES = 5; // of a file that the service does not answer to, though it answers else

export class Problem extends Error {
  constructor(body, status) {
    super(body.detail || body.title || `The service refused this (status ${status}).`);
    this.code = body.code ?? "error";
    this.status = status;
  }
}

export class Gone extends Error {
  constructor() {
    super("Folioscope does not answer.");
    this.code = "gone";
  }
}

export class Broken extends Error {
  constructor() {
    super("The connection broke before the answer was whole.");
    this.code = "broken";
  }
}

/** Dispatches "down" (with detail.retryIn seconds) and "up". */
class Connection extends EventTarget {
  #down = false;
  #wait = 1;
  #timer = 0;

  get down() {
    return this.#down;
  }

  lost() {
    if (this.#down) return;
    this.#down = true;
    this.#wait = 1;
    this.#schedule();
  }

  /** Ask now instead of when the timer says so. */
  async retry() {
    clearTimeout(this.#timer);
    try {
      const response = await fetch(new URL("livez", BASE), { cache: "no-store" });
      if (!response.ok) throw new Gone();
      this.#down = false;
      this.dispatchEvent(new Event("up"));
    } catch {
      this.#wait = Math.min(this.#wait * 2, 15);
      this.#schedule();
    }
  }

  #schedule() {
    this.#timer = setTimeout(() => this.retry(), this.#wait * 1000);
    this.dispatchEvent(new CustomEvent("down", { detail: { retryIn: this.#wait } }));
  }
}

export const connection = new Connection();

async function problemOf(status, readBody) {
  try {
    return new Problem(await readBody(), status);
  } catch {
    return new Problem({}, status);
  }
}

/** Resolves when the service answers again; rejects when the wait is given up. */
export function isBack(signal) {
  return new Promise((resolve, reject) => {
    if (!connection.down) return resolve();
    connection.addEventListener("up", resolve, { once: true, signal });
    signal?.addEventListener("abort", () => reject(new DOMException("Cancelled", "AbortError")), { once: true });
  });
}

async function respond(method, path, { json, body, headers: more, signal, as = authorised } = {}) {
  const asJson = json === undefined ? {} : { "content-type": "application/json" };
  let response;
  try {
    response = await as((headers) =>
      fetch(new URL(`v1/${path}`, BASE), {
        method,
        signal,
        headers: { ...headers, ...asJson, ...more },
        body: json === undefined ? body : JSON.stringify(json),
      }),
    );
  } catch (error) {
    if (error.name === "AbortError" || error.code === "key_declined") throw error;
    connection.lost();
    throw new Gone();
  }
  if (!response.ok) throw await problemOf(response.status, () => response.json());
  return response;
}

async function call(method, path, options) {
  const response = await respond(method, path, options);
  return response.status === 204 ? null : response.json();
}

const segment = encodeURIComponent;

/** Highlights count as JavaScript does, and so do the spans of `getPage`; those of citations are characters (places.js). */
export async function search(request, signal) {
  const found = await call("POST", "search", { json: request, signal });
  const hits = [...found.hits, ...(found.groups ?? []).flatMap((group) => group.hits)];
  for (const snippet of hits.flatMap((hit) => hit.snippets)) {
    const unit = unitsOf(snippet.text);
    snippet.highlights = snippet.highlights.map((span) => span.map(unit));
  }
  return found;
}

/** Asks, and tells each event (kind, data) as it comes. Resolves to the whole answer, the data of `done`. */
export async function converse(request, { signal, onEvent }) {
  const response = await respond("POST", "answers", { json: { ...request, stream: true }, signal });
  try {
    for await (const { kind, data } of readEvents(response.body)) {
      if (kind === "error") throw new Problem(data, data.status);
      onEvent(kind, data);
      if (kind === "done") return data;
    }
  } catch (error) {
    if (error.name === "AbortError" || error instanceof Problem) throw error;
    throw new Broken();
  }
  throw new Broken();
}

export const getDocument = (id, signal) => call("GET", `documents/${segment(id)}`, { signal });
export const deleteDocument = (id) => call("DELETE", `documents/${segment(id)}`);
export async function getPage(id, page, signal, { words = true } = {}) {
  const found = await call("GET", `documents/${segment(id)}/pages/${page}?words=${words}`, { signal });
  const unit = unitsOf(found.text);
  for (const part of [...found.regions, ...found.words]) part.span = part.span.map(unit);
  return found;
}
const pagePath = (id, page, what) => `documents/${segment(id)}/pages/${page}/${what}`;
export const decode = (id, page, request, signal) =>
  call("POST", pagePath(id, page, "decode"), { json: request, signal });
export const locate = (id, page, request, signal) =>
  call("POST", pagePath(id, page, "locate"), { json: request, signal });
export const overview = (signal) => call("GET", "admin/overview", { signal, as: administering });
/** Another try of what failed in a document, or of one page. Resolves to how much is tried. */
export const readAgain = (id, page) =>
  call("POST", `${page ? pagePath(id, page, "") : `documents/${segment(id)}/`}read-again`, { as: administering.orOwn });
/** A step through all that failed; `cursor` is of the step before. Resolves to how much is tried, and the next cursor. */
export const readFailedAgain = (cursor) =>
  call("POST", `read-again${cursor ? `?cursor=${segment(cursor)}` : ""}`, { as: administering.orOwn });
export const originalUrl = (id) => new URL(`v1/documents/${segment(id)}/original`, BASE).href;

/** What was uploaded; members of archives are listed by their archive. With `name`: all that are named so; with
 *  `folder`: all in it; with `unread`: only what could not be read whole. */
export function listDocuments({ cursor, name, folder, order, unread, limit = 50, signal } = {}) {
  const query = new URLSearchParams({ limit: String(limit) });
  if (!name) query.set("uploaded", "true");
  if (unread) query.set("troubled", "true");
  for (const [key, value] of Object.entries({ cursor, name, folder, order })) if (value) query.set(key, value);
  return call("GET", `documents?${query}`, { signal });
}

/** So many of them from the first on, over as many requests as that takes. */
export async function listSoMany(many, options) {
  const items = [];
  for (let cursor; ; ) {
    const step = await listDocuments({ ...options, cursor, limit: Math.min(MOST_LISTED, many - items.length) });
    items.push(...step.items);
    cursor = step.next_cursor;
    if (!cursor || items.length >= many) return { ...step, items };
  }
}

/** The folders directly in that one, or the outermost. */
export const listFolders = (within, signal) => call("GET", `folders?${new URLSearchParams({ within })}`, { signal });
/** Pages by state over all documents, and how many files are still to be opened. */
export const progress = () => call("GET", "progress");

/** All pages that are read, as a file of JSON Lines (a Blob); with `folder`: those in it. */
export async function exportPages(folder) {
  const response = await respond("GET", `export?${new URLSearchParams(folder ? { folder } : {})}`);
  try {
    return await response.blob();
  } catch {
    throw new Broken();
  }
}

/** The picture of a page, `width` pixels wide. `from` is an `image_url` of the API, when there is one. */
export function imageUrl(from, width) {
  const url = new URL(from, BASE);
  if (url.origin !== BASE.origin) return "";
  url.searchParams.set("width", String(width));
  url.searchParams.set("format", "webp");
  return url.href;
}

export const pageImage = (id, page) => `v1/documents/${segment(id)}/pages/${page}/image`;

/**
 * Sends one file; `path` is where it lay in a folder. Resolves to { document, isNew }. `onProgress` gets bytes sent and
 * bytes in all.
 */
export async function upload(file, { password, path, onProgress, signal } = {}) {
  if (file.size > LARGE) {
    const request = (method, at, { headers, ...options } = {}) =>
      respond(method, at, { signal, ...options, headers: { "tus-resumable": "1.0.0", ...headers } });
    return uploadInPieces(file, { password, path, onProgress, signal }, { request, isBack: () => isBack(signal) });
  }
  const request = await authorised((headers) => send(file, headers, { password, path, onProgress, signal }));
  if (request.status >= 200 && request.status < 300 && request.response)
    return { document: request.response, isNew: request.getResponseHeader("folioscope-existing") !== "true" };
  throw new Problem(request.response ?? {}, request.status);
}

/** As `upload`, and again when the service is back; `onAway` hears whether it waits. `isNew` also where only a try that
 *  seemed to fail had arrived. */
export async function uploadWhenBack(file, { onAway, ...options }) {
  for (let tries = 1; ; tries += 1) {
    try {
      const { document, isNew } = await upload(file, options);
      return { document, isNew: isNew || tries > 1 };
    } catch (error) {
      if (error.code !== "gone" || tries === MOST_TRIES) throw error;
    }
    onAway(true);
    await isBack(options.signal).finally(() => onAway(false));
    // A file that is gone from the disk would look like a service that is away.
    await file.slice(0, 1).arrayBuffer().catch(() => {
      throw new Error("This browser cannot open the file any more.");
    });
  }
}

/** Resolves to the XMLHttpRequest that has its answer: fetch cannot tell how much is sent. */
function send(file, headers, { password, path, onProgress, signal }) {
  return new Promise((resolve, reject) => {
    const form = new FormData();
    if (password) form.append("password", password);
    if (path) form.append("path", path);
    form.append("file", file, file.name);
    const request = new XMLHttpRequest();
    request.open("POST", new URL("v1/documents", BASE));
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    request.responseType = "json";
    request.upload.onprogress = (event) => onProgress?.(event.loaded, event.lengthComputable ? event.total : file.size);
    request.onload = () => resolve(request);
    request.onerror = () => {
      connection.lost();
      reject(new Gone());
    };
    request.onabort = () => reject(new DOMException("Cancelled", "AbortError"));
    signal?.addEventListener("abort", () => request.abort());
    request.send(form);
  });
}

/**
 * Follows a document by server-sent events. `onProgress` gets each progress, `onEnd` is called once,
 * with true when reading ended and false when the stream broke (then poll instead). Returns a stop function.
 */
export function watch(id, { onProgress, onEnd }) {
  const source = new EventSource(new URL(`v1/documents/${segment(id)}/events`, BASE));
  const finish = (ended) => {
    source.close();
    onEnd(ended);
  };
  source.addEventListener("progress", (event) => onProgress(JSON.parse(event.data)));
  source.addEventListener("end", (event) => {
    if (event.data) onProgress(JSON.parse(event.data));
    finish(true);
  });
  source.onerror = () => finish(false);
  return () => source.close();
}
