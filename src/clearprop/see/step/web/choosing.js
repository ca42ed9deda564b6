/* The reader chooses the next node of a backward pass; what may come, what is missing, how many orders are left. */
const graph = JSON.parse(document.getElementById("graph").textContent), nodes = graph.nodes;
const at = (id) => document.getElementById(id);
const box = (n) => at(`cp-${nodes[n].box}`);
const short = (x) => (typeof x === "number" ? String(Number(x.toPrecision(6))) : x);
const say = (key, named = {}) => graph.words[key].replace(/\{(\w+)\}/g, (slot, name) => named[name] ?? slot);
const listed = (names) => (names.length < 2 ? names.join("") : say("and", { first: names.slice(0, -1).join(", "), last: names[names.length - 1] }));
let chosen = [];

/* The users of a node that have not been chosen. */
const waitsFor = (n) => nodes[n].users.filter((user) => !chosen.includes(user));

/* How many orders begin with what was chosen: each set of chosen nodes is counted once. */
function possible() {
  const known = new Map();
  const count = (done) => {
    if (done.size === nodes.length) return 1n;
    const key = [...done].sort((a, b) => a - b).join();
    if (known.has(key)) return known.get(key);
    if (known.size > 60000) throw new RangeError("too many to count");
    let sum = 0n;
    nodes.forEach((node, n) => {
      if (!done.has(n) && node.users.every((user) => done.has(user))) sum += count(new Set(done).add(n));
    });
    known.set(key, sum);
    return sum;
  };
  try { return count(new Set(chosen)).toLocaleString("en"); } catch { return say("orders many"); }
}

/* What has arrived at each node: from the start at the output, then from every user that was chosen. */
function arrived() {
  const sums = nodes.map((node) => (node.users.length ? [] : [graph.start]));
  for (const n of chosen) for (const [to, amount] of nodes[n].sends) sums[to].push(amount);
  return sums;
}

function gradient(parts) {
  if (!parts.length) return "grad=?";
  if (!parts.every((part) => typeof part === "number")) return say(parts.length > 1 ? "orders parts" : "orders part", { n: parts.length });
  const sum = short(parts.reduce((a, b) => a + b, 0));
  return parts.length > 1 ? `grad=${parts.map(short).join("+")}=${sum}` : `grad=${sum}`;
}

/* Turn an arrow round: its head stands where the way begins. */
function turn(edge, back) {
  const way = edge.querySelector(".way"), head = edge.querySelector(".head");
  head.dataset.forth ??= head.getAttribute("d");
  const [x, y] = way.getAttribute("d").slice(1).split(/[ ,A-Za-z]/).map(Number);
  head.setAttribute("d", back ? `M${x} ${y}l9 -4.2v8.4z` : head.dataset.forth);
  edge.classList.toggle("active", back);
}

function show(said, wrong = false) {
  const sums = arrived(), last = chosen[chosen.length - 1];
  document.querySelectorAll(".edge").forEach((edge) => turn(edge, false));
  nodes.forEach((node, n) => {
    const text = at(`cp-${node.box}-grad`);
    if (text) text.textContent = gradient(sums[n]);
    box(n).classList.toggle("chosen", chosen.includes(n));
    box(n).classList.toggle("active", n === last);
    box(n).classList.remove("alarm");
    document.querySelector(`[data-node="${n}"]`).disabled = chosen.includes(n);
  });
  if (last !== undefined) for (const [, , edge] of nodes[last].sends) turn(at(`cp-${edge}`), true);
  at("said").textContent = said;
  at("said").classList.toggle("wrong", wrong);
  at("order").textContent = chosen.length ? say("orders yours", { names: chosen.map((n) => nodes[n].name).join(", ") }) : "";
  const left = possible();
  at("left").textContent = left === "1" ? say("orders left one") : say("orders left", { n: left });
  at("undo").disabled = at("again").disabled = !chosen.length;
}

function choose(n) {
  if (chosen.includes(n)) return show(say("orders passed", { z: nodes[n].name }), true);
  const missing = waitsFor(n);
  if (missing.length) {
    const users = listed(missing.map((user) => nodes[user].name));
    show(say(missing.length > 1 ? "orders missing several" : "orders missing", { z: nodes[n].name, users }), true);
    box(n).classList.add("alarm");
    return;
  }
  chosen.push(n);
  const sent = nodes[n].sends.map(([to, amount]) => say("orders sent", { amount: short(amount), x: nodes[to].name }));
  const z = nodes[n].name, tells = sent.length ? say("orders sends", { z, sent: sent.join(", ") }) : say("orders input", { z });
  show(chosen.length === nodes.length ? `${tells} ${say("orders done")}` : tells);
}

nodes.forEach((node, n) => { box(n).addEventListener("click", () => choose(n)); box(n).classList.add("choice"); });
document.querySelectorAll("[data-node]").forEach((button) => button.addEventListener("click", () => choose(Number(button.dataset.node))));
at("undo").addEventListener("click", () => { chosen.pop(); show(say("orders undone")); });
at("again").addEventListener("click", () => { chosen = []; show(""); });
show("");
