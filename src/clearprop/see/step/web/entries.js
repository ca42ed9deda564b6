// One array entry by entry: chosen in a tile or by its index, changed by number, slider or preset.
const CELLS_ACROSS = 48, CELLS_DOWN = 32; // of a tile; of a larger array what is around the chosen entry

class Entries {
  constructor() {
    this.n = story.live.leaves.find((n) => shapes[n].length && sizeOf(n)) ?? story.nodes.findIndex((_, n) => shapes[n].length);
    for (const [id, does] of [["array", "pick"], ["side", "draw"], ["preset", "fillIn"]]) element(id).onchange = () => this[does]();
    element("seed").oninput = () => { if (element("preset").value === "random") this.fillIn(); };
    element("place").onchange = () => this.typed();
    element("entry-value").oninput = () => this.numbered(element("entry-value"));
    element("entry-slide").oninput = () => this.numbered(element("entry-slide"));
    const tile = element("tile");
    tile.onpointerdown = (event) => { this.press(event); };
    tile.onkeydown = (event) => this.step(event);
    const named = story.nodes.flatMap((node, n) => (shapes[n].length && sizeOf(n) ? [new Option(node.name, n)] : []));
    element("array").replaceChildren(...named);
    this.show(this.n, false);
  }

  // Shows an array; chosen in the drawing or in the list.
  show(n, draws = true) {
    if (n === null || n === undefined || !shapes[n].length || !sizeOf(n)) return;
    this.n = n;
    this.flat = placesOf.get(n) ?? 0;
    element("array").value = n;
    element("preset").value = "";
    this.slices();
    if (draws) this.draw();
  }

  // Draws the chosen array anew; where none is chosen, the one that takes part in the step.
  follow(step) {
    if (step && chosen === null) this.show(step.kind === "backward" ? step.input : step.node, false);
    this.draw();
  }

  pick() {
    this.show(Number(element("array").value));
    const { stage } = window.clearprop, thing = stage.tree.things[story.nodes[this.n].box];
    if (thing) stage.reveal(thing, Math.max(stage.view.k, 0.6));
  }

  get leaf() { return leafOf.get(this.n); }
  get wide() { const shape = shapes[this.n]; return shape[shape.length - 1]; }
  get tall() { const shape = shapes[this.n]; return shape.length > 1 ? shape[shape.length - 2] : 1; }
  get shownArray() { return element("side").value === "grad" ? lanes[shown].arrays.get(this.n) ?? null : arrayOf[this.n]; }

  // The leading axes of an array with more than two: a slice is chosen by a number each.
  slices() {
    const shape = shapes[this.n], place = placeOf(this.flat, shape);
    element("slices").replaceChildren(...shape.slice(0, -2).map((length, axis) => {
      const field = Object.assign(document.createElement("input"), { type: "number", min: 0, max: length - 1, value: place[axis] });
      field.onchange = () => {
        const to = Math.max(0, Math.min(length - 1, Math.round(field.valueAsNumber) || 0));
        const now = placeOf(this.flat, shape);
        now[axis] = field.value = to;
        this.choose(now);
      };
      const label = document.createElement("label");
      label.append(say("axis", { n: axis, last: length - 1 }), field);
      return label;
    }));
  }

  flatOf(place) { return place.reduce((sum, at, axis) => sum * shapes[this.n][axis] + at, 0); }

  choose(place) {
    this.flat = this.flatOf(place);
    placesOf.set(this.n, this.flat);
    this.slices();
    show();
  }

  typed() {
    const shape = shapes[this.n], given = element("place").value.replace(/[[\]()]/g, "").split(/[\s,;]+/).filter(Boolean).map(Number);
    const whole = given.map((at, axis) => (at < 0 ? at + shape[axis] : at));
    const right = whole.length === shape.length && whole.every((at, axis) => Number.isInteger(at) && at >= 0 && at < shape[axis]);
    const last = shape.map((length) => length - 1).join(", ");
    this.complain(right ? "" : say("no entry", { z: story.nodes[this.n].name, shape: shapeText(shape), last }));
    if (right) this.choose(whole);
  }

