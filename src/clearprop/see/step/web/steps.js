// The stepping page: shows the position that the reader chose, and recomputes a graph of numbers.
const story = data;
const lanes = story.lanes;
const stages = {}, times = {}, seen = {}; // of each lane: where it is drawn, when what happened, the steps that show
let shown = story.shown; // the algorithm that is followed; the right one stands beside a wrong one
let position = 0; // how many steps have been done, those inside closed groups counted too
let timer = null;
const say = (key, named = {}) => story.words[key].replace(/\{(\w+)\}/g, (slot, name) => named[name] ?? slot);
let chosen = null; // the node whose gradient the ledger shows, where the reader picked one

// --- numbers as text, as Python writes them: six digits ---
const text = (x) => (typeof x === "number" ? general(x, 6) : x);

function general(x, n) {
  if (Number.isNaN(x)) return "nan";
  if (!Number.isFinite(x)) return x > 0 ? "inf" : "-inf";
  if (x === 0) return "0";
  const [digits, exponent] = even(x, n).split("e"), e = Number(exponent);
  const trimmed = (s) => (s.includes(".") ? s.replace(/0+$/, "").replace(/\.$/, "") : s);
  return e < -4 || e >= n ? `${trimmed(digits)}e${e}` : trimmed(Number(`${digits}e${e}`).toFixed(n - 1 - e));
}

// A number in n digits; in the middle between two, the even one, as Python has it.
function even(x, n) {
  const found = x.toExponential(n - 1);
  if (x * 2 ** 40 % 1) return found; // its digits go on too long to end in a 5 there
  const digits = x.toExponential(n + 30).split("e")[0].replace(/[-.]/, "").replace(".", "");
  const halfway = digits[n] === "5" && /^0*$/.test(digits.slice(n + 1));
  if (!halfway || Number(digits[n - 1]) % 2) return found;
  const [exact, e] = x.toExponential(n).split("e");
  return `${exact.slice(0, -1)}e${e}`;
}

function fill(template, lane, step) {
  return template.replace(/\{(\()?(\w+)\)?\}/g, (whole, bracket, slot) => {
    const n = Number(slot.slice(1));
    const own = step.numbers[slot];
    if (own === undefined && !/^[vs]\d+$/.test(slot)) return whole; // braces of a name
    const found = own !== undefined ? own : slot[0] === "v" ? story.nodes[n].value : lane.steps[n].numbers.amount;
    return bracket ? operand(found) : text(found);
  });
}

function operand(x) {
  return text(x).replace(/^-.*|.*j$/, "($&)");
}

// --- recomputing ---
function recompute() {
  version += 1;
  if (live) return recomputeArrays();
  const v = story.nodes.map((node) => node.value);
  for (const n of script.order) v[n] = script.forward[n](v);
  story.nodes.forEach((node, n) => { node.value = v[n]; });
  for (const lane of Object.values(lanes)) {
    const grads = new Map();
    for (const step of lane.steps) {
      if (step.kind === "start") { step.numbers.total = 1; grads.set(step.node, 1); }
      if (step.kind !== "backward") continue;
      const g = grads.get(step.node);
      const [local, amount] = script.rules[`${step.node}-${step.i}`];
      const before = grads.has(step.input) ? grads.get(step.input) : null;
      const sent = amount(v, g);
      const total = before === null || lane.replaces ? sent : before + sent;
      grads.set(step.input, total);
      step.numbers = { g, local: local(v), amount: sent, ...(before === null ? {} : { before }), total };
    }
    lane.final = Object.fromEntries(grads);
  }
}

// --- showing ---
function visible() {
  return shown === "topological" ? ["topological"] : [shown, "topological"];
}

function length() {
  return Math.max(...visible().map((name) => lanes[name].steps.length));
}

