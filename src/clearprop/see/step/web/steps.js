// The stepping page: shows the position that the reader chose, and recomputes a graph of numbers.
"use strict";
const story = JSON.parse(document.getElementById("story").textContent);
const element = (id) => document.getElementById(id);
const lanes = story.lanes;
let shown = story.shown; // the algorithm that is followed; the right one stands beside a wrong one
let position = 0; // how many steps have been done
let timer = null;
let chosen = null; // the node whose gradient the ledger shows, where the reader picked one

// --- numbers as text, as Python writes them: six digits --------------------------------------------------
function text(x) {
  if (typeof x !== "number") return x;
  if (Number.isNaN(x)) return "nan";
  if (!Number.isFinite(x)) return x > 0 ? "inf" : "-inf";
  if (x === 0) return "0";
  const [digits, exponent] = x.toExponential(5).split("e");
  const e = Number(exponent);
  const trimmed = (s) => (s.includes(".") ? s.replace(/0+$/, "").replace(/\.$/, "") : s);
  return e < -4 || e >= 6 ? `${trimmed(digits)}e${e}` : trimmed(x.toFixed(Math.max(0, 5 - e)));
}

function fill(template, lane, step) {
  return template.replace(/\{(\()?(\w+)\)?\}/g, (_, bracket, slot) => {
    const n = Number(slot.slice(1));
    const own = step.numbers[slot];
    const found = own !== undefined ? own : slot[0] === "v" ? story.nodes[n].value : lane.steps[n].numbers.amount;
    const shown = text(found);
    return bracket && shown.startsWith("-") ? `(${shown})` : shown;
  });
}

