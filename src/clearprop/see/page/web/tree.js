// The tree of groups over the boxes of a graph, and where everything stands while some of them are open.
const HEAD = 30, PAD = 14; // of an open group
const TIP = 7, TITLE = 24; // how far an arrow ends before its box, and the room for a word above a column

const KINDS = { input: 1, constant: 1, middle: 1, output: 1, module: 1 };

class Tree {
  constructor(data) {
    this.plans = data.plans;
    wording = data.words; // in the language of the page
    this.things = [...data.boxes, ...data.groups].map((told, n) => (
      { ...told, number: n, group: Boolean(told.kids), open: false, parent: null, depth: 0 }));
    this.count = data.boxes.length;
    this.root = this.things[this.count];
    this.rooms = [this.root.plan, ...(data.rooms || [])]; // plans of the whole, the widest first
    this.slimmer = data.narrow || [];
    this.home = this.root; // what is shown: everything, or one group alone
    this.root.open = true;
    for (const thing of this.things) if (thing.group) thing.kids = thing.kids.map((n) => this.things[n]);
    for (const thing of this.things) if (thing.group) this.adopt(thing);
    this.users = this.things.slice(0, this.count).map(() => []);
    for (const box of this.boxes()) for (let i = 0; i < box.i.length; i += 2) this.users[box.i[i]].push([box.number, box.i[i + 1]]);
    this.deepest = Math.max(0, ...this.groups().map((group) => group.depth));
  }

  adopt(group) {
    const plan = this.plans[group.plan];
    group.kids.forEach((kid, k) => {
      kid.parent = group;
      kid.depth = group.depth + 1;
      kid.order = k;
      [, , kid.wide, kid.tall] = plan.kids[k];
    });
    group.inside = group.kids.reduce((sum, kid) => sum + (kid.group ? kid.inside : 1), 0);
  }

  boxes() { return this.things.slice(0, this.count); }
  groups() { return this.things.slice(this.count); }

  // Everything on the way from the root to a thing, the thing included.
  way(thing) {
    const found = [];
    for (let at = thing; at; at = at.parent) found.unshift(at);
    return found;
  }

  // What stands for a thing on the page: itself, or the outermost closed group that holds it; null where it is not in sight.
  shown(thing) {
    const way = this.way(thing);
    const start = way.indexOf(this.home);
    if (start < 0) return null;
    for (const at of way.slice(start)) if (at.group && !at.open && at !== this.home) return at;
    return thing;
  }

  // The less room, the more rows the whole has. Tells whether that changed anything.
  turn(room, slim) {
    const last = this.rooms[this.rooms.length - 1];
    const plan = slim ? last : this.rooms.find((n) => this.plans[n].w <= room) ?? last;
    if (this.root.plan === plan) return false;
    this.root.plan = plan;
    for (const k of this.slimmer) this.root.kids[k].narrow = plan === last; // its value has a line of its own
    this.adopt(this.root);
    return true;
  }

  // --- sizes, from the inside out ---------------------------------------------------------------------------
  measure(group) {
    const plan = this.plans[group.plan];
    const opened = [];
    group.kids.forEach((kid, k) => {
      kid.w = kid.wide;
      kid.h = kid.tall;
      if (kid.group && kid.open) {
        this.measure(kid);
        opened.push([kid, plan.kids[k]]);
      }
    });
    const across = new Axis(), down = new Axis();
    opened.sort((a, b) => a[1][0] + a[1][2] - b[1][0] - b[1][2]);
    for (const [kid, [x, , w]] of opened) across.stretch(x, x + w, kid.w);
    opened.sort((a, b) => a[1][1] + a[1][3] - b[1][1] - b[1][3]);
    for (const [kid, [, y, , h]] of opened) down.stretch(y, y + h, kid.h);
    group.across = across;
    group.down = down;
    for (const [kid, [x, , w]] of opened) kid.w = across.at(x + w) - across.at(x);
    group.w = Math.max(across.at(plan.w) + 2 * PAD, group.wide || 0);
    group.h = down.at(plan.h) + HEAD + PAD;
  }

