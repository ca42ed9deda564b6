// The stage: one graph in one frame, with its zoom and place; a canvas while it moves, elements at rest.
const REST = 140; // milliseconds without a move, after which elements take the canvas's place
const MOST_ELEMENTS = 150, READABLE = 0.42; // boxes that are shown as elements, and the scale from which on
const LEAST = 0.01, LARGEST = 4, SNUG = 1.35; // scales; the last is how far a small graph is enlarged
const NARROW = 600; // pixels, below which the whole is drawn in more rows
const EASY = 0.86; // the scale at which the smallest text has 9 pixels
const WAY = 40; // pixels of the line that says where one is

class Stage {
  constructor(host, told, prefix = "cp") {
    this.host = host;
    this.prefix = prefix;
    this.tree = new Tree(told);
    this.view = { x: 0, y: 0, k: 1 };
    this.heard = {}; // who wants to know: laid, moved, chosen, folded, mark
    this.chosen = null;
    this.labels = []; // what is written on arrows: a place and words
    this.live = new Map();
    this.build();
    this.colours = theme();
    for (const query of ["(prefers-color-scheme: dark)", "(forced-colors: active)"]) {
      matchMedia(query).addEventListener("change", () => { this.colours = theme(); this.changed(); });
    }
    new ResizeObserver(() => this.resize()).observe(host);
    listen(this);
    this.resize();
  }

  build() {
    this.host.tabIndex = 0;
    this.host.setAttribute("role", "group");
    this.host.setAttribute("aria-label", said("graph keys"));
    this.canvas = Object.assign(document.createElement("canvas"), { ariaHidden: "true" });
    this.layer = make("g", {});
    this.floor = make("g", {}); // open groups, below the arrows
    this.wires = make("g", {});
    this.cards = make("g", {});
    this.tags = make("g", {});
    this.layer.append(this.floor, this.wires, this.cards, this.tags);
    this.svg = make("svg", { class: "clearprop", role: "group" }, this.layer);
    this.reader = Object.assign(document.createElement("div"), { className: "silent" });
    this.host.append(this.canvas, this.svg, this.reader);
    this.overview = new Overview(this);
  }

  say(what, ...rest) { for (const hear of this.heard[what] || []) hear(...rest); }
  on(what, hear) { (this.heard[what] ||= []).push(hear); }

  resize() {
    const { clientWidth, clientHeight } = this.host;
    if (!clientWidth || (clientWidth === this.width && clientHeight === this.height)) return;
    const first = !this.width;
    if (!first) { // what was in the middle stays there
      this.view.x += (clientWidth - this.width) / 2;
      this.view.y += (clientHeight - this.height) / 2;
    }
    [this.width, this.height] = [clientWidth, clientHeight];
    const ratio = Math.min(2, devicePixelRatio || 1);
    [this.canvas.width, this.canvas.height] = [clientWidth * ratio, clientHeight * ratio];
    const { fitted } = this, turned = this.tree.turn((clientWidth - 28) / EASY, clientWidth < NARROW);
    if (turned && this.sight) {
      this.layout();
      this.say("turned");
    }
    if (this.sight) this.ask(this.moving);
    if (this.sight && !first && (turned || fitted)) this.refit(fitted);
  }

  // --- layout -----------------------------------------------------------------------------------------------
  layout() {
    this.tree.layout();
    this.sight = new Sight(this.tree.shownBoxes, this.tree.arrows);
    this.everyArrow = null;
    this.forget();
    this.overview.layout();
    this.say("laid");
    this.mark();
    this.move();
  }

  forget() {
    for (const layer of [this.floor, this.wires, this.cards]) layer.replaceChildren();
    this.live.clear();
  }

  // --- drawing ----------------------------------------------------------------------------------------------
  // Draws at the next frame, on the canvas; elements follow when all is at rest.
  move() {
    this.fitted = false;
    clearTimeout(this.resting);
    this.resting = setTimeout(() => this.rest(), REST);
    this.ask(true);
    this.say("moved");
  }

