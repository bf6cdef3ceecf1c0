// One document in the list. Contract: `createRow(actions)` gives { node, update, line }; `update` changes what differs
// and leaves the rest, so that focus and open details survive progress. Failures are said in words, with a way on.

import { originalUrl, pageImage } from "./api.js";
import { button, h, icon, replace } from "./dom.js";
import { pageHref } from "./route.js";
import { thumbnail } from "./scan.js";
import { bytes, count, date, isPasswordCode, media, reason, stateLine } from "./words.js";

const THUMB_PIXELS = 240;
const MOST_LISTED = 200;

export function createRow(actions) {
  const node = h("li", { class: "row" });
  const picture = h("div", { class: "row-picture" });
  const title = h("div", { class: "row-title" });
  const meta = h("p", { class: "row-meta" });
  const status = h("p", { class: "row-status" });
  const bar = h("progress", { class: "row-bar", "aria-label": "Pages read" });
  const problem = h("div", { class: "row-problem" });
  const details = h("details", { class: "row-details" });
  const buttons = h("div", { class: "row-actions" });
  node.append(picture, h("div", { class: "row-body" }, title, meta, status, bar, problem, details), buttons);
  let last = {};
  let detailed = null;

  details.addEventListener("toggle", () => {
    if (details.open) loadDetails();
  });

  async function loadDetails() {
    const id = last.id;
    try {
      detailed = await actions.details(id);
      if (details.open && last.id === id) fillDetails();
    } catch (error) {
      replace(details, details.firstChild, h("p", { class: "failure", text: error.message }));
    }
  }

  function update(document) {
    const readable = document.kind === "document" && document.pages.total > 0;
    const key = JSON.stringify([document.id, readable, document.filename]);
    if (key !== last.key) {
      const name = h("bdi", { class: "name", text: document.filename });
      replace(
        picture,
        readable
          ? h(
              "a",
              { href: pageHref(document.id, 1), tabindex: "-1", "aria-hidden": "true" },
              thumbnail({ image_url: pageImage(document.id, 1) }, [], THUMB_PIXELS),
            )
          : h("div", { class: "thumb blank" }, icon(document.kind === "archive" ? "folder" : "page")),
      );
      replace(title, readable ? h("a", { class: "row-link", href: pageHref(document.id, 1) }, name) : name);
      replace(
        buttons,
        document.kind === "document"
          ? button(`Search in ${document.filename}`, {
              glyph: "search",
              shown: false,
              kind: "plain",
              title: "Search in this document",
              on: { click: () => actions.searchIn(document) },
            })
          : null,
        h(
          "a",
          {
            class: "button plain icon-only",
            href: originalUrl(document.id),
            download: document.filename,
            "aria-label": `Download ${document.filename}`,
            title: "Download the original",
          },
          icon("download"),
        ),
        button(`Delete ${document.filename}`, {
          glyph: "trash",
          shown: false,
          kind: "plain",
          title: "Delete",
          on: { click: () => actions.remove(document) },
        }),
      );
    }
    const reading = document.state === "accepted" || document.state === "reading";
    node.dataset.state = document.state;
    meta.textContent = [media(document.media_type), bytes(document.size), date(document.created_at)].join(" · ");
    replace(status, h("span", { class: "dot", "aria-hidden": "true" }), stateLine(document));
    bar.hidden = !reading;
    if (document.pages.total) {
      bar.max = document.pages.total;
      bar.value = document.pages.done + document.pages.failed;
    } else {
      bar.removeAttribute("value");
    }
    showProblem(document);
    const summary = summaryOf(document);
    details.hidden = !summary;
    if (summary && details.firstChild?.textContent !== summary)
      replace(details, h("summary", { text: summary }), [...details.childNodes].slice(1));
    const settled = document.state !== last.state;
    last = { key, id: document.id, state: document.state, document };
    if (details.open && settled) loadDetails();
  }

  function showProblem(document) {
    const failure = document.failure;
    const said = failure ? `${failure.code} ${failure.message}` : "";
    if (said === problem.dataset.said) return;
    problem.dataset.said = said;
    const needsPassword = isPasswordCode(failure?.code);
    replace(
      problem,
      failure
        ? h("p", {
            text: needsPassword ? "This file is protected by a password." : reason(failure.code, failure.message),
          })
        : null,
      needsPassword
        ? button("Enter the password", {
            glyph: "key",
            kind: "primary small",
            on: { click: () => actions.enterPassword(last.document) },
          })
        : null,
    );
  }

  function fillDetails() {
    const { page_failures: pages, members, member_failures: bad, origins, id } = detailed;
    const items = [
      ...bad.map((member) =>
        h("li", { class: "bad" }, h("bdi", { class: "name", text: member.path }), ` – ${memberReason(member)}`),
      ),
      ...pages.map((failure) =>
        h(
          "li",
          { class: "bad" },
          h("a", { href: pageHref(failure.document_id ?? id, failure.page), text: `Page ${failure.page}` }),
          ` – ${reason(failure.code)} Tried ${count(failure.attempts, "time")}.`,
        ),
      ),
      ...members.map((member) =>
        h("li", {}, h("a", { href: pageHref(member.document_id, 1) }, h("bdi", { text: member.path }))),
      ),
      ...origins.map((origin) => h("li", {}, "From an archive, as ", h("bdi", { text: origin.path }))),
    ];
    replace(
      details,
      details.firstChild,
      h("ul", {}, items.slice(0, MOST_LISTED)),
      items.length > MOST_LISTED
        ? h("p", { class: "quiet", text: `and ${count(items.length - MOST_LISTED, "more", "more")}` })
        : null,
    );
  }

  return { node, update, line: () => stateLine(last.document) };
}

function memberReason({ code, message }) {
  if (isPasswordCode(code)) return "It is protected by a password. Add it on its own to enter the password.";
  return reason(code, message);
}

function summaryOf(document) {
  const reading = document.state === "accepted" || document.state === "reading";
  if (document.kind === "archive") return document.failure || (reading && !document.pages.total) ? "" : "Files in it";
  if (document.pages.failed)
    return document.pages.failed === 1 ? "Why one page could not be read" : "Why some pages could not be read";
  return "";
}
