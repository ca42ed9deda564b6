// What the reader's hands do on a stage: wheel, drag, pinch, click, keys.
const STEP = 60; // pixels that an arrow key moves

function listen(stage) {
  const { host } = stage, held = new Map();
  let far = 0, pinch = null;
  const place = (event) => {
    const corner = host.getBoundingClientRect();
    return [event.clientX - corner.left, event.clientY - corner.top];
  };
  host.addEventListener("wheel", (event) => {
    event.preventDefault();
    const lines = event.deltaMode === 1 ? 20 : 1;
    if (event.shiftKey) stage.pan(-event.deltaY * lines, 0);
    else stage.zoom(Math.exp((-event.deltaY * lines) / (event.ctrlKey ? 120 : 400)), ...place(event));
  }, { passive: false });
  host.addEventListener("pointerdown", (event) => {
    if (event.target.closest(".overview")) return;
    held.set(event.pointerId, place(event));
    far = 0;
    pinch = held.size === 2 ? span(held) : null;
  });
  host.addEventListener("pointermove", (event) => {
    const before = held.get(event.pointerId);
    if (!before) return;
    const now = place(event);
    held.set(event.pointerId, now);
    if (held.size === 2) {
      const wide = span(held);
      stage.pan((wide.x - pinch.x), (wide.y - pinch.y));
      stage.zoom(wide.far / pinch.far, wide.x, wide.y);
      pinch = wide;
      far = Infinity;
    } else if (held.size === 1) {
      far += Math.hypot(now[0] - before[0], now[1] - before[1]);
      if (far > 4) {
        if (!host.hasPointerCapture(event.pointerId)) host.setPointerCapture(event.pointerId);
        stage.pan(now[0] - before[0], now[1] - before[1]);
      }
    }
  });
  const lifted = (event) => {
    const was = held.delete(event.pointerId);
    if (was && event.type === "pointerup" && far <= 4) stage.press(stage.at(...place(event)));
  };
  host.addEventListener("pointerup", lifted);
  host.addEventListener("pointercancel", lifted);
  host.addEventListener("dblclick", (event) => {
    const thing = stage.at(...place(event));
    if (!thing) stage.fit(true);
  });
  host.addEventListener("keydown", (event) => pressed(stage, event));
  host.addEventListener("focusin", (event) => bring(stage, event.target.closest(".box")));
}

// The middle of two fingers, and how far they are apart.
function span(held) {
  const [[ax, ay], [bx, by]] = [...held.values()];
  return { x: (ax + bx) / 2, y: (ay + by) / 2, far: Math.max(1, Math.hypot(ax - bx, ay - by)) };
}

// A box that Tab has reached comes into sight.
function bring(stage, element) {
  const thing = element && element.thing;
  if (!thing || !element.matches(":focus-visible")) return;
  const [x, y] = stage.onScreen(thing), { k } = stage.view;
  const off = (low, high, most) => (low < 8 ? 8 - low : high > most - 8 ? Math.max(most - 8 - high, 8 - low) : 0);
  const dx = off(x, x + thing.w * k, stage.width), dy = off(y, y + thing.h * k, stage.height);
  if (dx || dy) { stage.pan(dx, dy); stage.rest(); }
}

const KEYS = {
  "+": (stage) => stage.zoom(1.25), "=": (stage) => stage.zoom(1.25), "-": (stage) => stage.zoom(0.8), 0: (stage) => stage.fit(true),
  1: (stage) => stage.zoom(1 / stage.view.k),
  ArrowLeft: (stage) => stage.pan(STEP, 0), ArrowRight: (stage) => stage.pan(-STEP, 0),
  ArrowUp: (stage) => stage.pan(0, STEP), ArrowDown: (stage) => stage.pan(0, -STEP),
};

function pressed(stage, event) {
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  const box = event.target.closest(".box");
  if (box && (event.key === "Enter" || event.key === " ")) stage.press(box.thing);
  else if (box && event.key === "Escape") stage.choose(null);
  else if (KEYS[event.key] && !(stage.leavesKeys || []).includes(event.key)) KEYS[event.key](stage);
  else return;
  event.preventDefault();
  event.stopPropagation();
}