  complain(words) {
    element("missing").textContent = words;
    element("missing").hidden = !words;
  }

  // --- changing ---------------------------------------------------------------------------------------------
  numbered(field) {
    const x = field.valueAsNumber, name = `${story.nodes[this.n].name}${placeText(this.flat, this.n)}`;
    if (field.value === "" || !Number.isFinite(x)) {
      this.complain(say("no number", { z: name, value: text(Number(arrayOf[this.n][this.flat])) }));
      return;
    }
    if (!this.allowed(x)) return this.complain(say("only whole", { z: name, ...this.ends() }));
    this.change((array) => { array[this.flat] = x; }, field);
  }

  // Whole numbers may be indices: only those that Python had between them are known to fit.
  ends() {
    const all = [...kept[this.leaf]].map(Number);
    return { low: Math.min(...all), high: Math.max(...all) };
  }

  allowed(x) {
    const { low, high } = this.ends();
    return story.live.kinds[this.n] === "f" || (Number.isInteger(x) && (story.live.kinds[this.n] === "b" ? x === 0 || x === 1 : x >= low && x <= high));
  }

  change(does, field = null) {
    const array = live.arrays[this.leaf], was = array.slice();
    try {
      does(array);
      recomputeArrays();
      this.complain("");
    } catch (error) {
      array.set(was);
      recomputeArrays();
      this.complain(String(error.message));
    }
    this.field = field; // keeps what is being typed
    show();
    this.field = null;
  }

  fillIn() {
    const how = element("preset").value, given = kept[this.leaf], whole = story.live.kinds[this.n] !== "f";
    const random = draws(Number(element("seed").value) || 0), { low, high } = whole ? this.ends() : {};
    const of = { given: (i) => given[i], zeros: () => 0, ones: () => 1, random: () => (whole ? low + Math.floor(random.uniform() * (high - low + 1)) : random.normal()) }[how];
    element("seed").parentElement.hidden = how !== "random";
    if (!of) return;
    if (["zeros", "ones"].includes(how) && !this.allowed(of(0))) return this.complain(say("only whole", { z: story.nodes[this.n].name, low, high }));
    this.change((array) => { for (let i = 0; i < array.length; i++) array[i] = of(i); });
  }

  // --- showing ----------------------------------------------------------------------------------------------
  // The slice of the last two axes that holds the chosen entry, or a window of it.
  window() {
    const { wide, tall } = this, inside = this.flat % (wide * tall), row = Math.floor(inside / wide), column = inside % wide;
    const from = (at, length, most) => Math.max(0, Math.min(length - most, at - Math.floor(most / 2)));
    return {
      first: this.flat - inside, row, column, top: from(row, tall, CELLS_DOWN), left: from(column, wide, CELLS_ACROSS),
      rows: Math.min(tall, CELLS_DOWN), columns: Math.min(wide, CELLS_ACROSS),
    };
  }

  draw() {
    const array = this.shownArray, tile = element("tile"), seen = this.window(), { columns, rows } = seen;
    const written = columns <= 6, cell = written ? [48, 20] : Array(2).fill(Math.max(6, Math.min(24, Math.floor(300 / columns))));
    const [ratio, wide, tall] = [Math.min(2, devicePixelRatio || 1), cell[0] * columns, cell[1] * rows];
    [tile.width, tile.height] = [wide * ratio, tall * ratio];
    Object.assign(tile.style, { width: `${wide}px`, height: `${tall}px` });
    Object.assign(this, { cell, seen });
    const c = tile.getContext("2d");
    c.scale(ratio, ratio);
    c.font = `10.5px ${FONT}`;
    c.textAlign = "center";
    if (array) this.paint(c, array, written);
    c.strokeStyle = theme().active;
    c.lineWidth = 2.5;
    c.strokeRect((seen.column - seen.left) * cell[0] + 1.5, (seen.row - seen.top) * cell[1] + 1.5, cell[0] - 3, cell[1] - 3);
    this.tell(array);
  }

