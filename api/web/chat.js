// The conversation above the results. Contract: `ask(question, filter, { byHand })` begins one with what stands in the
// search field, and goes back to it where it was begun before in this tab, also before a reload (kept.js); the field
// below takes follow-ups, which the service understands by what was asked before. One question at a time; another
// address or `clear()` stops what runs. A conversation that was ended by "New conversation" is shown again by Back, and
// begun anew by who asks its first question again (`byHand`). `forget()` drops what was answered.

import { button, h, keepFocus, replace } from "./dom.js";
import * as kept from "./kept.js";
import { createTurn } from "./turn.js";
import { count } from "./words.js";

const REMEMBERED = 12; // conversations that Back can return to
const LONGEST = 2000; // characters, as the API takes them

export function createChat(root, { nameOf, waitingPages, onNew, onWithoutFilters }) {
  const field = h("input", {
    id: "follow-up",
    type: "text",
    autocomplete: "off",
    enterkeyhint: "send",
    placeholder: "Ask more about this",
  });
  field.maxLength = LONGEST;
  const send = button("Ask", { kind: "small" });
  send.type = "submit";
  const stop = button("Stop", { kind: "small", hidden: true, on: { click: () => current?.running?.stop() } });
  const fresh = button("New conversation", { glyph: "plus", kind: "plain small", on: { click: beginNew } });
  const form = h(
    "form",
    { class: "follow-up", on: { submit: followUp } },
    h("label", { class: "visually-hidden", for: "follow-up", text: "Ask a follow-up question" }),
    field,
    send,
    stop,
    fresh,
  );
  // First question -> conversation. `before`: turns of before the page was loaded, until they are shown.
  const remembered = new Map(kept.load().map((one) => [one.first, revived(one)]));
  let current = null;

  addEventListener("pagehide", keep);
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    event.preventDefault();
    if (current?.running) stop.click();
    else field.value = "";
  });

  function ask(question, filter, { byHand = false } = {}) {
    const known = current?.first === question ? current : remembered.get(question);
    const sameFilter = known && JSON.stringify(known.filter) === JSON.stringify(filter);
    const over = known?.closed && byHand;
    // Other filters begin a lone question anew; a conversation goes on under them.
    if (known && !over && !hasNothing(known) && (sameFilter || lengthOf(known) > 1)) {
      known.filter = filter;
      known.closed = false;
      if (known !== current) show(known);
      return;
    }
    leave();
    show(create(question, filter));
    begin(question);
  }

  function create(first, filter) {
    const conversation = revived({ first, filter, id: "new", turns: [] });
    remembered.delete(first);
    remembered.set(first, conversation);
    // A lone question is asked again by itself, also each that was begun while somebody typed; what followed one is lost.
    const others = [...remembered.values()].filter((one) => one !== conversation);
    if (others.length === REMEMBERED) remembered.delete((others.find((one) => lengthOf(one) < 2) ?? others[0]).first);
    return conversation;
  }

  function revived({ first, filter, id, closed, lost = 0, turns }) {
    const before = turns.map((told) => ({ filter, ...told })); // an older version of this page kept none with a turn
    const left = before.length === 1 && before[0].state === "asking"; // it was not answered when the page went
    return { first, filter, id, closed, lost, before, left, list: h("div", { class: "turns" }), turns: [], running: null };
  }

  const lengthOf = ({ lost, before, turns }) => lost + before.length + turns.length;

  function show(conversation) {
    if (conversation !== current) leave();
    current = conversation;
    field.value = "";
    root.hidden = false;
    if (conversation.before.length && conversation.lost) conversation.list.append(lostNote(conversation.lost));
    for (const told of conversation.before.splice(0)) add(conversation, told.question).restore(told);
    keepFocus(root, () => {
      replace(root, conversation.list, form);
      follow();
    });
  }

  function lostNote(lost) {
    const many = lost === 1 ? "The first question" : `The first ${count(lost, "question")}`;
    const text = `${many} of this conversation ${lost === 1 ? "is" : "are"} not here any more: a reload keeps the newest.`;
    return h("p", { class: "quiet turns-lost", text });
  }

  /** Its only question failed, or was given up for another address: to be asked again. */
  function hasNothing(conversation) {
    if (lengthOf(conversation) !== 1) return false;
    const state = conversation.turns[0]?.state() ?? conversation.before[0].state;
    return conversation.left || state === "failed";
  }

  function leave() {
    if (current?.running) {
      current.left ||= current.running.state() === "asking";
      current.running.stop();
    }
    current = null;
  }

  function clear() {
    leave();
    root.hidden = true;
    replace(root);
  }

  function beginNew() {
    if (current) current.closed = true;
    onNew();
    keep();
  }

  function add(conversation, question) {
    const turn = createTurn(question, {
      nameOf,
      waitingPages,
      again: () => run(conversation, turn),
      check: () => run(conversation, turn, { verify: true }),
      withoutFilters: () =>
        Object.keys(conversation.filter).length
          ? () => {
              onWithoutFilters(); // asks a lone question again by itself
              if (conversation.turns.length > 1) run(conversation, turn);
            }
          : null,
    });
    conversation.turns.push(turn);
    conversation.list.append(turn.node);
    return turn;
  }

  async function begin(question) {
    const conversation = current;
    const turn = add(conversation, question);
    if (conversation.turns.length > 1) turn.node.scrollIntoView({ block: "nearest" });
    await run(conversation, turn);
  }

  async function run(conversation, turn, { verify = false } = {}) {
    if (conversation.running) return;
    conversation.running = turn;
    const held = turn.node.contains(document.activeElement);
    const { filter, id } = conversation;
    const coming = verify ? turn.check() : turn.run({ filter, conversation_id: id });
    follow();
    if (held && !turn.node.contains(document.activeElement)) stop.focus(); // what was pressed is gone
    const answer = await coming;
    conversation.running = null;
    conversation.id = answer?.conversation_id ?? conversation.id;
    keep();
    if (conversation === current) {
      follow();
      if (conversation.turns.length > 1 && !verify) form.scrollIntoView({ block: "nearest" });
    }
  }

  function keep() {
    const tell = ({ first, filter, id, closed, lost, before, turns }) => ({
      ...{ first, filter, id, closed, lost },
      turns: before.length ? before : turns.map((turn) => turn.tell()),
    });
    kept.save([...remembered.values()].map(tell));
  }

  function forget() {
    remembered.clear();
    kept.forget();
  }

  /** The form as the conversation wants it; the focus is never lost with a button. */
  function follow() {
    const running = Boolean(current?.running);
    const held = [send, stop].includes(document.activeElement);
    send.hidden = running;
    stop.hidden = !running;
    if (held) (running ? stop : field).focus();
  }

  function followUp(event) {
    event.preventDefault();
    const question = field.value.trim();
    if (!question || !current || current.running) return;
    field.value = "";
    begin(question);
  }

  return { ask, clear, forget };
}
