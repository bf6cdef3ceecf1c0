// Who the visitor is. Contract: `authorised(send)` sends a request with the visitor's key, and when the service wants
// one, asks for it, once for all that wait, and sends again. The key is kept for this tab (sessionStorage) and goes out
// as a header only. Pictures, downloads and event streams cannot carry one: a short-lived cookie that counts for looking
// at documents and nothing else is fetched for them and renewed while the page is open.

import { askAdminKey, askKey } from "./dialogs.js";
import { forget } from "./kept.js";

const NAME = "folioscope.key";
const ADMIN_NAME = "folioscope.admin-key";
const TENANT = "folioscope.tenant"; // whose documents this tab has shown
const BASE = new URL("..", import.meta.url);
const RENEW_MS = 10 * 60 * 1000; // the service's sessions last 15 minutes

let key = sessionStorage.getItem(NAME);
let adminKey = sessionStorage.getItem(ADMIN_NAME); // where the visitor's own key may not see how things stand
let renewedAt = 0;
let timer = 0;
let asking = null;

/** Tells "change" when somebody signed in; detail is what the service says of the key, and whether it is another. */
const access = new EventTarget();
let known = null;
let opening = key ? renew() : Promise.resolve();

/** Calls back with what the service says of the key: now, where that is known already, and whenever it is said. */
export function onSignIn(tell) {
  access.addEventListener("change", ({ detail }) => tell(detail));
  if (known) tell(known);
}

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

// Header values are Latin-1; anything else is no key, and fetch would throw.
function bearer(given) {
  return { authorization: `Bearer ${given.replace(/[^\x21-\x7e]/g, "?")}` };
}

/** As `authorised`, for what takes an administrator: asks for another key where the visitor's own is none. */
export async function administering(send) {
  let response = adminKey ? await send(bearer(adminKey)) : await authorised(send);
  let problem = "";
  while (response.status === 403 || (response.status === 401 && adminKey)) {
    keepAdmin(null);
    const given = await askAdminKey(problem);
    if (given === null) {
      throw Object.assign(new Error("This takes a key with the scope admin."), { code: "key_declined" });
    }
    response = await send(bearer(given.trim()));
    if (response.ok) keepAdmin(given.trim());
    problem = response.status === 401 ? "That key is not known here." : "That key may not see this either.";
    if (response.status === 401) response = { status: 403 };
  }
  return response;
}

/** With the administrator's key, or, where that one may not, with the visitor's own. Asks for none. */
administering.orOwn = async (send) => {
  const response = adminKey ? await send(bearer(adminKey)) : null;
  return !response || response.status === 401 || response.status === 403 ? authorised(send) : response;
};

function keepAdmin(given) {
  adminKey = given;
  if (given) sessionStorage.setItem(ADMIN_NAME, given);
  else sessionStorage.removeItem(ADMIN_NAME);
}

export async function signOut() {
  const leaving = fetch(new URL("v1/session", BASE), { method: "DELETE", headers: headers() });
  sessionStorage.removeItem(NAME);
  sessionStorage.removeItem(ADMIN_NAME);
  sessionStorage.removeItem(TENANT);
  addEventListener("pagehide", forget); // behind the listener that keeps conversations
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
  const another = key !== null && key !== given;
  key = given;
  sessionStorage.setItem(NAME, key);
  opened(said, { another });
  return "";
}

function open(given) {
  return fetch(new URL("v1/session", BASE), {
    method: "POST",
    headers: bearer(given),
  });
}

function opened(said, { another = false } = {}) {
  const before = sessionStorage.getItem(TENANT);
  sessionStorage.setItem(TENANT, said.tenant);
  if (before && before !== said.tenant) {
    // What stands on the page is another's: it goes, and so do the answers that are kept.
    addEventListener("pagehide", forget); // behind the listener that keeps them
    location.reload();
    return;
  }
  renewedAt = Date.now();
  clearTimeout(timer);
  timer = setTimeout(renew, RENEW_MS);
  known = said;
  access.dispatchEvent(new CustomEvent("change", { detail: { ...said, another } }));
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
