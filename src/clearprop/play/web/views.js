// What is seen: the network with its weights, predictions over two columns, losses.
const fitted = (canvas) => { // as many pixels as the screen has; returns what to draw with, and the size
  const ratio = globalThis.devicePixelRatio || 1, w = canvas.clientWidth, h = Math.round(w * Number(canvas.dataset.ratio));
  if (canvas.width !== Math.round(w * ratio)) canvas.width = Math.round(w * ratio), canvas.height = Math.round(h * ratio);
  const ink = canvas.getContext("2d");
  ink.setTransform(ratio, 0, 0, ratio, 0, 0);
  ink.clearRect(0, 0, w, h);
  return [ink, w, h];
};
for (const canvas of document.querySelectorAll("canvas")) canvas.dataset.ratio = canvas.height / canvas.width;

const MOST = 16; // units of a layer that are drawn one by one
const brief = (name) => (name.length > 7 ? `${name.slice(0, 6)}…` : name);

// A short name; of those that begin alike, a letter and what comes after the words that they share.
function apart(name, names) {
  const alike = names.filter((other) => brief(other) === brief(name));
  if (alike.length < 2) return brief(name);
  const parts = (text) => text.split(/[ _.]+/), words = parts(name);
  const shared = words.findIndex((word, k) => alike.some((other) => parts(other)[k] !== word));
  return shared > 0 ? `${name[0]}…${words.slice(shared).join("_").slice(0, 6).trim()}` : brief(name);
}
const network = {
  edges: [],
  places(w, h) { // columns of units: the inputs, then each layer's outputs
    const counts = [told.layers[0].inputs, ...told.layers.map((l) => l.outputs)];
    return counts.map((n, c) => {
      const shown = Math.min(n, MOST);
      return Array.from({length: shown}, (_, i) => ({x: 62 + (w - 124) * c / (counts.length - 1), y: 8 + (h - 26) * (i + 0.5) / shown, more: n - shown}));
    });
  },
  draw() {
    if (!told.layers?.length) return;
    const [ink, w, h] = fitted(at("network")), slope = at("gradients").checked, columns = this.places(w, h);
    const [plus, minus, text, paper] = ["input-edge", "middle-edge", "ink", "paper"].map(colour);
    this.edges = [];
    told.layers.forEach((layer, l) => {
      const values = states[slope ? layer.gradient : layer.weight]?.array;
      if (!values) return;
      let most = 0;
      for (const v of values) if (Math.abs(v) > most) most = Math.abs(v);
      columns[l + 1].forEach((to, o) => columns[l].forEach((from, i) => {
        const v = values[o * layer.inputs + i], line = {from, to, layer, l, o, i};
        this.edges.push(line);
        ink.strokeStyle = v < 0 ? minus : plus;
        ink.lineWidth = this.width(v, most), ink.globalAlpha = most ? 0.25 + 0.75 * Math.abs(v) / most : 0.25;
        if (v < 0) ink.setLineDash([7, 3]);
        ink.beginPath(), ink.moveTo(from.x, from.y);
        ink.bezierCurveTo((from.x + to.x) / 2, from.y, (from.x + to.x) / 2, to.y, to.x, to.y);
        ink.stroke(), ink.setLineDash([]);
      }));
    });
    ink.globalAlpha = 1, ink.font = "12px ui-monospace, monospace";
    columns.forEach((column, c) => column.forEach((unit, i) => {
      ink.fillStyle = paper, ink.strokeStyle = text, ink.lineWidth = 1.5;
      ink.beginPath(), ink.arc(unit.x, unit.y, 8, 0, 2 * Math.PI), ink.fill(), ink.stroke();
      ink.fillStyle = text;
      if (c === 0) ink.textAlign = "right", ink.fillText(apart(told.names[i] ?? "", told.names), unit.x - 12, unit.y + 4);
      if (c === columns.length - 1) ink.textAlign = "left", ink.fillText(apart(told.classes[i] ?? (column.length === 1 ? told.target : String(i)), told.classes), unit.x + 12, unit.y + 4);
      if (unit.more > 0 && i === column.length - 1) ink.textAlign = "center", ink.fillText(`+${unit.more}`, unit.x, h - 2);
    }));
  },
  width: (v, most) => (most ? 0.5 + 5.5 * Math.abs(v) / most : 0.5),
  near(x, y) { // the edge under the pointer
    let best = null, least = 64;
    for (const e of this.edges)
      for (let k = 0; k <= 16; k++) {
        const t = k / 16, s = 1 - t, mid = (e.from.x + e.to.x) / 2;
        const px = s ** 3 * e.from.x + 3 * s * s * t * mid + 3 * s * t * t * mid + t ** 3 * e.to.x;
        const py = s ** 3 * e.from.y + 3 * s * s * t * e.from.y + 3 * s * t * t * e.to.y + t ** 3 * e.to.y;
        const d = (px - x) ** 2 + (py - y) ** 2;
        if (d < least) least = d, best = e;
      }
    return best;
  },
  said(e) {
    const k = e.o * e.layer.inputs + e.i, name = states[e.layer.weight].name;
    return said("entry is", {place: `${name}[${e.o}, ${e.i}]`, value: short(states[e.layer.weight].array[k]), gradient: short(states[e.layer.gradient].array[k])});
  },
};

