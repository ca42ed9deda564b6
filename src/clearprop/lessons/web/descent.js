// Gradient descent on the graph above: each step moves every input that needs a gradient against it.
const place = document.getElementById("descent"), { words } = JSON.parse(document.getElementById("lesson").textContent);
const out = story.output;
const first = story.nodes.map((node) => node.value);
let taken = [];

const rate = Object.assign(document.createElement("input"), { type: "number", min: "0", step: "any", value: "0.3", id: "descent-rate" });
const label = document.createElement("label"), said = document.createElement("p"), bar = document.createElement("p");
label.append(`${words.rate} `, rate);
said.id = "descent-said";
said.setAttribute("role", "status");
bar.className = "bar";
const chart = make("svg", { viewBox: "0 0 600 160", class: "chart", role: "img", "aria-label": words.loss });
bar.append(label, button(words["one step"], () => walk(1)), button(words["ten steps"], () => walk(10)), button(words["start again"], again));
place.append(bar, said, chart);

function put(values) {
  values.forEach((value, n) => {
    if (!story.nodes[n].leaf) return;
    story.nodes[n].value = value;
    const field = fields.find((known) => Number(known.dataset.node) === n);
    if (field) field.value = String(Number(value.toPrecision(6)));
  });
  recompute();
}

function walk(count) {
  const size = rate.valueAsNumber;
  if (!Number.isFinite(size)) return;
  for (let n = 0; n < count; n += 1) {
    const { final } = lanes.topological;
    if (!taken.length) taken.push(story.nodes[out].value);
    put(story.nodes.map((node, k) => (node.leaf && node.needs ? node.value - size * final[k] : node.value)));
    taken.push(story.nodes[out].value);
  }
  tell();
  go(length());
}

function again() {
  taken = [];
  put(first);
  tell();
  go(0);
}

function tell() {
  said.textContent = words["loss after"].replace("{n}", Math.max(0, taken.length - 1)).replace("{loss}", text(story.nodes[out].value));
  const shown = taken.filter(Number.isFinite), top = Math.max(...shown, 1e-12);
  const points = shown.map((loss, n) => `${20 + (560 * n) / Math.max(10, shown.length - 1)},${150 - (140 * loss) / top}`);
  chart.replaceChildren(make("polyline", { points: points.join(" "), class: "curve one" }));
}
tell();
