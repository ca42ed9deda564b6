// Arrays computed anew in the page: every value and gradient by the recorded program, and the words and pictures of each.
const shapes = data.live.shapes, sizeOf = (n) => shapes[n].reduce((a, b) => a * b, 1);
const kept = live.arrays.map((given) => given.slice()); // the leaves as Python had them, and the start
const leafOf = new Map(data.live.leaves.map((n, k) => [n, k])); // of a node: the number of its array
const arrayOf = []; // of each node: its value

// --- numbers as text, as Python writes them ---
// A shape as Python writes it, with the comma of a single axis.
const shapeText = (shape) => `(${shape.join(", ")}${shape.length === 1 ? "," : ""})`;

const brief = (x, kind) => (kind === "b" ? (x ? "T" : "F") : general(Number(x), 3));
const rough = (x, kind) => (Number.isInteger(x) && Math.abs(x) < 1000 ? brief(x, kind) : general(x, 2));

function summary(array, kind) {
  if (!array.length) return "empty";
  if (kind === "b") return `${array.reduce((sum, x) => sum + x, 0)}/${array.length} T`;
  let low = Infinity, high = -Infinity, nans = 0, infinite = 0;
  for (const entry of array) {
    const x = Number(entry);
    if (Number.isNaN(x)) nans += 1;
    else if (!Number.isFinite(x)) infinite += 1;
    low = Math.min(low, x);
    high = Math.max(high, x);
  }
  if (nans || infinite) return [[nans, "NaN"], [infinite, "inf"]].filter(([n]) => n).map(([n, what]) => `${n} ${what}`).join(" ");
  return low === high ? `all ${brief(low, kind)}` : `${rough(low, kind)} \u2026 ${rough(high, kind)}`;
}

// A small array in full, a large one in summary.
function wholeText(array, n) {
  const shape = shapes[n], { kinds, dtypes } = story.live;
  if (!shape.length) return text(Number(array[0]));
  if (!array.length || array.length > 9 || shape.length > 2) return `${shapeText(shape)} ${dtypes[n]}, ${summary(array, kinds[n])}`;
  const row = (from, count) => `[${[...array.slice(from, from + count)].map((x) => text(Number(x))).join(", ")}]`;
  if (shape.length === 1) return row(0, shape[0]);
  return `[${Array.from({ length: shape[0] }, (_, i) => row(i * shape[1], shape[1])).join(", ")}]`;
}

const inCells = (shape) => {
  const wide = shape[shape.length - 1], size = shape.reduce((a, b) => a * b, 1);
  return shape.length <= 2 && wide <= 6 && size / wide <= 5 && size <= 20;
};
const caption = (what, array, n) => (inCells(shapes[n]) ? what : `${what} ${summary(array, story.live.kinds[n])}`);

// --- pictures ---
// Means of blocks, so that no more than these rows and columns are left.
function shrunk(array, rows, columns, mostRows, mostColumns) {
  const blocks = (n, most) => Array.from({ length: Math.min(n, most) }, (_, i) => (n > most ? [Math.floor((i * n) / most), Math.floor(((i + 1) * n) / most)] : [i, i + 1]));
  const down = blocks(rows, mostRows), across = blocks(columns, mostColumns);
  return down.map(([top, bottom]) => across.map(([left, right]) => {
    let sum = 0;
    for (let i = top; i < bottom; i++) for (let j = left; j < right; j++) sum += Number(array[i * columns + j]);
    return sum / ((bottom - top) * (right - left));
  }));
}

// How far each entry is on the way from white to its colour, as a letter; A for what is no finite number.
function letters(entries, largest = Math.max(0, ...entries.filter(Number.isFinite).map(Math.abs)) || 1) {
  return entries.map((x) => (Number.isFinite(x) ? LETTERS[Math.round(Math.sign(x) * Math.abs(x / largest) ** 0.8 * 31) + 32] : "A"));
}

function heights(entries) {
  const finite = entries.filter(Number.isFinite), low = Math.min(0, ...finite), high = Math.max(0, ...finite);
  return entries.map((x) => (Number.isFinite(x) ? LETTERS[Math.round(((x - low) / (high - low || 1)) * 62) + 1] : "A"));
}