// --- what each box and arrow shows ---
// The texts of a node after so many steps.
function textsOf(name, n, at) {
  const lane = lanes[name], node = story.nodes[n], when = times[name].value.get(n);
  const known = node.leaf || when < at;
  const thing = stages[name].tree.things[node.box];
  const said = (k) => fill(lane.steps[k].box, lane, lane.steps[k]);
  const own = node.number ? `value=${text(node.value)}` : thing.v;
  const value = node.leaf ? own : known ? said(when) : "value=?";
  const last = lastBefore(times[name].grad.get(n), at);
  const grad = !node.needs ? "" : last < 0 ? "grad=?" : said(last);
  return { value, grad, known };
}

// A closed group shows the value and the gradient of the one node whose value leaves it.
function textsOfGroup(name, group, at) {
  const outs = group.outs.length ? group.outs : [output()];
  if (outs.length > 1) return { value: group.v, grad: group.g, known: true };
  const n = numberOf(outs[0]), shown = textsOf(name, n, at), arrived = times[name].grad.get(n) || [];
  if (story.nodes[n].number) return shown;
  const whole = arrived.length && arrived[arrived.length - 1] < at;
  return { value: shown.known ? group.v : "value=?", grad: whole ? group.g : group.g ? "grad=?" : "", known: shown.known };
}

const places = new Map(); // of each box: which node it shows
story.nodes.forEach((node, n) => { if (node.box !== null) places.set(node.box, n); });
const numberOf = (box) => places.get(box);
const output = () => story.nodes[story.output].box;

// Whether nothing that a box tells has happened since it was written: then its words need not be made.
let version = 0; // of the numbers: how often they were computed anew
function asBefore(name, thing, at) {
  const outs = thing.group ? (thing.outs.length ? thing.outs : [output()]) : [thing.number];
  const n = outs.length > 1 ? undefined : numberOf(outs[0]), { value, grad } = times[name];
  const known = n !== undefined && value.get(n) < at, last = n === undefined ? -1 : lastBefore(grad.get(n), at);
  if (thing.version === version && thing.known === known && thing.last === last) return true;
  Object.assign(thing, { version, known, last });
  return false;
}

// Writes what has changed into the boxes that are in sight; all others are left alone.
function write(name, at) {
  const stage = stages[name];
  for (const thing of stage.tree.shownBoxes) {
    if (thing.group ? thing.open : numberOf(thing.number) === undefined) continue;
    if (asBefore(name, thing, at)) continue;
    const now = thing.group ? textsOfGroup(name, thing, at) : textsOf(name, numberOf(thing.number), at);
    const hides = `${now.known ? "" : "v"}${/^grad(=\?| \d+\/\d+)$/.test(now.grad) || !now.grad ? "g" : ""}`;
    if (thing.value === now.value && thing.grad === now.grad && thing.hidden === hides) continue;
    Object.assign(thing, { value: now.value, grad: now.grad, hidden: hides });
    thing.hides = { value: hides.includes("v"), grad: hides.includes("g") };
    stage.redraw(thing);
  }
}

// The looks of boxes and arrows: what takes part, what waits, which way gradients went.
function looksOf(name, at) {
  const stage = stages[name], { tree } = stage, lane = lanes[name], looks = new Map();
  const add = (thing, look) => thing && looks.set(thing, `${looks.get(thing) || ""} ${look}`.trim());
  const step = at ? seen[name].find((known) => known.end >= at) : null;
  const back = lane.steps.findIndex((known) => known.kind === "start") < at;
  for (const arrow of tree.arrows) {
    const sent = (arrow.links || []).some(([when]) => lastBefore(when, at) >= 0);
    if (sent) add(arrow, "sent back");
    else if (back) add(arrow, "faint");
  }
  if (step) for (const { arrow, look } of activeArrows(tree, lane, step, at)) looks.set(arrow, look);
  for (const thing of tree.shownBoxes) {
    const n = thing.group ? null : numberOf(thing.number);
    const node = story.nodes[n];
    if (node && !node.leaf && !(times[name].value.get(n) < at)) add(thing, "waiting");
    if (node && at === lane.steps.length && wrong(lane, n)) add(thing, "alarm");
    if (thing.group && !thing.open && thing.value === "value=?") add(thing, "waiting");
  }
  if (step) for (const [thing, look] of busy(tree, lane, step, at)) add(thing, look);
  if (stage.chosen) add(tree.shown(stage.chosen), "near");
  return looks;
}

