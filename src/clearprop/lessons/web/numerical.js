// Numerical gradients: two forward passes of the graph above for each h, beside what backpropagation says.
const place = document.getElementById("numerical"), { words } = JSON.parse(document.getElementById("lesson").textContent);
const leaves = story.nodes.map((node, n) => n).filter((n) => story.nodes[n].leaf && story.nodes[n].needs);

function outputAt(n, value) {
  const v = story.nodes.map((node) => node.value);
  v[n] = value;
  for (const k of script.order) v[k] = script.forward[k](v);
  return v[story.output];
}

function row(cells, kind) {
  const made = document.createElement("tr");
  made.append(...cells.map((words) => Object.assign(document.createElement(kind), { textContent: words })));
  return made;
}

const select = document.createElement("select"), table = document.createElement("table"), exact = document.createElement("p");
select.id = "numerical-input";
select.append(...leaves.map((n) => new Option(story.nodes[n].name, n)));
const label = document.createElement("label");
label.append(`${words.input} `, select);
table.className = "nodes numbers";
place.append(label, exact, table);

function list() {
  const n = Number(select.value), x = story.nodes[n].value, name = story.nodes[n].name;
  const right = lanes.topological.final[n], out = story.nodes[story.output].name;
  exact.textContent = `${words.exact}: d${out}/d${name} = ${text(right)}`;
  const rows = [];
  for (let power = 1; power <= 15; power += 2) {
    const h = 10 ** -power, slope = (outputAt(n, x + h) - outputAt(n, x - h)) / (2 * h);
    rows.push(row([`1e-${power}`, String(slope), Math.abs(slope - right).toExponential(1)], "td"));
  }
  table.replaceChildren(row(["h", words.quotient, words.error], "th"), ...rows);
}
select.onchange = list;
for (const field of fields) field.addEventListener("input", list);
element("reset").addEventListener("click", list);
list();