  // --- places, from the outside in --------------------------------------------------------------------------
  layout() {
    this.shownBoxes = [];
    this.arrows = [];
    const home = this.home;
    home.open = true;
    this.measure(home);
    const stubs = home === this.root ? 0 : this.stubWidth(home);
    home.x = stubs - PAD;
    this.headings = home === this.root ? this.columns() : [];
    const above = this.headings.length ? TITLE : 0;
    home.y = above - HEAD;
    this.settle(home);
    this.carrying = new Map(); // the arrows along which each value travels
    for (const arrow of this.arrows) for (const u of arrow.values) {
      if (!this.carrying.has(u)) this.carrying.set(u, []);
      this.carrying.get(u).push(arrow);
    }
    this.width = home.w - 2 * PAD + stubs;
    this.height = home.h - HEAD - PAD + above;
    if (stubs) this.addStubs(home, stubs - PAD);
  }

  // The columns of the slides, where a graph without groups stands in them: a word above each.
  columns() {
    const plan = this.plans[this.root.plan], spans = { Input: [], Intermediate: [], Output: [] };
    if (this.groups().length > 1 || this.root.kids.length < 3) return [];
    this.root.kids.forEach((box, k) => {
      const [x, , w] = plan.kids[k], kind = { input: "Input", constant: "Input", output: "Output" }[box.k] || "Intermediate";
      spans[kind].push(x, x + w);
    });
    const found = Object.entries(spans).map(([words, ends]) => ({ words, low: Math.min(...ends), high: Math.max(...ends) }));
    const apart = found.every((column, n) => column.low < column.high && (!n || found[n - 1].high < column.low));
    return apart ? found.map(({ words, low, high }) => ({ words: said(`column ${words.toLowerCase()}`), x: (low + high) / 2, y: 9 })) : [];
  }

  // What flows into a group that is shown alone: a small box before each of its inputs.
  stubWidth(home) { return Math.max(4, ...home.ins.map((u) => Math.min(44, columns(fullName(this.things[u]))))) * 7.53 + 20 + PAD; }

  addStubs(home, wide) {
    const plan = this.plans[home.plan];
    home.ins.forEach((u, n) => {
      const origin = this.things[u], y = home.y + HEAD + home.down.at(plan.ins[n]);
      this.shownBoxes.push({
        stub: origin, id: `stub-${n}`, k: origin.k, t: fullName(origin), i: [], group: false, depth: home.depth + 1,
        x: 0, y: y - 12.5, w: wide, h: 25,
      });
    });
  }

  settle(group) {
    const plan = this.plans[group.plan], left = group.x + PAD, top = group.y + HEAD;
    group.kids.forEach((kid, k) => {
      const [x, y] = plan.kids[k];
      kid.x = left + group.across.at(x);
      kid.y = top + group.down.at(y);
      this.shownBoxes.push(kid);
      if (kid.group && kid.open) this.settle(kid);
    });
    for (const way of plan.ways) this.wire(group, plan, way);
  }

  // The arrows of one way of a plan: one, or where it enters or leaves an open group, one for each value.
  wire(group, plan, way) {
    const [a, b, index] = way, corners = [];
    const left = group.x + PAD, top = group.y + HEAD;
    for (let i = 3; i < way.length; i += 2) corners.push([left + group.across.at(way[i]), top + group.down.at(way[i + 1])]);
    const from = a >= 0 ? group.kids[a] : null, to = b >= 0 ? group.kids[b] : null;
    const clear = from ? this.right(group, plan.kids[a]) : 0;
    const values = this.values(group, from, to, -1 - a, -1 - b, index);
    const fromOpen = from && from.group && from.open, toOpen = to && to.group && to.open;
    const apart = fromOpen || toOpen ? values.map((u) => [u]) : [values];
    for (const us of apart) {
      const start = this.leaves(group, from, a, plan, us[0], way), end = this.enters(group, to, plan, us[0], way);
      const points = joined(start, clear, corners, end);
      const head = Boolean(to) && !toOpen, d = path(this.tipped(points, head));
      this.arrows.push({ group, from, to, index, values: us, points, head, d, ...bounds(points) });
    }
  }

  // Where the column of a kid ends.
  right(group, [x, , w]) { return group.x + PAD + group.across.at(x + w); }

  // An arrow with a head ends a little before its box.
  tipped(points, head) {
    if (!head) return points;
    const [x, y] = points[points.length - 1];
    return [...points.slice(0, -1), [x - TIP, y]];
  }

