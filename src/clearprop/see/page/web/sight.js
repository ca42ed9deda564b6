// What is in sight: a grid of cells, so that a move asks for what is near and not for everything.
const CELL_SIDE = 600;

class Sight {
  constructor(boxes, arrows) {
    this.boxes = boxes;
    this.arrows = arrows;
    this.cells = new Map();
    for (const box of boxes) this.put(box, "boxes", box.x, box.y, box.x + box.w, box.y + box.h);
    for (const arrow of arrows) this.put(arrow, "arrows", arrow.x0, arrow.y0, arrow.x1, arrow.y1);
  }

  put(thing, kind, x0, y0, x1, y1) {
    this.each(x0, y0, x1, y1, (key) => {
      if (!this.cells.has(key)) this.cells.set(key, { boxes: [], arrows: [] });
      this.cells.get(key)[kind].push(thing);
    });
  }

  each(x0, y0, x1, y1, visit) {
    const cell = (t) => Math.floor(t / CELL_SIDE);
    for (let i = cell(x0); i <= cell(x1); i++) for (let j = cell(y0); j <= cell(y1); j++) visit(i * 100003 + j);
  }

  // The boxes and arrows that a rectangle touches, outer groups before what they hold.
  within(x0, y0, x1, y1) {
    const boxes = new Set(), arrows = new Set();
    this.each(x0, y0, x1, y1, (key) => {
      const cell = this.cells.get(key);
      if (!cell) return;
      for (const b of cell.boxes) if (b.x < x1 && b.x + b.w > x0 && b.y < y1 && b.y + b.h > y0) boxes.add(b);
      for (const a of cell.arrows) if (a.x0 <= x1 && a.x1 >= x0 && a.y0 <= y1 && a.y1 >= y0) arrows.add(a);
    });
    return { boxes: [...boxes].sort((a, b) => a.depth - b.depth), arrows: [...arrows] };
  }

  // The innermost thing at a point: of an open group only its head counts.
  at(x, y) {
    const found = this.within(x, y, x, y).boxes.reverse();
    const tall = (box) => (box.group && box.open ? HEAD : box.h);
    return found.find((b) => x >= b.x && x <= b.x + b.w && y >= b.y && y <= b.y + tall(b)) || null;
  }
}