  // Draws what has changed without a move: elements stay.
  changed() { this.forget(); this.ask(this.moving); }

  ask(moving) {
    this.moving = moving;
    if (!this.asked) { this.asked = true; requestAnimationFrame(() => this.frame()); }
  }

  rest() {
    clearTimeout(this.resting);
    this.moving = false;
    this.frame();
  }

  window() {
    const { x, y, k } = this.view;
    return [-x / k, -y / k, (this.width - x) / k, (this.height - y) / k];
  }

  frame() {
    this.asked = false;
    if (!this.width || !this.sight) return;
    const started = performance.now();
    this.seen = this.sight.within(...this.window());
    const elements = !this.moving && this.view.k >= READABLE && this.seen.boxes.length <= MOST_ELEMENTS;
    this.shows = elements ? "elements" : "canvas";
    if (elements) this.drawElements();
    else this.drawCanvas();
    this.svg.style.opacity = elements ? "" : 0;
    this.canvas.style.display = elements ? "none" : "";
    if (!this.moving) this.readAloud(elements);
    this.overview.draw();
    this.took = performance.now() - started;
  }

  drawCanvas() {
    const c = this.canvas.getContext("2d"), ratio = this.canvas.width / this.width, { x, y, k } = this.view;
    c.setTransform(1, 0, 0, 1, 0, 0);
    c.clearRect(0, 0, this.canvas.width, this.canvas.height);
    c.setTransform(ratio * k, 0, 0, ratio * k, ratio * x, ratio * y);
    const { boxes, arrows } = this.seen, isOpen = (b) => b.group && b.open;
    const open = boxes.filter(isOpen), closed = boxes.filter((b) => !isOpen(b));
    paintBoxes(c, open, this.colours, k);
    if (k < LEGIBLE && arrows.length > 200) this.paintFar(c, arrows, k);
    else for (const arrow of arrows) paintArrow(c, arrow, this.colours);
    paintBoxes(c, closed, this.colours, k);
    if (k < LEGIBLE) paintLabels(c, boxes.filter((b) => b.group), this.colours, k);
    else for (const box of boxes) paintWords(c, box, this.colours);
    for (const tag of this.labels) paintTag(c, tag, this.colours);
    for (const heading of this.tree.headings) paintHeading(c, heading, this.colours);
  }

  // Many arrows far away: all that look alike in one stroke, without heads.
  paintFar(c, arrows, k) {
    const all = arrows.length > 0.6 * this.tree.arrows.length, alike = new Map();
    c.lineWidth = Math.max(1, 0.6 / k);
    if (all && !arrows.some((arrow) => arrow.looks)) {
      c.strokeStyle = this.colours.arrow;
      return c.stroke((this.everyArrow ||= new Path2D(this.tree.arrows.map((arrow) => arrow.d).join(""))));
    }
    for (const arrow of arrows) {
      const look = arrow.looks || "";
      if (!alike.has(look)) alike.set(look, []);
      alike.get(look).push(arrow.d);
    }
    for (const [look, ways] of alike) {
      const lit = /active|sent/.test(look);
      c.globalAlpha = look.includes("faint") ? 0.45 : 1;
      c.strokeStyle = lit ? this.colours.active : this.colours.arrow;
      c.lineWidth = Math.max(look.includes("active") ? 3 : 1, 0.6 / k);
      c.stroke(new Path2D(ways.join("")));
    }
    c.globalAlpha = 1;
  }

  drawElements() {
    const { x, y, k } = this.view;
    this.layer.setAttribute("transform", `translate(${x} ${y}) scale(${k})`);
    const wanted = new Set([...this.seen.boxes, ...this.seen.arrows]);
    for (const [thing, element] of this.live) if (!wanted.has(thing)) { element.remove(); this.live.delete(thing); }
    for (const thing of wanted) {
      if (this.live.has(thing)) continue;
      const box = "depth" in thing, element = box ? boxElement(thing, this.prefix) : arrowElement(thing);
      element.thing = thing;
      this.live.set(thing, element);
      (!box ? this.wires : thing.group && thing.open ? this.floor : this.cards).append(element);
    }
    this.drawTags();
  }

