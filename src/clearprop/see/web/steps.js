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

function write(id, words) {
  const place = element(id);
  if (!place) return;
  if (place.textContent === words) return;
  place.textContent = words;
  place.removeAttribute("textLength");
  if (place.classList.contains("small")) return;
  const box = place.closest(".box");
  const title = id.endsWith("-value") ? box.querySelector(".title") : null;
  const room = box.querySelector(".frame").width.baseVal.value - 20 - (title ? title.getBBox().width + 12 : 0);
  if (place.getBBox().width > room && room > 0) {
    place.setAttribute("textLength", room.toFixed(1));
    place.setAttribute("lengthAdjust", "spacingAndGlyphs");
  }
  const bar = title && [...box.querySelectorAll("path.rule")].find((rule) => rule.getAttribute("d").includes(" 0v"));
  if (bar) bar.setAttribute("d", bar.getAttribute("d").replace(/^M[-\d.]+/, `M${(place.getBBox().x - 6).toFixed(1)}`));
}

function classes(id, names) {
  const found = element(id);
  if (found) for (const [name, on] of Object.entries(names)) found.classList.toggle(name, Boolean(on));
}

function picture(id, on) {
  const found = element(id);
  if (found) found.style.visibility = on ? "" : "hidden";
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
  story.nodes.forEach((node, n) => {
    const id = `${name}-${node.box}`;
    const value = node.leaf ? (node.number ? `value=${text(node.value)}` : node.shows) : known.get(n);
    if (node.number || node.shows) write(`${id}-value`, value === undefined ? "value=?" : value);
    if (node.needs) write(`${id}-grad`, grads.has(n) ? grads.get(n) : "grad=?");
    picture(`${id}-value-picture`, value !== undefined);
    picture(`${id}-grad-picture`, grads.has(n) && !/^grad(=\?| \d+ of \d+)$/.test(grads.get(n)));
    classes(id, { active: n === receiver, sender: active && active.kind === "backward" && n === active.node,
      waiting: value === undefined, alarm: at === lane.steps.length && wrong(lane, n) });
  });
  for (const arrow of lane.arrows) {
    const look = arrows.get(arrow) || {};
    classes(`${name}-${arrow}`, { active: look.active, sent: look.sent && !look.active, back: look.back, forth: look.forth });
  }
  label(name, active, lane);
  verdict(name, lane, at);
  return active;
}

// What travels along the arrow, in the middle of it.
function label(name, active, lane) {
  const svg = document.querySelector(`#lane-${name} svg`);
  svg.querySelector(".label")?.remove();
  if (!active || active.kind !== "backward") return;
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
  if (n !== null) {
    lane.steps.forEach((step, k) => {
      const mine = step.kind === "backward" ? step.input === n : step.kind === "start" && step.node === n;
      if (!mine || k >= at) return;
      const from = step.kind === "start" ? "the start" : story.nodes[step.node].name;
      const kept = lane.replaces && rows.length ? `replaces ${text(step.numbers.before)}` : text(step.numbers.total);
      rows.push([from, text(step.kind === "start" ? step.numbers.total : step.numbers.amount), kept, step === active]);
    });
  }
  element("whose").textContent = n === null ? "Gradient" : `Gradient of ${story.nodes[n].name}`;
  const cells = rows.length ? rows : [[n === null ? "Nothing has arrived yet." : "Nothing has arrived here yet.", "", "", false]];
  element("ledger").replaceChildren(...cells.map(([from, amount, sum, now]) => {
    const row = document.createElement("tr");
    row.className = now ? "now" : "";
    const summed = !rows.length || !story.nodes[n].number ? "" : sum.startsWith("replaces") ? sum : `sum ${sum}`;
    for (const words of [rows.length ? `from ${from}` : from, amount, summed]) {
      const cell = document.createElement("td");
      cell.textContent = words;
      row.append(cell);
    }
    return row;
  }));
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
    svg.setAttribute("width", (box.width * fit * zoom).toFixed(0));
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
    const box = element(`${name}-${node.box}`);
    if (!box) return;
    box.setAttribute("tabindex", "0");
    box.setAttribute("role", "button");
    const pick = () => { chosen = chosen === n ? null : n; show(); };
    box.addEventListener("click", pick);
    box.addEventListener("keydown", (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); pick(); } });
  });
}
window.clearprop = { story, go, change, recompute, text, fill, show, at: () => position, length };
go(Number(new URLSearchParams(location.search).get("step")) || story.position);