const CLASSES = ["middle-edge", "input-edge", "output-edge", "module-edge", "active", "alarm"];
const rgb = (text) => {
  const hex = text.replace("#", "");
  return [0, 2, 4].map((i) => parseInt(hex.slice(i, i + 2), 16));
};
const map = {
  side: 48,
  draw(training) {
    if (!columns || !told.outputs || !made.length) return;
    if (columns === 1) return this.curve(training);
    const [ink, w, h] = fitted(at("map")), [a, b] = [Number(at("across").value), Number(at("up").value)], n = this.side;
    const points = like(own.train.x, n * n * columns), reach = (c) => (told.own === false ? [-2.2, 2.2] : this.reach(training, c));
    const [x0, x1] = reach(a), [y0, y1] = reach(b);
    for (let r = 0; r < n * n; r++) {
      for (let c = 0; c < columns; c++) points[r * columns + c] = told.medians[c];
      points[r * columns + a] = x0 + (x1 - x0) * ((r % n) + 0.5) / n, points[r * columns + b] = y1 - (y1 - y0) * (Math.floor(r / n) + 0.5) / n;
    }
    const out = training.predicted(points), image = new ImageData(n, n), palette = CLASSES.map((c) => rgb(colour(c))), paper = rgb(colour("paper"));
    for (let r = 0; r < n * n; r++) {
      const [tint, found] = this.tint(out, r, palette), share = Number.isFinite(found) ? found : 0; // what is no number has no colour
      for (let k = 0; k < 3; k++) image.data[4 * r + k] = paper[k] + (tint[k] - paper[k]) * share * 0.75;
      image.data[4 * r + 3] = 255;
    }
    this.paper ??= Object.assign(document.createElement("canvas"), {width: n, height: n});
    this.paper.getContext("2d").putImageData(image, 0, 0);
    ink.drawImage(this.paper, 0, 0, w, h);
    for (const [p, filled] of [[training.data.train, true], [training.data.test, false]]) {
      if (!p) continue;
      const every = Math.ceil(p.rows / 600);
      for (let r = 0; r < p.rows; r += every) {
        const x = w * (p.x[r * columns + a] - x0) / (x1 - x0), y = h * (y1 - p.x[r * columns + b]) / (y1 - y0);
        const [tint] = this.truth(p.y[r * ywidth], palette);
        ink.beginPath(), ink.arc(x, y, 3, 0, 2 * Math.PI);
        ink.lineWidth = filled ? 1 : 1.8, ink.strokeStyle = filled ? colour("paper") : `rgb(${tint})`, ink.fillStyle = filled ? `rgb(${tint})` : colour("paper");
        ink.fill(), ink.stroke();
      }
    }
  },
  reach(training, c) {
    const {low, high} = spread[c], margin = 0.08 * (high - low || 1);
    let least = low, most = high;
    if (training.data !== own) { const x = training.data.train.x; for (let r = 0; r < training.data.train.rows; r++) least = Math.min(least, x[r * columns + c]), most = Math.max(most, x[r * columns + c]); }
    return [least - margin, most + margin];
  },
  tint(out, r, palette) { // a colour and how sure it is
    const k = told.outputs;
    if (told.kind === "truths" || (told.kind === "numbers" && k >= 1)) {
      let p = told.kind === "truths" ? (told.squash ? 1 / (1 + Math.exp(-out[r * k])) : out[r * k]) : this.level(out[r * k]);
      p = Math.min(1, Math.max(0, p));
      return [palette[p > 0.5 ? 1 : 0], Math.abs(2 * p - 1)];
    }
    let best = 0, sum = 0;
    for (let j = 1; j < k; j++) if (out[r * k + j] > out[r * k + best]) best = j;
    for (let j = 0; j < k; j++) sum += Math.exp(out[r * k + j] - out[r * k + best]);
    return [palette[best % palette.length], k > 1 ? Math.max(0, (1 / sum - 1 / k) / (1 - 1 / k)) : 1];
  },
  truth(y, palette) {
    return told.kind === "numbers" ? [palette[this.level(y) > 0.5 ? 1 : 0], 1] : [palette[Math.round(y) % palette.length], 1];
  },
  level(y) {
    if (!this.levels) { const sorted = [...own.train.y].map(Number).sort((a, b) => a - b); this.levels = [sorted[0], sorted[sorted.length - 1]]; }
    return (y - this.levels[0]) / (this.levels[1] - this.levels[0] || 1);
  },
  curve(training) { // one column: the function itself
    const [ink, w, h] = fitted(at("map")), n = 160, points = like(own.train.x, n), [x0, x1] = this.reach(training, 0);
    for (let i = 0; i < n; i++) points[i] = x0 + (x1 - x0) * i / (n - 1);
    const out = training.predicted(points), k = told.outputs;
    const values = Array.from({length: n}, (_, i) => (told.kind === "truths" && told.squash ? 1 / (1 + Math.exp(-out[i * k])) : out[i * k]));
    this.level(0);
    const [low, high] = this.levels, gap = (high - low || 1) * 0.15, up = (y) => h - h * (y - low + gap) / (high - low + 2 * gap);
    ink.fillStyle = colour("input-edge");
    for (let r = 0; r < training.data.train.rows; r++) ink.fillRect(w * (training.data.train.x[r] - x0) / (x1 - x0) - 1.5, up(training.data.train.y[r * ywidth]) - 1.5, 3, 3);
    ink.strokeStyle = colour("middle-edge"), ink.lineWidth = 2.5, ink.beginPath();
    values.forEach((v, i) => ink[i ? "lineTo" : "moveTo"](w * i / (n - 1), up(v)));
    ink.stroke();
  },
};

