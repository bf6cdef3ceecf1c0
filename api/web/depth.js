// How far down somebody went. Contract: `keep(key, shown)` notes with the entry of the browser's history how many results
// of the search, or documents of the list, `key` are shown, and from then on where the window stands; `of(key)` gives
// { shown, y } of the entry that is there now, or null where it is of something else; `carry(key)` takes it along to an entry
// of the same, such as a page that is opened above it. A reload and Back find it again.

const PAUSE_MS = 200; // of scrolling, before it is noted

let last = null;
let timer = 0;

export function keep(key, shown) {
  note({ key, shown, y: Math.round(scrollY) });
}

export function of(key) {
  const depth = history.state?.depth;
  return depth?.key === key ? depth : null;
}

export function carry(key) {
  if (last?.key === key && !of(key)) note(last);
}

function note(depth) {
  last = depth;
  history.replaceState({ ...history.state, depth }, "");
}

addEventListener(
  "scroll",
  () => {
    clearTimeout(timer);
    // What is written then would be of another entry, where that was left meanwhile.
    const at = history.state?.depth;
    timer = setTimeout(() => {
      const depth = history.state?.depth;
      if (depth && depth.key === at?.key) note({ ...depth, y: Math.round(scrollY) });
    }, PAUSE_MS);
  },
  { passive: true },
);