// The picture of an array in the place of another of its shape.
function pictureOf(array, n, old) {
  if (!old) return old;
  const shape = shapes[n], wide = shape[shape.length - 1], { raster, url, ...same } = old;
  if (old.k === "cells") {
    const entries = [...array].map(Number);
    return { ...same, c: letters(entries).join(""), e: entries.map((x) => brief(x, story.live.kinds[n])) };
  }
  if (old.k === "line") return { ...same, c: heights(shrunk(array, 1, array.length, 1, 60)[0]).join("") };
  return { ...same, c: letters(shrunk(array, array.length / wide, wide, 11, 20).flat()).join("") };
}

// --- computing ---
// Runs the program; throws where a number cannot be computed, and then nothing has changed.
function runProgram() {
  const { program } = live;
  live.arrays.forEach((given, k) => program.arguments[k].set(given));
  program.run();
  story.live.leaves.forEach((n, k) => { arrayOf[n] = live.arrays[k]; });
  for (const [n, out] of story.live.made) arrayOf[n] = program.outputs[out];
}

const added = (a, b) => { const sum = a.slice(); for (let i = 0; i < sum.length; i++) sum[i] += b[i]; return sum; };

// Every number, text and picture of the page after a leaf was changed.
function recomputeArrays() {
  version += 1;
  runProgram();
  story.nodes.forEach((node, n) => {
    node.value = node.number ? Number(arrayOf[n][0]) : wholeText(arrayOf[n], n);
    node.said = node.number ? null : caption("value", arrayOf[n], n);
  });
  for (const [name, lane] of Object.entries(lanes)) { passAgain(lane); repaint(name, lane); }
  const right = lanes.topological.arrays;
  for (const lane of Object.values(lanes)) lane.wrong = [...lane.arrays].filter(([n, g]) => apart(g, right.get(n))).map(([n]) => n);
}

// The steps of one lane: what is sent, and what becomes of the sums.
function passAgain(lane) {
  const grads = new Map(), start = live.arrays[live.arrays.length - 1];
  for (const step of lane.steps) {
    if (step.kind === "forward") { if (!story.nodes[step.node].number) step.box = story.nodes[step.node].said; continue; }
    const to = step.kind === "start" ? step.node : step.input;
    const before = grads.get(to) ?? null, sent = step.kind === "start" || step.live.out < 0 ? start : live.program.outputs[step.live.out];
    const total = before === null || lane.replaces ? sent : added(before, sent);
    step.arrays = { to, g: grads.get(step.node), sent, before, total };
    grads.set(to, total);
    step.numbers = numbersOf(step);
    if (!story.nodes[to].number && !/^grad \d+\/\d+$/.test(step.box)) step.box = caption("grad", total, to);
  }
  lane.arrays = grads;
  lane.final = Object.fromEntries([...grads].map(([n, g]) => [n, story.nodes[n].number ? Number(g[0]) : wholeText(g, n)]));
}

// The slots of a step's sentences, written when they are asked for.
function numbersOf(step) {
  const { to, g, sent, before, total } = step.arrays, { numbers: old } = step;
  const said = (array, n) => (story.nodes[n].number ? Number(array[0]) : wholeText(array, n));
  const local = step.live?.local === undefined ? old.local : Number(live.program.outputs[step.live.local][0]);
  return {
    ...(local === undefined ? {} : { local }), ...(before === null ? {} : { get before() { return said(before, to); } }),
    get g() { return said(g, step.node); }, get amount() { return said(sent, to); }, get total() { return said(total, to); },
    get entry() { return step.live?.factors === undefined ? old.entry : productsOf(step); },
  };
}

// Whether two gradients differ by more than the order of adding explains.
function apart(found, right) {
  if (!right || found === right) return false;
  const rounding = right instanceof Float32Array ? 3.5e-4 : 1.5e-8;
  let largest = 0;
  for (const x of right) if (Number.isFinite(x)) largest = Math.max(largest, Math.abs(x));
  return found.some((x, i) => !(Object.is(x, right[i]) || x === right[i] || Math.abs(x - right[i]) <= rounding * (largest + Math.abs(right[i]))));
}

