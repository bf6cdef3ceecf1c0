// One document in the list. Contract: `createRow(actions)` gives { node, update, line, why, remark }; `update` changes what
// differs and leaves the rest, so that focus and open details survive progress. Failures are said in words, with a way
// on; `remark` adds a sentence for this visit.

import { originalUrl, pageImage } from "./api.js";
import { button, h, icon, keepFocus, replace, whenVisible } from "./dom.js";
import { fillContact, isFull, partsList } from "./parts.js";
import { pageHref } from "./route.js";
import { THUMB_PIXELS, thumbnail } from "./scan.js";
import { bytes, date, isPasswordCode, mayOpen, media, reason, stateLine } from "./words.js";

const MOST_LOOKS = 12; // into an archive that is still being opened, for small pictures of what is in it

const isReading = ({ state }) => state === "accepted" || state === "reading";

export function createRow(actions) {
  const node = h("li", { class: "row" });
  const picture = h("div", { class: "row-picture" });
  const title = h("div", { class: "row-title" });
  const meta = h("p", { class: "row-meta" });
  const status = h("p", { class: "row-status" });
  const bar = h("progress", { class: "row-bar", "aria-label": "Pages read" });
  const problem = h("div", { class: "row-problem" });
  const contact = h("div", { class: "row-contact" });
  const remark = h("p", { class: "row-remark" });
  const tick = h("input", { type: "checkbox", class: "row-tick" });
  const details = h("details", { class: "row-details" });
  const buttons = h("div", { class: "row-actions" });
  node.append(picture, h("div", { class: "row-body" }, title, meta, status, remark, bar, problem, contact, details), buttons);
  let last = {};
  let pictured = 0; // pages of the archive when its small pictures were last looked for
  let looks = 0;
  let looking = false;

  details.addEventListener("toggle", () => details.open && fillDetails());

  async function fillDetails() {
    const { id } = last;
    try {
      const whole = await actions.details(id);
      if (!details.open || last.id !== id) return;
      const locked = whole.member_failures.some(({ code }) => isPasswordCode(code));
      replace(details, details.firstChild, partsList(whole), locked ? passwordButton() : null);
    } catch (error) {
      replace(details, details.firstChild, h("p", { class: "failure", text: error.message }));
    }
  }

  /** More files may be found in an archive after the first of its pages are told. */
  function wantContact({ pages: { total }, ...document }) {
    const often = looks >= MOST_LOOKS && isReading(document);
    if (looking || often || total === pictured || isFull(contact)) return;
    looking = true;
    whenVisible(node, lookInside);
  }

  async function lookInside() {
    looks += 1;
    pictured = last.document.pages.total;
    try {
      fillContact(contact, (await actions.details(last.id)).members);
    } catch {
      // The list of files says what is wrong; small pictures may be missing.
    }
    looking = false;
    wantContact(last.document);
  }

  const update = (document) => keepFocus(node, () => draw(document));

  function draw(document) {
    const archive = document.kind === "archive";
    const readable = !archive && document.pages.total > 0;
    const key = JSON.stringify([document.id, readable, archive, document.filename]);
    if (key !== last.key) {
      replace(picture, rowPicture(document, readable));
      replace(title, rowTitle(document, readable));
      replace(buttons, rowButtons(document, actions), tick);
      tick.value = document.id;
      tick.dataset.name = document.filename;
      tick.setAttribute("aria-label", `Select ${document.filename}`);
    }
    node.dataset.state = document.state;
    const sent = document.paths?.[0]; // in a folder that was sent in
    const folder = (sent ?? document.origins?.[0]?.path)?.split("/").slice(0, -1).join("/");
    replace(
      meta,
      [media(document.media_type), bytes(document.size), date(document.created_at)].join(" · "),
      folder ? [" · ", folderOf(folder, sent ? actions.openFolder : null)] : null,
    );
    replace(status, h("span", { class: "dot", "aria-hidden": "true" }), stateLine(document));
    bar.hidden = !isReading(document);
    if (document.pages.total) {
      bar.max = document.pages.total;
      bar.value = document.pages.done + document.pages.failed;
    } else {
      bar.removeAttribute("value");
    }
    showProblem(document);
    const summary = summaryOf(document);
    details.hidden = !summary;
    if (summary && details.firstChild?.textContent !== summary) {
      replace(details, h("summary", { text: summary }), [...details.childNodes].slice(1));
    }
    const changed = document.state !== last.state;
    last = { key, id: document.id, state: document.state, document };
    if (details.open && changed) fillDetails();
    if (archive && document.pages.total) wantContact(document);
  }

  function showProblem({ failure, pages, state }) {
    const ended = state === "failed" || state === "partial";
    const again = ended && (pages.failed > 0 || (failure && mayOpen(failure.code)));
    const said = JSON.stringify([failure, again]);
    if (said === problem.dataset.said) return;
    problem.dataset.said = said;
    replace(
      problem,
      failure ? h("p", { text: reason(failure.code, failure.message) }) : null,
      isPasswordCode(failure?.code) ? passwordButton() : null,
      again
        ? button("Read again", {
            glyph: "again",
            kind: "small may-write",
            title: "Try again what could not be read",
            on: { click: () => actions.readAgain(last.document) },
          })
        : null,
    );
  }

  function passwordButton() {
    const click = () => actions.enterPassword(last.document);
    return button("Enter the password", { glyph: "key", kind: "primary small", on: { click } });
  }

  const why = () => problem.querySelector("p")?.textContent ?? "";
  return { node, update, line: () => stateLine(last.document), why, remark: (text) => replace(remark, text) };
}

function rowPicture({ id, kind }, readable) {
  if (!readable) return h("div", { class: "thumb blank" }, icon(kind === "archive" ? "folder" : "page"));
  // The name is the link for keyboards and screen readers; this one is for pointers.
  return h(
    "a",
    { href: pageHref(id, 1), tabindex: "-1", "aria-hidden": "true" },
    thumbnail({ image_url: pageImage(id, 1) }, [], THUMB_PIXELS),
  );
}

function rowTitle({ id, filename }, readable) {
  const name = h("bdi", { class: "name", text: filename });
  return readable ? h("a", { class: "row-link", href: pageHref(id, 1) }, name) : name;
}

function folderOf(folder, open) {
  const name = h("bdi", { text: folder.replaceAll("/", " / ") });
  const title = `List what is in ${folder}`;
  return open ? h("button", { type: "button", class: "crumb", title, on: { click: () => open(folder) } }, name) : name;
}

function rowButtons(document, actions) {
  const { id, filename, kind } = document;
  const plain = (label, glyph, title, click) =>
    button(`${label} ${filename}`, { glyph, shown: false, kind: "plain", title, on: { click } });
  return [
    plain("Search in", "search", `Search in this ${kind}`, () => actions.searchIn(document)),
    h(
      "a",
      {
        class: "button plain icon-only",
        href: originalUrl(id),
        download: filename,
        "aria-label": `Download ${filename}`,
        title: "Download the original",
      },
      icon("download"),
    ),
    plain("Delete", "trash", "Delete", () => actions.remove(document)),
  ];
}

/** What the details are called; empty where there are none. */
function summaryOf(document) {
  if (document.kind === "archive") {
    // An archive of which nothing could be read was opened all the same: its files say why.
    const unopened = document.failure && document.failure.code !== "no_member_read";
    return unopened || (isReading(document) && !document.pages.total) ? "" : "Files in it";
  }
  if (!document.pages.failed) return "";
  return document.pages.failed === 1 ? "Why one page could not be read" : "Why some pages could not be read";
}
