// The overview: all boxes small, and which part of them is in sight. It hides when everything is.
const MAP_WIDE = 170, MAP_TALL = 110;

class Overview {
  constructor(stage) {
    this.stage = stage;
    this.canvas = Object.assign(document.createElement("canvas"), { className: "overview", hidden: true });
    this.canvas.setAttribute("aria-hidden", "true");
    stage.host.append(this.canvas);
    const go = (event) => {
      const corner = this.canvas.getBoundingClientRect();
      stage.centre((event.clientX - corner.left) / this.scale, (event.clientY - corner.top) / this.scale);
    };
    this.canvas.addEventListener("pointerdown", (event) => {
      event.stopPropagation();
      this.canvas.setPointerCapture(event.pointerId);
      go(event);
    });
    this.canvas.addEventListener("pointermove", (event) => { if (event.buttons) { event.stopPropagation(); go(event); } });
    this.canvas.addEventListener("pointerup", (event) => event.stopPropagation());
  }

  // Paints all boxes once, to be shown again at every frame.
  layout() {
    const { tree } = this.stage, colours = this.stage.colours;
    this.scale = Math.min(MAP_WIDE / tree.width, MAP_TALL / tree.height);
    const wide = Math.max(8, tree.width * this.scale), tall = Math.max(8, tree.height * this.scale);
    this.all = Object.assign(document.createElement("canvas"), { width: wide * 2, height: tall * 2 });
    Object.assign(this.canvas, { width: wide * 2, height: tall * 2 });
    Object.assign(this.canvas.style, { width: `${wide}px`, height: `${tall}px` });
    const c = this.all.getContext("2d");
    c.scale(2 * this.scale, 2 * this.scale);
    const least = 1 / this.scale;
    for (const box of tree.shownBoxes) {
      c.globalAlpha = box.group && box.open ? 0.3 : 1;
      c.fillStyle = colours[`${box.k}-edge`];
      c.fillRect(box.x, box.y, Math.max(box.w, least), Math.max(box.h, least));
    }
  }

  draw() {
    const { stage } = this, [x0, y0, x1, y1] = stage.window(), { width, height } = stage.tree;
    const all = x0 <= 1 && y0 <= 1 && x1 >= width - 1 && y1 >= height - 1;
    if (this.canvas.hidden !== all) this.canvas.hidden = all;
    if (all) return;
    const c = this.canvas.getContext("2d"), scale = 2 * this.scale;
    c.clearRect(0, 0, this.canvas.width, this.canvas.height);
    c.drawImage(this.all, 0, 0);
    c.strokeStyle = stage.colours.active;
    c.lineWidth = 3;
    c.strokeRect(x0 * scale, y0 * scale, (x1 - x0) * scale, (y1 - y0) * scale);
  }
}