const curves = {
  draw(train, test) {
    const [ink, w, h] = fitted(at("curves")), all = [...train, ...test].filter((p) => Number.isFinite(p[1]));
    if (!all.length) return;
    const last = Math.max(...all.map((p) => p[0]), 1), high = Math.max(...all.map((p) => p[1])), low = Math.min(0, ...all.map((p) => p[1]));
    ink.font = "11px ui-monospace, monospace", ink.fillStyle = ink.strokeStyle = colour("soft"), ink.lineWidth = 1;
    ink.textAlign = "left", ink.fillText(short(high, 3), 2, 11), ink.fillText(short(low, 3), 2, h - 4);
    ink.textAlign = "right", ink.fillText(counted(last, "one step", "steps"), w - 2, h - 4);
    for (const [line, name, dash] of [[train, "middle-edge", []], [test, "input-edge", [6, 3]]]) {
      if (line.length === 1) ink.fillStyle = colour(name), ink.fillRect(36, 4 + (h - 22) * (1 - (line[0][1] - low) / (high - low || 1)), 5, 5);
      ink.strokeStyle = colour(name), ink.lineWidth = 2, ink.setLineDash(dash), ink.beginPath();
      line.forEach(([s, v], i) => ink[i ? "lineTo" : "moveTo"](38 + (w - 44) * s / last, 6 + (h - 22) * (1 - (v - low) / (high - low || 1))));
      ink.stroke();
    }
    ink.setLineDash([]);
  },
};