  drawTags() { this.tags.replaceChildren(...this.tree.headings.map(headingElement), ...this.labels.map(tagElement)); }

  // Brings a thing into sight where it is not, and leaves the view alone where it is.
  follow(thing) {
    const [x, y] = this.onScreen(thing), { k } = this.view, edge = 12;
    const wide = Math.min(thing.w * k, this.width - 2 * edge), tall = Math.min(thing.h * k, this.height - 2 * edge);
    const dx = Math.max(edge - x, 0) || Math.min(this.width - edge - wide - x, 0);
    const dy = Math.max(edge - y, 0) || Math.min(this.height - edge - tall - y, 0);
    if (!dx && !dy) return;
    this.view.x += dx + Math.sign(dx) * 40;
    this.view.y += dy + Math.sign(dy) * 40;
    this.rest();
  }

  // Draws one thing anew whose texts or looks have changed.
  redraw(thing) {
    const element = this.live.get(thing);
    if (!element) return;
    if ("depth" in thing) return fillBox(element, thing, elementId(this.prefix, thing));
    const made = arrowElement(thing);
    made.thing = thing;
    this.live.set(thing, made);
    element.replaceWith(made);
  }

  // While only the canvas is shown, buttons that nobody sees stand for the boxes in view.
  readAloud(elements) {
    const wanted = elements ? [] : this.seen.boxes.slice(0, MOST_ELEMENTS), have = [...this.reader.children];
    if (wanted.length !== have.length || wanted.some((thing, n) => have[n].thing !== thing)) {
      this.reader.replaceChildren(...wanted.map((thing) => this.spokenButton(thing)));
    } else have.forEach((made) => { if (made.textContent !== spoken(made.thing)) made.textContent = spoken(made.thing); });
  }

  spokenButton(thing) {
    const made = Object.assign(document.createElement("button"), { type: "button", textContent: spoken(thing), thing });
    made.addEventListener("click", () => this.press(thing));
    made.addEventListener("focus", () => this.choose(thing));
    return made;
  }

  // --- zoom and place ---------------------------------------------------------------------------------------
  zoom(by, x = this.width / 2, y = this.height / 2) {
    const { view } = this, k = Math.max(LEAST, Math.min(LARGEST, view.k * by));
    view.x = x - ((x - view.x) * k) / view.k;
    view.y = y - ((y - view.y) * k) / view.k;
    view.k = k;
    this.move();
  }

  pan(dx, dy) { this.view.x += dx; this.view.y += dy; this.move(); }

  scaleToFit() { return Math.min(SNUG, (this.width - 28) / this.tree.width, (this.height - 28) / this.tree.height); }

  // Shows all; unless the `whole` is wanted, as much as can be read, from the first box on.
  fit(whole = this.width >= NARROW) {
    const { view, tree } = this, all = Math.max(LEAST, this.scaleToFit()), part = !whole && all < EASY;
    view.k = part ? Math.max(EASY, Math.min(1, (this.width - 28) / tree.width)) : all;
    const [free, below] = [this.width - tree.width * view.k, this.height - tree.height * view.k];
    view.x = part && free < 28 ? 14 : free / 2;
    view.y = part && below < 28 ? 14 : below / 2;
    const first = tree.shownBoxes.reduce((one, box) => (box.x + box.y < one.x + one.y ? box : one));
    if (part && (first.y + first.h) * view.k + view.y > this.height) view.y = this.height / 2 - (first.y + first.h / 2) * view.k;
    this.move();
    this.fitted = whole ? "whole" : "part";
  }

  refit(as) { this.fit(as ? as === "whole" : undefined); }