// The arrows that light up in a step: into what is computed, or back along what is sent.
function activeArrows(tree, lane, step, at) {
  if (step.kind === "start") return [];
  if (step.closed) {
    if (!step.thing) return [];
    const look = step.kind === "forward" ? "active forth" : "active back";
    return entering(lane, step, tree).flatMap((link) => tree.along(...link)).map((arrow) => ({ arrow, look }));
  }
  const done = lane.steps[at - 1], box = story.nodes[done.node].box, inputs = tree.things[box].i;
  const lit = (u, i, look) => tree.along(u, box, i).map((arrow) => ({ arrow, look }));
  if (step.kind === "backward") return lit(story.nodes[done.input].box, done.i, "active back");
  const found = [];
  for (let i = 0; i < inputs.length; i += 2) found.push(...lit(inputs[i], inputs[i + 1], "active forth"));
  return found;
}

function busy(tree, lane, step, at) {
  if (step.closed) return [[step.thing, "active"]];
  const done = lane.steps[at - 1], shown = (n) => tree.shown(tree.things[story.nodes[n].box]);
  return done.kind === "backward" ? [[shown(done.input), "active"], [shown(done.node), "sender"]] : [[shown(done.node), "active"]];
}

// What travels along the active arrow, in the middle of it, or above the box where the arrow is short.
function tagsOf(name, at) {
  const { tree } = stages[name], lane = lanes[name], done = at ? lane.steps[at - 1] : null;
  if (!done || done.kind !== "backward" || !story.nodes[done.input].number) return [];
  const words = text(done.numbers.amount);
  const [arrow] = tree.along(story.nodes[done.input].box, story.nodes[done.node].box, done.i);
  if (!arrow || words.length > 14) return [];
  const n = Math.floor((arrow.points.length - 1) / 2), [ax, ay] = arrow.points[n], [bx, by] = arrow.points[n + 1];
  const short = arrow.x1 - arrow.x0 < words.length * 6.6 + 28;
  return [{ x: (ax + bx) / 2, y: short ? arrow.y0 - 34 : (ay + by) / 2, words }];
}

// After something was opened or closed: which steps show, and which links each arrow serves.
function unfolded(name) {
  const { tree } = stages[name];
  seen[name] = visibleSteps(lanes[name], tree);
  for (const arrow of tree.arrows) arrow.links = [];
  story.nodes.forEach((node, n) => {
    const inputs = tree.things[node.box].i;
    for (let i = 0; i < inputs.length; i += 2) {
      const when = times[name].sent.get(`${n}-${inputs[i + 1]}`); // the steps in which a gradient went back there
      for (const arrow of tree.along(inputs[i], node.box, inputs[i + 1])) arrow.links.push([when]);
    }
  });
}

function draw(name) {
  const stage = stages[name], at = Math.min(position, lanes[name].steps.length);
  write(name, at);
  stage.look(looksOf(name, at));
  stage.labels = tagsOf(name, at);
  stage.drawTags();
  if (stage.shows === "canvas") stage.ask(stage.moving);
  verdict(name, lanes[name], at);
}

function wrong(lane, n) {
  if (lane === lanes.topological) return false;
  if (!story.nodes[n].number) return lane.wrong.includes(n);
  return text(lane.final[n]) !== text(lanes.topological.final[n]);
}

function verdict(name, lane, at) {
  const place = element(`verdict-${name}`);
  const bad = story.nodes.map((_, n) => n).filter((n) => wrong(lane, n));
  const done = at === lane.steps.length;
  place.className = "verdict" + (done && name !== "topological" ? (bad.length ? " wrong" : " right") : "");
  if (!done || name === "topological") { place.textContent = ""; return; }
  const words = bad.map((n) => {
    const found = text(lane.final[n]), right = text(lanes.topological.final[n]);
    return say("should be", { x: story.nodes[n].name, found, right });
  });
  place.textContent = bad.length ? `${say("wrong", { list: words.join("; ") })} ${lane.why}` : say("all right");
}

