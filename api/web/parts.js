// What a document is made of. Contract: `partsList` turns a whole DocumentJSON into lists of what could not be read,
// with reasons, and of the files in an archive; `fillContact` puts the first pages of an archive's files, small, into a
// node, beside those that stand there already, and `isFull` says whether more would have room.

import { pageImage } from "./api.js";
import { h } from "./dom.js";
import { pageHref } from "./route.js";
import { THUMB_PIXELS, thumbnail } from "./scan.js";
import { count, reason } from "./words.js";

const MOST_LISTED = 200;
const MOST_PICTURES = 12;
const LOOKS_PACKED = /\.(zip|tar|tgz|gz)$/i; // archives in archives have no pages of their own

export function partsList({ id, page_failures: pages, members, member_failures: unopened }) {
  const items = [
    ...unopened.map((member) =>
      h("li", { class: "bad" }, bold(member.path), ` – ${reason(member.code, member.message)}`),
    ),
    ...pages.map((failure) => failedPage(failure, id, members)),
    ...members.map(memberLink),
  ];
  const left = items.length - MOST_LISTED;
  return [
    h("ul", {}, items.slice(0, MOST_LISTED)),
    left > 0 ? h("p", { class: "quiet", text: `and ${count(left, "more", "more")}` }) : null,
  ];
}

export const isFull = (node) => node.childElementCount >= MOST_PICTURES;

export function fillContact(node, members) {
  const there = new Set([...node.children].map((link) => link.dataset.member));
  const shown = members.filter(({ path }) => !LOOKS_PACKED.test(path)).slice(0, MOST_PICTURES);
  shown.forEach((member, i) => {
    if (!there.has(member.document_id)) node.insertBefore(small(member), node.children[i] ?? null);
  });
}

function small({ path, document_id: id }) {
  const picture = thumbnail({ image_url: pageImage(id, 1) }, [], THUMB_PIXELS);
  const link = h("a", { href: pageHref(id, 1), "aria-label": path, title: path, dataset: { member: id } }, picture);
  picture.querySelector("img").addEventListener("error", () => link.remove());
  return link;
}

const bold = (text) => h("bdi", { class: "name", text });

function failedPage(failure, ownId, members) {
  const owner = failure.document_id ?? ownId;
  const path = members.find((member) => member.document_id === owner)?.path;
  const place = path ? `${path}, page ${failure.page}` : `Page ${failure.page}`;
  const link = h("a", { href: pageHref(owner, failure.page) }, h("bdi", { text: place }));
  return h("li", { class: "bad" }, link, ` – ${reason(failure.code)} Tried ${count(failure.attempts, "time")}.`);
}

function memberLink({ path, document_id: id }) {
  const name = h("bdi", { text: path });
  return h("li", {}, LOOKS_PACKED.test(path) ? name : h("a", { href: pageHref(id, 1) }, name));
}