// --- recomputing -----------------------------------------------------------------------------------------
function recompute() {
  const v = story.nodes.map((node) => node.value);
  script.forward.forEach((f, n) => { if (f) v[n] = f(v); });
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

// --- showing ---------------------------------------------------------------------------------------------
function visible() {
  return shown === "topological" ? ["topological"] : [shown, "topological"];
}

function length() {
  return Math.max(...visible().map((name) => lanes[name].steps.length));
}

// The parts of a box on the page, and how many characters it was measured for; found once, as pages may be large.
const found = new Map();
function parts(name, n) {
  const key = `${name}-${story.nodes[n].box}`;
  if (!found.has(key)) {
    const box = element(key);
    const text = (what) => {
      const place = element(`${key}-${what}`);
      return place && { place, room: place.textContent.length, words: place.textContent };
    };
    found.set(key, box && {
      box, value: text("value"), grad: text("grad"), title: box.querySelector(".title"), looks: "", label: "",
      pictures: ["value", "grad"].map((what) => element(`${key}-${what}-picture`)),
    });
  }
  return found.get(key);
}

function write(part, what, words) {
  const text = part[what];
  if (!text || text.words === words) return;
  text.place.textContent = text.words = words;
  if (text.place.classList.contains("small") || (words.length <= text.room && !text.tight)) return;
  text.tight = true;
  text.place.removeAttribute("textLength");
  tight.push([part, what]);
}

// Numbers that the reader's inputs made longer than their box are squeezed in: first all are measured, then all are
// changed, as every change before a measurement lays the page out again.
let tight = [];
function squeeze() {
  const measured = tight.map(([part, what]) => {
    const title = what === "value" ? part.title.getBBox().width + 12 : 0;
    const room = part.box.querySelector(".frame").width.baseVal.value - 20 - title;
    const box = part[what].place.getBBox();
    const right = box.x + box.width;
    return { part, what, room, wide: box.width, left: right - Math.min(box.width, Math.max(room, 0)) };
  });
  for (const { part, what, room, wide, left } of measured) {
    if (wide > room && room > 0) {
      part[what].place.setAttribute("textLength", room.toFixed(1));
      part[what].place.setAttribute("lengthAdjust", "spacingAndGlyphs");
    }
    if (what !== "value") continue;
    const bar = [...part.box.querySelectorAll("path.rule")].find((rule) => rule.getAttribute("d").includes(" 0v"));
    if (bar) bar.setAttribute("d", bar.getAttribute("d").replace(/^M[-\d.]+/, `M${(left - 6).toFixed(1)}`));
  }
  tight = [];
}

// What a screen reader says of a box; in a large graph Tab stops at the active one only.
const mostStops = 40;
function announce(part, value, grad, active) {
  const label = [part.title.textContent, value, grad].filter(Boolean).join(", ");
  if (part.label !== label) part.box.setAttribute("aria-label", (part.label = label));
  const stop = active || story.nodes.length <= mostStops ? "0" : "-1";
  if (part.stop !== stop) part.box.setAttribute("tabindex", (part.stop = stop));
}

function look(part, looks) {
  if (part.looks === looks) return;
  for (const name of part.looks.split(" ")) if (name) part.box.classList.remove(name);
  for (const name of looks.split(" ")) if (name) part.box.classList.add(name);
  part.looks = looks;
}

function draw(name) {
  const lane = lanes[name];
  const at = Math.min(position, lane.steps.length);
  const active = at > 0 ? lane.steps[at - 1] : null;
  const known = new Map(); // node -> text of its value
  const grads = new Map(); // node -> text of its gradient
  const arrows = new Map(); // arrow -> how it looks
  story.nodes.forEach((node, n) => { if (node.leaf) known.set(n, node.shows); });
  lane.steps.slice(0, at).forEach((step, k) => {
    const words = fill(step.box, lane, step);
    if (step.kind === "forward") known.set(step.node, words);
    else grads.set(step.kind === "start" ? step.node : step.input, words);
    if (step.kind === "backward") arrows.set(step.arrow, { sent: true });
  });
  if (active && active.kind === "forward") for (const arrow of active.arrows) arrows.set(arrow, { active: true, forth: true });
  if (active && active.kind === "backward") arrows.set(active.arrow, { active: true, back: true });
  const receiver = active ? (active.kind === "backward" ? active.input : active.node) : null;
  const sender = active && active.kind === "backward" ? active.node : null;
  story.nodes.forEach((node, n) => {
    const part = parts(name, n);
    if (!part) return;
    const waiting = !node.leaf && !known.has(n);
    const value = node.leaf ? (node.number ? `value=${text(node.value)}` : node.shows) : known.get(n);
    const grad = node.needs ? grads.get(n) || "grad=?" : "";
    if (node.number || node.shows) write(part, "value", value || "value=?");
    if (node.needs) write(part, "grad", grad);
    if (part.pictures[0]) part.pictures[0].style.visibility = waiting ? "hidden" : "";
    if (part.pictures[1]) part.pictures[1].style.visibility = /^grad(=\?| \d+ of \d+)$/.test(grad) ? "hidden" : "";
    announce(part, value || "value=?", grad, n === receiver);
    const looks = { active: n === receiver, sender: n === sender, waiting, alarm: at === lane.steps.length && wrong(lane, n) };
    look(part, Object.keys(looks).filter((key) => looks[key]).join(" "));
  });
  squeeze();
  for (const arrow of lane.arrows) {
    const looks = arrows.get(arrow) || {};
    const key = `${name}-${arrow}`;
    if (!found.has(key)) found.set(key, { box: element(key), looks: "" });
    look(found.get(key), Object.keys(looks).filter((name) => looks[name] && !(name === "sent" && looks.active)).join(" "));
  }
  label(name, active, lane);
  verdict(name, lane, at);
  return active;
}

// What travels along the arrow, in the middle of it.
function label(name, active, lane) {
  const svg = document.querySelector(`#lane-${name} svg`);
  svg.querySelector(".label")?.remove();
  if (!active || active.kind !== "backward" || !story.nodes[active.input].number) return;
  const words = text(active.numbers.amount);
  const way = document.querySelector(`#${CSS.escape(`${name}-${active.arrow}`)} .way`);
  if (!way || words.length > 14) return;
  const middle = way.getPointAtLength(way.getTotalLength() / 2);
  const wide = words.length * 6.6 + 12;
  const receiver = element(`${name}-${story.nodes[active.input].box}`).transform.baseVal.consolidate().matrix;
  const y = way.getTotalLength() < wide + 16 ? receiver.f - 9 : middle.y; // above the box where the arrow is short
  const make = (tag, attributes) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  };
  const group = make("g", { class: "label", "aria-hidden": "true", transform: `translate(${middle.x} ${y})` });
  group.append(make("rect", { x: -wide / 2, y: -8.5, width: wide, height: 17, rx: 8.5 }));
  group.append(Object.assign(make("text", { y: 4 }), { textContent: words }));
  svg.append(group);
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
  if (!done || name === "topological") { place.textContent = done ? lane.done : ""; return; }
  const words = bad.map((n) => {
    const found = text(lane.final[n]), right = text(lanes.topological.final[n]);
    return `${story.nodes[n].name}.grad = ${found}, should be ${right}`;
  });
  place.textContent = bad.length ? `Wrong: ${words.join("; ")}. ${lane.why}` : "Every gradient is right here.";
}