function show() {
  position = Math.max(0, Math.min(position, length()));
  if (current()?.closed) position = current().end; // nobody sees into a closed group
  for (const name of Object.keys(lanes)) {
    const on = visible().includes(name);
    element(`lane-${name}`).hidden = !on;
    if (on) element(`lane-${name}`).querySelector("h2").hidden = visible().length === 1;
    if (on && stages[name].width) draw(name);
  }
  const lane = lanes[shown], at = Math.min(position, lane.steps.length), step = current();
  tell(lane, at, step);
  mark();
  ledger(lane, at, at ? lane.steps[at - 1] : null);
  if (step) for (const name of visible()) follow(name);
  entries?.follow(at ? lane.steps[at - 1] : null);
  address?.later();
}

// The step that the reader sees now, and how many of those there are until it.
const current = () => (position ? seen[shown].find((step) => step.end >= position) || seen[shown][seen[shown].length - 1] : null);
const index = () => { const step = current(); return step ? seen[shown].indexOf(step) + 1 : 0; };

function tell(lane, at, step) {
  const done = at ? lane.steps[at - 1] : null;
  const told = !step ? { sentence: say("opening"), lines: [] } : step.closed && step.end - step.start > 1
    ? groupTold(lane, step, stages[shown].tree)
    : { sentence: fill(done.sentence, lane, done), lines: done.chain.map((line) => fill(line, lane, done)) };
  const finished = position >= length() ? say(shown === "topological" ? "closing" : "ending") : "";
  element("said").textContent = `${told.sentence} ${finished}`.trim();
  const lines = told.lines.filter(Boolean);
  element("chain").replaceChildren(...lines.map((line, i) => {
    const item = note("li", line);
    if (step.kind === "backward" && !step.closed && i === lines.length - 1) item.className = "sum";
    return item;
  }));
}

// The slider counts the steps that show.
function mark() {
  const all = steps(), now = shownOf(position), slider = element("slider");
  const words = say("count", { n: now, all });
  element("count").textContent = words;
  slider.max = all;
  slider.value = now;
  slider.setAttribute("aria-valuetext", words);
  for (const id of ["first", "back"]) element(id).disabled = position === 0;
  for (const id of ["forward", "last"]) element(id).disabled = position === length();
}

// The steps of all visible lanes go on together: the longest of them is counted.
const longest = () => visible().reduce((a, b) => (lanes[b].steps.length > lanes[a].steps.length ? b : a));
const steps = () => seen[longest()].length;
const shownOf = (at) => (at === 0 ? 0 : seen[longest()].findIndex((step) => step.end >= at) + 1);
const endOf = (count) => (count <= 0 ? 0 : seen[longest()][Math.min(count, steps()) - 1].end);

// Where a layer ends and the next begins: a mark under the slider, and a place for [ and ].
function layerEnds() {
  const all = seen[longest()];
  const ends = (step, next) => !next || layerOf(next) !== layerOf(step) || next.kind !== step.kind;
  return all.flatMap((step, n) => (ends(step, all[n + 1]) ? [n + 1] : []));
}

function ticks() {
  const canvas = element("ticks"), wide = canvas.clientWidth, c = canvas.getContext("2d");
  if (!wide) return;
  canvas.width = wide;
  c.fillStyle = theme().soft;
  const ends = layerEnds(), all = steps();
  if (ends.length < all) for (const end of ends) c.fillRect(8 + (end / all) * (wide - 16), 0, 1, 6);
}

function jump(way) {
  const now = shownOf(position), ends = [0, ...layerEnds()];
  go(endOf(way > 0 ? ends.find((end) => end > now) ?? steps() : ends.reverse().find((end) => end < now) ?? 0));
}

