// Who the visitor is. Contract: `authorised(send)` sends a request with the visitor's key, and when the service wants
// one, asks for it, once for all that wait, and sends again. The key is kept for this tab (sessionStorage) and goes out
// as a header only. Pictures, downloads and event streams cannot carry one: a short-lived cookie that counts for looking
// at documents and nothing else is fetched for them and renewed while the page is open.

import { askKey } from "./dialogs.js";

const NAME = "folioscope.key";
const BASE = new URL("..", import.meta.url);
const RENEW_MS = 10 * 60 * 1000; // the service's sessions last 15 minutes

let key = sessionStorage.getItem(NAME);
let renewedAt = 0;
let timer = 0;
let asking = null;
let opening = key ? renew() : Promise.resolve();

/** Tells "change" when somebody signed in; detail is what the service says of the key. */
export const access = new EventTarget();

export const headers = () => (key ? { authorization: `Bearer ${key}` } : {});

/** `send` gets the headers to send, and resolves to something with a `status`. */
export async function authorised(send) {
  await opening;
  for (;;) {
    const used = key;
    const response = await send(headers());
    if (response.status !== 401) return response;
    if (used === key) await signIn(Boolean(used));
  }
}

export async function signOut() {
  const leaving = fetch(new URL("v1/session", BASE), { method: "DELETE", headers: headers() });
  sessionStorage.removeItem(NAME);
  await leaving.catch(() => {});
  location.reload();
}

function signIn(refused) {
  asking ??= ask(refused).finally(() => {
    asking = null;
  });
  return asking;
}

async function ask(refused) {
  let problem = refused ? "That key is not valid any more." : "";
  for (;;) {
    const given = (await askKey(problem)).trim();
    problem = await tryKey(given);
    if (!problem) return;
  }
}

/** What is wrong with a key, in words; nothing when it is good, and from then on ours. */
async function tryKey(given) {
  let response;
  try {
    response = await open(given);
  } catch {
    return "Folioscope does not answer. Try again in a moment.";
  }
  const said = await response.json().catch(() => ({}));
  if (!response.ok) return response.status === 401 ? "That key is not known here." : (said.detail ?? "Try again.");
  if (!said.scopes.includes("read")) return "That key may not look at documents.";
  key = given;
  sessionStorage.setItem(NAME, key);
  opened(said);
  return "";
}

// Header values are Latin-1; anything else is no key, and fetch would throw.
function open(given) {
  return fetch(new URL("v1/session", BASE), {
    method: "POST",
    headers: { authorization: `Bearer ${given.replace(/[^\x21-\x7e]/g, "?")}` },
  });
}

function opened(said) {
  renewedAt = Date.now();
  clearTimeout(timer);
  timer = setTimeout(renew, RENEW_MS);
  access.dispatchEvent(new CustomEvent("change", { detail: said }));
}

/** Never fails: what then wants a key asks for it. */
async function renew() {
  try {
    const response = await open(key);
    if (response.ok) opened(await response.json());
  } catch {
    clearTimeout(timer);
    timer = setTimeout(renew, 15_000);
  }
}

document.addEventListener("visibilitychange", () => {
  // Timers stand still while a machine sleeps.
  if (key && !document.hidden && Date.now() - renewedAt > RENEW_MS) opening = renew();
});
