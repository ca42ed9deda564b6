// Training: the arrays of the model, the programs on them, batches in Python's order.
const states = (told.states ?? []).map((s) => ({...s, array: array(s)}));
const starts = states.map((s) => s.array.slice());
const made = programs.map((program, i) => program(told.used[i].map((k) => states[k].array)));
const xwidth = width(own.train), ywidth = own.train.y.length / own.train.rows;
const fill = (target, from, w, rows) => rows.forEach((r, k) => { for (let j = 0; j < w; j++) target[k * w + j] = from[r * w + j]; });

class Training {
  constructor() { this.data = own, this.seed = told.seed, this.rows = told.batch, this.reset(); }
  get size() { return Math.min(this.rows, this.data.train.rows); }
  reset() {
    states.forEach((s, i) => s.array.set(starts[i]));
    if (told.random >= 0) states[told.random].array.set([BigInt(this.seed), 0n]);
    if (this.seed !== told.seed && told.drawn >= 0) made[told.drawn].run(); // as Python draws after manual_seed
    this.steps = 0, this.history = [], this.tests = [], this.begin();
  }
  begin() { this.chance = new Chance(this.seed), this.order = null, this.place = 0, this.epoch = 0; }
  use(data) { this.data = data, this.begin(); }
  step() { // one step; returns the loss before it
    const {train} = this.data, chosen = told.steps.find((s) => s.rows === this.rows), program = made[chosen.program];
    if (this.order === null || this.place + this.rows > train.rows) {
      if (this.order !== null) this.epoch++;
      this.order = this.chance.permutation(train.rows), this.place = 0;
    }
    const rows = this.order.subarray(this.place, this.place + this.rows), [x, y] = program.arguments;
    fill(x, train.x, xwidth, rows), fill(y, train.y, ywidth, rows);
    program.run();
    this.place += this.rows, this.steps++;
    return Number(program.outputs[0][0]);
  }
  measured(p) { // the mean loss, and how many rows were classified rightly
    const program = made[told.measure], [x, y] = program.arguments;
    let total = 0, right = 0;
    const some = Math.min(p.rows, 2000);
    for (let r = 0; r < some; r++) {
      fill(x, p.x, xwidth, [r]), fill(y, p.y, ywidth, [r]);
      program.run();
      total += Number(program.outputs[0][0]), right += this.right(program.outputs[1], p.y[r * ywidth]);
    }
    return {loss: total / some, share: told.kind === "numbers" || !told.outputs ? NaN : right / some};
  }
  right(out, y) {
    if (told.kind === "truths") return out[0] > (told.squash ? 0 : 0.5) === y > 0.5;
    let best = 0;
    for (let k = 1; k < out.length; k++) if (out[k] > out[best]) best = k;
    return best === y;
  }
  predicted(points) { // outputs of rows, some at a time
    const program = made[told.predict], [x] = program.arguments, many = x.length / xwidth, n = points.length / xwidth;
    const out = new Float64Array(n * told.outputs);
    for (let r = 0; r < n; r += many) {
      const count = Math.min(many, n - r);
      x.set(points.subarray(r * xwidth, (r + count) * xwidth));
      program.run();
      out.set(program.outputs[0].subarray(0, count * told.outputs), r * told.outputs);
    }
    return out;
  }
}