  paint(c, array, written) {
    const { cell, seen } = this;
    let largest = 0;
    for (const x of array) if (Number.isFinite(Number(x))) largest = Math.max(largest, Math.abs(Number(x)));
    for (let i = 0; i < seen.rows; i++) for (let j = 0; j < seen.columns; j++) {
      const x = Number(array[seen.first + (seen.top + i) * this.wide + seen.left + j]);
      const colour = data.palette[LEVEL[letters([x], largest || 1)[0]]];
      c.fillStyle = colour;
      c.fillRect(j * cell[0], i * cell[1], cell[0] - 1, cell[1] - 1);
      if (!written) continue;
      c.fillStyle = ink(colour);
      c.fillText(brief(x, story.live.kinds[this.n]), j * cell[0] + cell[0] / 2, i * cell[1] + 13.5, cell[0] - 4);
    }
  }

  // The chosen entry in words, its fields, and the quantiles of the whole array.
  tell(array) {
    const { n, flat, seen } = this, name = story.nodes[n].name, place = placeText(flat, n), own = this.leaf !== undefined;
    const g = lanes[shown].arrays.get(n), value = Number(arrayOf[n][flat]), changes = own && element("side").value === "value";
    element("place").value = placeOf(flat, shapes[n]).join(", ");
    element("changing").hidden = !changes;
    if (this.field !== element("entry-value")) element("entry-value").value = value;
    const room = 2 * Math.max(1, Math.abs(Number(kept[this.leaf]?.[flat] ?? 0)), Math.abs(value)), whole = story.live.kinds[n] !== "f";
    const slide = element("entry-slide"), { low, high } = own && whole ? this.ends() : { low: -room, high: room };
    if (this.field !== slide) Object.assign(slide, { min: low, max: high, step: whole ? 1 : room / 100, value });
    const words = `${name}${place} = ${text(value)}${g ? `, ${name}.grad${place} = ${text(Number(g[flat]))}` : ""}`;
    element("entry-says").textContent = words;
    element("tile").setAttribute("aria-label", `${words}. ${say("tile keys")}`);
    const part = seen.rows < this.tall || seen.columns < this.wide;
    const where = part ? say("tile part", { top: seen.top, bottom: seen.top + seen.rows - 1, left: seen.left, right: seen.left + seen.columns - 1, shape: shapeText(shapes[n]) }) : "";
    element("quantiles").textContent = [where, array ? quantiles(array) : say("nothing here")].filter(Boolean).join(" ");
  }

  press(event) {
    const box = element("tile").getBoundingClientRect(), { seen, cell } = this;
    const row = seen.top + Math.floor((event.clientY - box.top) / cell[1]), column = seen.left + Math.floor((event.clientX - box.left) / cell[0]);
    this.go(row, column);
  }

  go(row, column) {
    if (row < 0 || column < 0 || row >= this.tall || column >= this.wide) return;
    this.choose(placeOf(this.seen.first + row * this.wide + column, shapes[this.n]));
  }

  step(event) {
    const by = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (!by || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    event.stopPropagation();
    this.go(this.seen.row + by[0], this.seen.column + by[1]);
  }
}

// The least, the quarters and the greatest of what is finite.
function quantiles(array) {
  const sorted = Float64Array.from([...array].map(Number).filter(Number.isFinite)).sort(), last = sorted.length - 1;
  if (last < 0) return "";
  const at = (q) => { const p = q * last, low = Math.floor(p); return sorted[low] + (sorted[Math.min(low + 1, last)] - sorted[low]) * (p - low); };
  return say("quantiles", { least: text(at(0)), first: text(at(0.25)), median: text(at(0.5)), third: text(at(0.75)), greatest: text(at(1)) });
}

// Draws that a seed repeats (the Weyl sequence of splitmix32, and Box and Muller's normal ones).
function draws(seed) {
  let state = seed | 0;
  const uniform = () => {
    state = (state + 0x9e3779b9) | 0;
    let z = Math.imul(state ^ (state >>> 16), 0x85ebca6b);
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
    return ((z ^ (z >>> 16)) >>> 0) / 2 ** 32;
  };
  const normal = () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
  return { uniform, normal };
}
