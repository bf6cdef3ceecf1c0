// Pictures that come later. Contract: a picture that could not be had is asked for again, a few times and ever more
// slowly, as long as somebody wants it: the service may just be started anew, or the key's requests of this minute are
// used up, and an `img` does not say which. Whoever shows the picture hears its `load` and `error` as always.

const WAITS_MS = [3_000, 12_000, 30_000, 60_000];

export function loadPatiently(image, address, wanted = () => image.isConnected) {
  const waits = [...WAITS_MS];
  image.addEventListener("error", () => {
    const wait = waits.shift();
    if (wait) setTimeout(again, wait);
  });
  function again() {
    if (!wanted()) return;
    image.loading = "eager"; // one that is not shown until it is there would never come into view
    image.src = address;
  }
  image.src = address;
}