  // The boxes whose values travel along a way.
  values(group, from, to, port, out, index) {
    if (!from) return [group.ins[port]];
    if (!to) return [group.outs[out]];
    if (!from.group) return [from.number];
    if (to.group) return from.outs.filter((u) => to.ins.includes(u));
    for (let i = 0; i < to.i.length; i += 2) if (to.i[i + 1] === index && from.outs.includes(to.i[i])) return [to.i[i]];
    return from.outs.filter((u) => to.i.some((v, i) => i % 2 === 0 && v === u)); // one for all that comes from there
  }

  leaves(group, from, a, plan, u, way) {
    if (!from) return [group.x, group.y + HEAD + group.down.at(plan.ins[-1 - a])];
    if (from.group && from.open) return [from.x + from.w, this.portOut(from, u)];
    return [from.x + from.w, from.y + Math.min(Math.max(way[4] - plan.kids[way[0]][1], 6), from.h - 6)];
  }

  enters(group, to, plan, u, way) {
    if (!to) return [group.x + group.w, group.y + HEAD + group.down.at(way[way.length - 1])];
    if (to.group && to.open) return [to.x, to.y + HEAD + to.down.at(this.plans[to.plan].ins[to.ins.indexOf(u)])];
    return [to.x, to.y + Math.min(Math.max(way[way.length - 1] - plan.kids[way[1]][1], 6), to.h - 6)];
  }

  portOut(group, u) {
    const port = -1 - group.outs.indexOf(u);
    const way = this.plans[group.plan].ways.find((known) => known[1] === port);
    return group.y + HEAD + group.down.at(way[way.length - 1]);
  }

  // --- following values -------------------------------------------------------------------------------------
  // The arrows along which the value of box `u` comes to input `index` of box `n`, as far as they are in sight.
  along(u, n, index) {
    const from = this.around(u), to = this.around(n);
    return (this.carrying.get(u) || []).filter((arrow) => {
      if (arrow.from && !from.has(arrow.from)) return false;
      if (arrow.to && !to.has(arrow.to)) return false;
      if (!arrow.from && !to.has(arrow.group)) return false; // it entered another group
      if (!arrow.to && to.has(arrow.group)) return false; // both lie in the group that it leaves
      return arrow.index < 0 || arrow.index === index;
    });
  }

  // A box and all groups that hold it.
  around(n) { return (this.things[n].around ||= new Set(this.way(this.things[n]))); }

  // The links that cross the border of a thing: `[u, n, index]` of what comes in, and of what goes out.
  links(thing) {
    const inside = thing.group ? (m) => this.around(m).has(thing) : (m) => m === thing.number;
    const ins = [], outs = [];
    const members = thing.group ? this.members(thing) : [thing];
    for (const box of members) {
      for (let i = 0; i < box.i.length; i += 2) if (!inside(box.i[i])) ins.push([box.i[i], box.number, box.i[i + 1]]);
      for (const [user, index] of this.users[box.number]) if (!inside(user)) outs.push([box.number, user, index]);
    }
    return { ins, outs };
  }

  members(group) {
    const found = [], stack = [group];
    while (stack.length) {
      const at = stack.pop();
      if (at.group) stack.push(...[...at.kids].reverse());
      else found.push(at);
    }
    return found;
  }

  // --- opening ----------------------------------------------------------------------------------------------
  // Opens as much as can be read at once: the outermost first, what is sealed only where almost nothing would be seen, a loss never.
  openReadable(fits, most = 40) {
    let seen = this.root.kids.length;
    for (const sealed of [0, 1]) {
      const waiting = this.groups().filter((group) => group !== this.root).sort((a, b) => a.depth - b.depth);
      for (const group of waiting) {
        const below = group.parent.open && !group.open && !group.loss && (!group.sealed || (sealed && seen < 6));
        if (!below || seen - 1 + group.kids.length > most) continue;
        group.open = true;
        this.layout();
        if (fits()) seen += group.kids.length - 1;
        else group.open = false;
      }
    }
  }

  openTo(depth) {
    for (const group of this.groups()) group.open = group === this.home || group.depth <= depth;
  }
}
