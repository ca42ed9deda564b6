// One row, forward and back, with the weights as they are at that moment: every number comes from the program.
const stepper = {
  steps: [], position: -1,
  open(training, r) {
    const told_ = told.story, program = made[told_.program], p = training.data.train, [x, y] = program.arguments;
    const kept = states.map((s) => s.array.slice()); // it leaves gradients, and draws where there is dropout
    fill(x, p.x, xwidth, [r]), fill(y, p.y, ywidth, [r]);
    program.run();
    states.forEach((s, i) => s.array.set(kept[i]));
    const nodes = told_.nodes, n = nodes.filter((node) => node.op).length, outputs = program.outputs.map((a) => a.slice());
    this.values = nodes.map((node) => (node.op ? outputs[node.value] : states[node.value].array.slice()));
    this.gradients = outputs.slice(n, n + nodes.length), this.sent = outputs.slice(n + nodes.length);
    this.steps = told_.steps, at("position").max = this.steps.length - 1;
    this.row = r, this.show(0);
  },
  gradient(node) { return this.gradients[node] ?? null; },
  before(k) { // what had arrived at the target before step k
    const {target} = this.steps[k], earlier = this.steps.slice(0, k).filter((s) => s.kind === "backward" && s.target === target);
    if (!earlier.length) return null;
    const sum = new Float64Array(this.sent[this.steps[k].sent].length);
    for (const s of earlier) this.sent[s.sent].forEach((v, i) => (sum[i] += v));
    return sum;
  },
  show(k) {
    this.position = k;
    const s = this.steps[k], nodes = told.story.nodes, sent = s.sent >= 0 ? this.sent[s.sent] : null, before = sent ? this.before(k) : null;
    const text = (a, shape) => (a === null ? "" : a.length === 1 ? short(Number(a[0])) : said("numbers", {shape: shape.join(" x ")}));
    const slot = (name) => {
      if (name === "g") return text(this.gradient(s.node), nodes[s.node].shape);
      if (name === "amount") return text(sent, nodes[s.target].shape);
      if (name === "before") return text(before, nodes[s.target].shape);
      if (name === "total") return s.kind === "start" ? text(this.gradient(s.node), nodes[s.node].shape) : text(this.sum(sent, before), nodes[s.target].shape);
      if (name === "local") { const g = this.gradient(s.node); const slope = g?.length === 1 && sent?.length === 1 ? Number(sent[0]) / Number(g[0]) : NaN; return Number.isFinite(slope) ? short(slope) : said("slope"); }
      return "";
    };
    at("said").textContent = s.sentence.replace(/\{\(?(\w+)\)?\}/g, (_, name) => slot(name)) + (s.formula ? `   ${s.formula}` : "");
    const tables = [];
    if (s.kind === "forward") tables.push([`${nodes[s.node].name} = ${nodes[s.node].op}`, this.values[s.node], nodes[s.node].shape]);
    else {
      tables.push([`${nodes[s.node].name}.grad`, this.gradient(s.node), nodes[s.node].shape]);
      if (sent) {
        if (before) tables.push([said("so far", {z: `${nodes[s.target].name}.grad`}), before, nodes[s.target].shape]);
        tables.push([before ? said("arrives") : `${nodes[s.target].name}.grad`, sent, nodes[s.target].shape]);
        if (before) tables.push([`${nodes[s.target].name}.grad`, this.sum(sent, before), nodes[s.target].shape]);
      }
    }
    at("tables").replaceChildren(...tables.map(([title, a, shape]) => this.table(title, a, shape)));
    at("position").value = k, at("where").textContent = said("where", {n: k + 1, all: this.steps.length});
    at("back").disabled = k === 0, at("forward").disabled = k === this.steps.length - 1, at("position").disabled = false;
  },
  sum: (a, b) => (b === null ? a : a.map((v, i) => v + b[i])),
  table(title, a, shape) {
    const found = document.createElement("table"), wide = shape.length ? shape[shape.length - 1] : 1, rows = a.length / Math.max(1, wide);
    found.createCaption().textContent = said(shape.length ? "shaped" : "single", {title, shape: shape.join(" x ")});
    for (let r = 0; r < Math.min(rows, 12); r++) {
      const row = found.insertRow();
      for (let c = 0; c < Math.min(wide, 12); c++) row.insertCell().textContent = short(Number(a[r * wide + c]));
      if (wide > 12) row.insertCell().textContent = "…";
    }
    if (rows > 12) found.insertRow().insertCell().textContent = "…";
    return found;
  },
};
