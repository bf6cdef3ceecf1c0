// The conversation above the results. Contract: `ask(question, filter)` begins one with what stands in the search
// field, and goes back to it where it was begun before in this visit; the field below takes follow-ups, which the
// service understands by what was asked before. One question at a time; another address or `clear()` stops what runs.

import { button, h, replace } from "./dom.js";
import { createTurn } from "./turn.js";

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
  const stop = button("Stop", { kind: "small", hidden: true, on: { click: () => current?.turns.at(-1)?.stop() } });
  const fresh = button("New conversation", { glyph: "plus", kind: "plain small", on: { click: onNew } });
  const form = h(
    "form",
    { class: "follow-up", on: { submit: followUp } },
    h("label", { class: "visually-hidden", for: "follow-up", text: "Ask a follow-up question" }),
    field,
    send,
    stop,
    fresh,
  );
  const remembered = new Map(); // first question -> conversation
  let current = null;

  field.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    event.preventDefault();
    if (current?.running) stop.click();
    else field.value = "";
  });

  function ask(question, filter) {
    const known = current?.first === question ? current : remembered.get(question);
    const sameFilter = known && JSON.stringify(known.filter) === JSON.stringify(filter);
    // Other filters begin a lone question anew; a conversation goes on under them.
    if (known && !hasNothing(known) && (sameFilter || known.turns.length > 1)) {
      known.filter = filter;
      if (known !== current) show(known);
      return;
    }
    leave();
    show(create(question, filter));
    begin(question);
  }

  function create(first, filter) {
    const list = h("div", { class: "turns" });
    const conversation = { first, filter, list, turns: [], id: "new", running: false, left: false };
    remembered.delete(first);
    remembered.set(first, conversation);
    if (remembered.size > REMEMBERED) remembered.delete(remembered.keys().next().value);
    return conversation;
  }

  function show(conversation) {
    if (conversation !== current) leave();
    current = conversation;
    field.value = "";
    root.hidden = false;
    replace(root, conversation.list, form);
    follow();
  }

  /** Its only question failed, or was given up for another address: to be asked again. */
  function hasNothing({ turns, left }) {
    return turns.length === 1 && (left || turns[0].node.dataset.state === "failed");
  }

  function leave() {
    if (current?.running) {
      current.left = true;
      current.turns.at(-1).stop();
    }
    current = null;
  }

  function clear() {
    leave();
    root.hidden = true;
    replace(root);
  }

  async function begin(question) {
    const conversation = current;
    const turn = createTurn(question, {
      nameOf,
      waitingPages,
      again: () => run(conversation, turn),
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
    if (conversation.turns.length > 1) turn.node.scrollIntoView({ block: "nearest" });
    await run(conversation, turn);
  }

  async function run(conversation, turn) {
    if (conversation.running) return;
    conversation.running = true;
    follow();
    const answer = await turn.run({ filter: conversation.filter, conversation_id: conversation.id });
    conversation.running = false;
    conversation.id = answer?.conversation_id ?? conversation.id;
    if (conversation === current) {
      follow();
      if (conversation.turns.length > 1) form.scrollIntoView({ block: "nearest" });
    }
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

  return { ask, clear };
}