// The pictures and captions of the boxes of one lane, those of closed groups too.
function repaint(name, lane) {
  const { tree } = stages[name];
  const paint = (thing, n) => {
    if (story.nodes[n].number) return;
    const g = lane.arrays.get(n);
    Object.assign(thing, { v: caption("value", arrayOf[n], n), p: pictureOf(arrayOf[n], n, thing.p) });
    if (g) Object.assign(thing, { g: caption("grad", g, n), q: pictureOf(g, n, thing.q) });
  };
  story.nodes.forEach((node, n) => { if (node.box !== null) paint(tree.things[node.box], n); });
  for (const group of tree.groups()) {
    const outs = group.outs.length ? group.outs : [output()];
    if (outs.length === 1 && numberOf(outs[0]) !== undefined) paint(group, numberOf(outs[0]));
  }
  for (const thing of tree.things) thing.value = null; // to be written again
}

// --- one entry ---
const placesOf = new Map(); // of a node: the entry that the reader chose, by its number
const MOST_TERMS = 12; // of a chosen entry that are written out

const placeText = (flat, n) => `[${placeOf(flat, shapes[n]).join(", ")}]`;
function placeOf(flat, shape) {
  const found = [];
  for (let axis = shape.length - 1; axis >= 0; axis--) { found.unshift(flat % shape[axis]); flat = Math.floor(flat / shape[axis]); }
  return found;
}

// The entry of an amount that is taken apart: the chosen one, else the largest.
function entryPlace(n, amount) {
  if (placesOf.has(n)) return placesOf.get(n);
  let best = 0, most = -1;
  amount.forEach((x, i) => { const size = Number.isNaN(x) ? 0 : Math.abs(x); if (size > most) { best = i; most = size; } });
  return best;
}

// An entry of what is sent as the sum of products that it is, and the sum that it joins.
function productsOf(step) {
  const { to, g, sent, before, total } = step.arrays, flat = entryPlace(to, sent);
  const [which, ...inputs] = story.live.factors[step.live.factors], made = live.factors[which];
  inputs.forEach((n, k) => made.arguments[k].set(arrayOf[n]));
  made.arguments[inputs.length].fill(0)[flat] = 1;
  made.run();
  const factors = made.outputs[0], terms = [];
  for (let k = 0; k < g.length; k++) if (g[k] !== 0 && factors[k] !== 0) terms.push([g[k], factors[k]]);
  const most = placesOf.has(to) ? MOST_TERMS : 3;
  const products = terms.slice(0, most).map(([a, b]) => `${operand(a)} \u00d7 ${operand(b)}`).join(" + ") || "0";
  const more = terms.length > most ? ` + \u2026, ${say("many products", { n: terms.length.toLocaleString("en") })},` : "";
  const name = `${story.nodes[to].name}.grad${placeText(flat, to)}`;
  const sum = before === null || !placesOf.has(to) ? "" : `; ${name} = ${lanes[shown].replaces ? "" : `${text(before[flat])} + `}${operand(sent[flat])} = ${text(total[flat])}`;
  return `${name}: ${products}${more} = ${text(sent[flat])}${sum}`;
}

// --- the beginning ---
// Computes everything once and holds it against what Python found; null, and said, where they differ.
function begun() {
  const size = (array) => array.reduce((sum, x) => sum + Math.abs(Number(x)), 0);
  const rounding = story.live.dtypes.some((dtype) => dtype === "float32" || dtype === "float16") ? 1e-3 : 1e-7;
  const apart = (found, right) => right !== null && !(Math.abs(found - right) <= rounding * (1 + Math.abs(right)));
  let wrong = null;
  try {
    runProgram();
    wrong = story.nodes.find((_, n) => apart(size(arrayOf[n]), story.live.check[n])) || null;
  } catch (error) {
    wrong = { name: error.message };
  }
  if (wrong) {
    element("entries").replaceChildren(note("p", say("fixed differs", { z: wrong.name })));
    return null;
  }
  recomputeArrays();
  return new Entries();
}
