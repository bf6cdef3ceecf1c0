// Conversations over a reload of the tab. Contract: `load()` gives what `save(conversations)` was given, oldest first and
// as far as there was room: { first, filter, id, closed, lost, turns }, where a turn is what turn.js tells of itself and `lost`
// says how many were before those. Kept in
// sessionStorage, which ends with the tab: the service keeps the questions of a conversation and not its answers, as
// those quote documents. Whatever it reads is shown as text, as everything is. Without storage nothing is kept.

const NAME = "folioscope.conversations";
const FORM = 1; // of what is kept; another version of this page begins with none
const MOST_CHARS = 400_000; // of about five million that a browser gives to all of a tab
const MOST_TURNS = 40; // of a conversation

export function load() {
  try {
    const { form, conversations } = JSON.parse(sessionStorage.getItem(NAME) ?? "{}");
    return form === FORM && Array.isArray(conversations) ? conversations.filter(isWhole) : [];
  } catch {
    return [];
  }
}

/** The oldest are left out where there is no room for all, and of a long one its oldest turns. */
export function save(conversations) {
  const kept = [];
  let room = MOST_CHARS;
  for (const one of conversations.toReversed()) {
    const turns = [];
    for (const turn of one.turns.slice(-MOST_TURNS).toReversed()) {
      const size = JSON.stringify(turn).length;
      room -= size;
      if (room < 0) break;
      turns.unshift(turn);
    }
    const lost = (one.lost ?? 0) + one.turns.length - turns.length;
    if (turns.length) kept.unshift({ ...one, lost, turns });
    if (room < 0) break;
  }
  try {
    if (kept.length) sessionStorage.setItem(NAME, JSON.stringify({ form: FORM, conversations: kept }));
    else sessionStorage.removeItem(NAME);
  } catch {
    forget(); // no room, or no storage at all: rather none than an old one
  }
}

/** Somebody else looks from now on, or a document is gone that answers may quote. */
export function forget() {
  try {
    sessionStorage.removeItem(NAME);
  } catch {
    // There was none.
  }
}

function isWhole({ first, filter, id, turns }) {
  const named = typeof first === "string" && typeof id === "string" && filter && typeof filter === "object";
  return named && Array.isArray(turns) && turns.length > 0 && turns.every(({ question }) => typeof question === "string");
}