  // A place in the middle of the frame.
  centre(x, y, k = this.view.k) {
    Object.assign(this.view, { k, x: this.width / 2 - x * k, y: this.height / 2 - y * k });
    this.move();
  }

  onScreen(thing) {
    const { x, y, k } = this.view;
    return [thing.x * k + x, thing.y * k + y];
  }

  at(x, y) { return this.sight.at((x - this.view.x) / this.view.k, (y - this.view.y) / this.view.k); }

  // --- opening ----------------------------------------------------------------------------------------------
  // The first view: folded until it can be read.
  begin(depth, expand) {
    if (depth != null || expand.length) {
      const leads = (own, path) => path === "all" || `${path}.`.startsWith(`${own}.`) || own === path || own.endsWith(`.${path}`);
      const named = (group) => expand.some((path) => leads(fullName(group), path));
      const wanted = this.tree.groups().filter((group) => group.depth <= (depth ?? 1) || named(group));
      for (const group of wanted) for (const above of this.tree.way(group)) above.open = true;
      this.layout();
      return this.fit();
    }
    const tall = this.height - 28 - WAY, { tree } = this;
    const fits = () => Math.min((this.width - 28) / tree.width, tall / tree.height) >= EASY;
    tree.openReadable(() => fits() || (this.width < NARROW && tree.width * EASY < this.width * 0.7));
    this.layout();
    this.fit(false);
  }

  // In place: the corner that was clicked stays where it is.
  toggle(group) {
    const [x, y] = this.onScreen(group);
    group.open = !group.open;
    this.opened = group;
    this.layout();
    this.view.x += x - (group.x * this.view.k + this.view.x);
    this.view.y += y - (group.y * this.view.k + this.view.y);
    this.rest();
    this.say("folded");
    this.focus(group);
  }

  focus(thing) { this.live.get(thing)?.focus({ preventScroll: true }); }

  openTo(depth) { this.tree.openTo(depth); this.layout(); this.fit(); this.say("folded"); }

  // One group alone, or everything again.
  enter(group) {
    this.tree.home = group;
    this.layout();
    this.fit();
    this.say("folded");
  }

  // Opens the way to a thing and brings it to the middle, at full size.
  reveal(thing, k = 1) {
    const way = this.tree.way(thing), { tree } = this;
    if (!way.includes(tree.home)) tree.home = tree.root;
    const closed = way.slice(0, -1).filter((group) => !group.open);
    for (const group of closed) group.open = true;
    this.layout();
    if (closed.length) this.say("folded");
    this.centre(thing.x + Math.min(thing.w, this.width / k) / 2, thing.y + Math.min(thing.h, this.height / k) / 2, k);
    this.choose(thing);
    this.rest();
  }

  // --- choosing ---------------------------------------------------------------------------------------------
  choose(thing) {
    this.chosen = thing;
    this.mark();
    this.say("chosen", thing);
  }

  press(thing) {
    if (thing && thing.stub) this.reveal(thing.stub);
    else if (thing && thing.group) this.toggle(thing);
    else this.choose(thing === this.chosen ? null : thing);
  }

  // Lights the chosen box and its arrows both ways.
  mark() {
    if (this.heard.mark) return this.say("mark");
    const looks = new Map();
    if (this.chosen) {
      const { ins, outs } = this.tree.links(this.chosen);
      for (const link of [...ins, ...outs]) for (const arrow of this.tree.along(...link)) looks.set(arrow, "active");
      const shown = this.tree.shown(this.chosen);
      if (shown) looks.set(shown, "active");
    }
    this.look(looks);
  }

  // Gives things and arrows their looks; those not named have none.
  look(looks) {
    for (const thing of [...this.tree.things, ...this.tree.arrows]) {
      const wanted = looks.get(thing) || "";
      if ((thing.looks || "") === wanted) continue;
      thing.looks = wanted;
      this.redraw(thing);
    }
    if (this.shows === "canvas") this.ask(this.moving);
  }
}