function show() {
  position = Math.max(0, Math.min(position, length()));
  for (const name of Object.keys(lanes)) {
    const on = visible().includes(name);
    element(`lane-${name}`).hidden = !on;
    if (on) element(`lane-${name}`).querySelector("h2").hidden = visible().length === 1;
    if (on) draw(name);
  }
  size();
  const lane = lanes[shown];
  const at = Math.min(position, lane.steps.length);
  const active = at ? lane.steps[at - 1] : null;
  const sentence = active ? fill(active.sentence, lane, active) : story.opening;
  const finished = position >= length() ? (shown === "topological" ? story.closing : story.ending) : "";
  element("said").textContent = `${sentence} ${finished}`.trim();
  element("chain").replaceChildren(...(active ? active.chain : []).map((template, i, all) => {
    const item = document.createElement("li");
    item.textContent = fill(template, lane, active);
    if (active.kind === "backward" && i === all.length - 1) item.className = "sum";
    return item;
  }));
  element("count").textContent = `step ${position} of ${length()}`;
  const slider = element("slider");
  slider.max = length();
  slider.value = position;
  slider.setAttribute("aria-valuetext", `step ${position} of ${length()}`);
  for (const id of ["first", "back"]) element(id).disabled = position === 0;
  for (const id of ["forward", "last"]) element(id).disabled = position === length();
  ledger(lane, at, active);
  follow(active);
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
  element("whose").textContent = n === null ? "Gradient" : `Gradient of ${story.nodes[n].name}`;
  if (!rows.length) rows.push({ now: false, cells: [n === null ? "Nothing has arrived yet." : "Nothing has arrived here yet."] });
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
  if (step.kind === "start") return ["the start", "", text(numbers.total)];
  const from = `from ${story.nodes[step.node].name}`;
  const product = numbers.local === undefined ? "" : fill("{(g)} \u00d7 {(local)} = {amount}", lane, step);
  if (!scalar) return [from, fill(step.chain[0], lane, step)];
  const sum = lane.replaces && numbers.before !== undefined ? `replaces ${text(numbers.before)}` : `sum ${text(numbers.total)}`;
  return [from, product || text(numbers.amount), sum];
}

// Keep the active box in sight where the drawing is larger than its window.
function follow(active) {
  if (!active) return;
  const n = active.kind === "backward" ? active.input : active.node;
  for (const name of visible()) {
    const box = element(`${name}-${story.nodes[n].box}`);
    const view = element(`lane-${name}`).querySelector(".drawing");
    if (!box || (view.scrollWidth <= view.clientWidth && view.scrollHeight <= view.clientHeight)) continue;
    const inner = box.getBoundingClientRect(), outer = view.getBoundingClientRect();
    const off = (low, high, from, to) => (low < from + 20 ? low - from - 60 : high > to - 20 ? high - to + 60 : 0);
    view.scrollBy(off(inner.left, inner.right, outer.left, outer.right), off(inner.top, inner.bottom, outer.top, outer.bottom));
  }
}

// Small drawings grow into their window, large ones shrink as long as they stay readable.
let zoom = 1;
function size() {
  for (const view of document.querySelectorAll(".drawing")) {
    const svg = view.querySelector("svg"), box = svg.viewBox.baseVal;
    if (!view.clientWidth) continue;
    const fit = Math.max(0.62, Math.min(1.35, (view.clientWidth - 2) / box.width));
    const width = (box.width * fit * zoom).toFixed(0);
    if (svg.getAttribute("width") === width) continue;
    svg.setAttribute("width", width);
    svg.setAttribute("height", (box.height * fit * zoom).toFixed(0));
  }
}
function magnify(by) { zoom = Math.max(0.3, Math.min(4, zoom * by)); size(); }
addEventListener("resize", size);

// --- what the reader does --------------------------------------------------------------------------------
function go(to) { position = to; show(); }

function play(on) {
  clearInterval(timer);
  timer = null;
  if (on) {
    if (position >= length()) go(0);
    timer = setInterval(() => { go(position + 1); if (position >= length()) play(false); }, 1400);
  }
  const button = element("play");
  button.setAttribute("aria-pressed", String(Boolean(on)));
  button.textContent = on ? "Pause" : "Play";
}

const moves = {
  ArrowRight: () => go(position + 1), ArrowLeft: () => go(position - 1),
  "+": () => magnify(1.2), "-": () => magnify(1 / 1.2), Home: () => go(0), End: () => go(length()), " ": () => play(timer === null),
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
element("back").onclick = () => { play(false); go(position - 1); };
element("forward").onclick = () => { play(false); go(position + 1); };
element("last").onclick = () => { play(false); go(length()); };
element("play").onclick = () => play(timer === null);
element("smaller").onclick = () => magnify(1 / 1.2);
element("larger").onclick = () => magnify(1.2);
element("slider").oninput = (event) => { play(false); go(Number(event.target.value)); };
element("algorithm")?.addEventListener("change", (event) => { shown = event.target.value; show(); });

function change(n, value) {
  story.nodes[n].value = value;
  recompute();
  show();
}
for (const field of document.querySelectorAll(".inputs input")) {
  field.oninput = () => { if (field.value !== "" && Number.isFinite(field.valueAsNumber)) change(Number(field.dataset.node), field.valueAsNumber); };
}
element("reset")?.addEventListener("click", () => {
  for (const field of document.querySelectorAll(".inputs input")) {
    field.value = field.defaultValue;
    story.nodes[Number(field.dataset.node)].value = Number(field.defaultValue);
  }
  recompute();
  show();
});
for (const name of Object.keys(lanes)) {
  story.nodes.forEach((node, n) => {
    const box = parts(name, n)?.box;
    if (!box) return;
    box.setAttribute("role", "button");
    const pick = () => { chosen = chosen === n ? null : n; show(); };
    box.addEventListener("click", pick);
    box.addEventListener("keydown", (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); pick(); } });
  });
}
window.clearprop = { story, go, change, recompute, text, fill, show, at: () => position, length };
go(Number(new URLSearchParams(location.search).get("step")) || story.position);