// The contributions to one node so far, and their sum.
function ledger(lane, at, active) {
  const busy = active && active.kind !== "forward" ? (active.kind === "backward" ? active.input : active.node) : null;
  const n = chosen !== null ? chosen : busy;
  const rows = [];
  lane.steps.slice(0, at).forEach((step) => {
    if (n === null || (step.kind === "backward" ? step.input : step.kind === "start" ? step.node : null) !== n) return;
    rows.push({ now: step === active, cells: entry(lane, step, story.nodes[n].number) });
  });
  element("whose").textContent = n === null ? say("gradient") : say("gradient of", { z: story.nodes[n].name });
  if (!rows.length) rows.push({ now: false, cells: [say(n === null ? "nothing yet" : "nothing here")] });
  element("ledger").replaceChildren(...rows.map(({ now, cells }) => {
    const row = document.createElement("tr");
    row.className = now ? "now" : "";
    row.append(...cells.map((words) => Object.assign(document.createElement("td"), { textContent: words })));
    return row;
  }));
}

// One contribution: from whom, as which product or by which rule, and what became of the sum.
function entry(lane, step, scalar) {
  const numbers = step.numbers;
  if (step.kind === "start") return [say("from start"), "", text(numbers.total)];
  const from = say("from", { z: story.nodes[step.node].name });
  const product = numbers.local === undefined ? "" : fill(step.product || "{(g)} \u00d7 {(local)} = {amount}", lane, step);
  if (!scalar) return [from, fill(step.chain[0], lane, step)];
  const lost = lane.replaces && numbers.before !== undefined;
  const sum = lost ? say("replaces it", { before: text(numbers.before) }) : say("sum of", { total: text(numbers.total) });
  return [from, product || text(numbers.amount), sum];
}

// Keeps what takes part in sight.
function follow(name) {
  const { tree } = stages[name], lane = lanes[name], at = Math.min(position, lane.steps.length);
  const step = seen[name].find((known) => known.end >= at), [[thing] = []] = at && step ? busy(tree, lane, step, at) : [];
  if (thing && stages[name].width) stages[name].follow(thing);
}

// --- what the reader does ---
function go(to) { position = to; show(); }
function move(by) { go(endOf(shownOf(position) + by)); }

function play(on) {
  clearInterval(timer);
  timer = null;
  if (on) {
    if (position >= length()) go(0);
    timer = setInterval(() => { move(1); if (position >= length()) play(false); }, 1400);
  }
  const button = element("play");
  button.setAttribute("aria-pressed", String(Boolean(on)));
  button.textContent = say(on ? "pause" : "play");
}

const moves = {
  ArrowRight: () => move(1), ArrowLeft: () => move(-1), "[": () => jump(-1), "]": () => jump(1),
  Home: () => go(0), End: () => go(length()), " ": () => play(timer === null),
};
document.addEventListener("keydown", (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey || !moves[event.key]) return;
  const kind = event.target.closest("input, select, button, .box");
  if (kind && (event.key === " " || kind.matches("select, input[type=number]"))) return;
  event.preventDefault();
  if (event.key !== " ") play(false);
  moves[event.key]();
});
element("first").onclick = () => { play(false); go(0); };
element("back").onclick = () => { play(false); move(-1); };
element("forward").onclick = () => { play(false); move(1); };
element("last").onclick = () => { play(false); go(length()); };
element("play").onclick = () => play(timer === null);
element("slider").oninput = (event) => { play(false); go(endOf(Number(event.target.value))); };
element("algorithm")?.addEventListener("change", (event) => { shown = event.target.value; arrange(); });

function change(n, value) {
  story.nodes[n].value = value;
  if (live) live.arrays[leafOf.get(n)][0] = value;
  recompute();
  show();
}
const fields = [...document.querySelectorAll(".inputs input[data-node]")];
const first = story.nodes.map((node) => node.value); // as Python made them
function heed(field) {
  field.oninput = () => {
    const right = field.value !== "" && Number.isFinite(field.valueAsNumber), place = element("missing");
    place.hidden = right;
    const { name, value } = story.nodes[Number(field.dataset.node)];
    if (right) change(Number(field.dataset.node), field.valueAsNumber);
    else place.textContent = say("no number", { z: name, value: text(value) });
  };
}
fields.forEach(heed);

