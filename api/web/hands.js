// Hands on the picture: moved with the mouse held down, made larger and smaller with two fingers, with Ctrl and the wheel
// and by a double click. Contract: `handle(stage, { zoom, reset })` listens on the scrolling stage; `zoom(factor, at)` gets
// a place in the window that should stay where it is. One finger scrolls as everywhere. A click that ended a move
// reaches nobody.

const FIRM = 4; // pixels that a hand may tremble in a click
const STEP = 1.25;
const CLOSER = 2;

export function handle(stage, { zoom, reset }) {
  let from = null; // where a move with the mouse began
  let moved = false;
  let apart = 0; // of two fingers

  stage.addEventListener("pointerdown", (event) => {
    const scrolls = stage.scrollWidth > stage.clientWidth + 1 || stage.scrollHeight > stage.clientHeight + 1;
    // Beyond the client area lies the scrollbar, which has a way of its own.
    const { left, top } = stage.getBoundingClientRect();
    const onBar = event.clientX - left > stage.clientWidth || event.clientY - top > stage.clientHeight;
    moved = false;
    if (event.pointerType !== "mouse" || event.button !== 0 || !scrolls || onBar) return;
    from = { x: event.clientX, y: event.clientY, left: stage.scrollLeft, top: stage.scrollTop };
  });
  stage.addEventListener("pointermove", (event) => {
    if (!from || event.pointerType !== "mouse") return;
    const [x, y] = [event.clientX - from.x, event.clientY - from.y];
    if (!moved && Math.hypot(x, y) < FIRM) return;
    if (!moved) {
      moved = true;
      stage.setPointerCapture(event.pointerId);
      stage.classList.add("held");
    }
    stage.scrollTo({ left: from.left - x, top: from.top - y });
  });
  for (const end of ["pointerup", "pointercancel"])
    stage.addEventListener(end, () => {
      from = null;
      stage.classList.remove("held");
    });
  stage.addEventListener(
    "click",
    (event) => {
      if (moved) event.stopPropagation();
      moved = false;
    },
    { capture: true },
  );
  stage.addEventListener("dblclick", (event) => {
    if (!reset()) zoom(CLOSER, event);
  });

  stage.addEventListener(
    "wheel",
    (event) => {
      if (!event.ctrlKey) return;
      event.preventDefault();
      zoom(event.deltaY < 0 ? STEP : 1 / STEP, event);
    },
    { passive: false },
  );

  const between = ([a, b]) => Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY);
  const middle = ([a, b]) => ({ clientX: (a.clientX + b.clientX) / 2, clientY: (a.clientY + b.clientY) / 2 });
  stage.addEventListener("touchstart", ({ touches }) => {
    apart = touches.length === 2 ? between(touches) : 0;
  });
  stage.addEventListener(
    "touchmove",
    (event) => {
      if (event.touches.length !== 2 || !apart) return;
      event.preventDefault(); // or the browser makes the whole page larger, bars and all
      const now = between(event.touches);
      zoom(now / apart, middle(event.touches));
      apart = now;
    },
    { passive: false },
  );
}