// A chosen input gets a field of its own where there are too many to show them all.
function offer(n) {
  const node = story.nodes[n];
  if (!(script || live) || !node.leaf || node.follows || !node.number || !Number.isFinite(first[n]) || fields.some((field) => Number(field.dataset.node) === n)) return;
  const field = Object.assign(document.createElement("input"), { type: "number", step: "any", value: node.value, defaultValue: first[n] });
  field.dataset.node = n;
  field.style.width = `${String(node.value).length + 6}ch`;
  const label = document.createElement("label");
  label.append(note("code", node.name), field);
  document.querySelector(".inputs").prepend(label);
  fields.push(field);
  heed(field);
}

element("reset")?.addEventListener("click", () => {
  element("missing").hidden = true;
  for (const field of fields) {
    field.value = field.defaultValue;
    story.nodes[Number(field.dataset.node)].value = Number(field.defaultValue);
  }
  if (live) live.arrays.forEach((array, k) => array.set(kept[k]));
  recompute();
  show();
});
// --- the stages ---
let address = null, entries = null;

function setStage(name) {
  const stage = new Stage(element(`stage-${name}`), data, name);
  stage.leavesKeys = ["ArrowLeft", "ArrowRight", "Home", "End", " "];
  stages[name] = stage;
  for (const [n, shown] of Object.entries(lanes[name].pictures)) stage.tree.things[n].q = shown; // of what it got wrong
  times[name] = timesOf(lanes[name]);
  stage.on("laid", () => unfolded(name));
  stage.on("turned", () => draw(name)); // the arrows are others now
  stage.on("mark", () => {}); // what is lit is the step's business
  stage.on("folded", () => { crumbs(stage, element("way")); show(); });
  stage.on("chosen", (thing) => {
    chosen = thing && !thing.group ? numberOf(thing.number) ?? null : null;
    if (chosen !== null) offer(chosen);
    entries?.show(chosen, false);
    show();
  });
}

// In which height a drawing can be read that nothing folds; most of the window at most.
function tallEnough({ tree, width }) {
  if (tree.groups().length > 1) return 0;
  return Math.min(0.7 * innerHeight, tree.height * Math.min(EASY, (width - 28) / tree.width) + 32);
}

// Gives each visible lane its frame, and the first time its view.
function arrange() {
  crumbs(stages[shown], element("way"));
  for (const name of Object.keys(lanes)) element(`lane-${name}`).hidden = !visible().includes(name);
  for (const name of visible()) {
    stages[name].resize();
    if (!stages[name].sight) stages[name].begin(null, []);
  }
  const roomy = visible().length === 1 && innerWidth > 760;
  document.querySelector(".lanes").style.minHeight = roomy ? `${tallEnough(stages[shown])}px` : "";
  const { tree } = stages[shown], wide = visible().length > 1 && tree.width > 2.2 * tree.height;
  document.querySelector(".lanes").classList.toggle("stacked", wide); // wide drawings stand one below the other
  for (const name of visible()) {
    const stage = stages[name], { fitted } = stage;
    stage.resize();
    if (fitted) stage.refit(fitted);
    stage.rest();
  }
  tools(stages[shown]);
  search.stage = stages[shown];
  ticks();
  show();
}

let search = null;
function start() {
  for (const name of Object.keys(lanes)) setStage(name);
  for (const name of Object.keys(lanes)) element(`lane-${name}`).hidden = !visible().includes(name);
  if (live) entries = begun();
  search = new Search(stages[shown], element("find"), element("hits"));
  stages[shown].resize();
  const kept = new Address(stages[shown], { step: { read: () => position, write: (words) => { position = Number(words) || 0; } } });
  kept.restore();
  position ||= Number(new URLSearchParams(location.search).get("step")) || 0;
  arrange();
  address = kept;
  for (const stage of Object.values(stages)) stage.on("folded", ticks);
  listenEverywhere(() => stages[shown]);
  addEventListener("resize", ticks);
}
start();
window.clearprop = { story, stages, go, change, recompute, text, fill, show, at: () => position, length, get stage() { return stages[shown]; } };
