// The page: what its controls do, and the loop that trains within a time for each frame.
const FRAME = 9; // milliseconds of training a frame
const say = (text) => (at("notes").textContent = text);
const rates = told.rates ?? [];

if (told.refused) { // it cannot train here: what was recorded in Python, and why
  at("verdict").textContent = `This model cannot train in a page: ${told.refused}. What follows is a run that Python recorded.`;
  at("verdict").classList.add("wrong");
  for (const control of document.querySelectorAll("button, input, select")) control.disabled = true;
  for (const part of [at("play").parentElement, at("row"), at("map"), at("axes"), at("predicted")]) part.hidden = true;
  for (const card of ["settings", "drawn"]) at(card).parentElement.hidden = true;
  at("curves").parentElement.classList.add("alone");
  curves.draw(told.recorded.map((v, i) => [i + 1, v]), []);
  at("losses").textContent = `${counted(told.recorded.length, "step")} in Python: ${short(told.recorded[0], 4)} to ${short(told.recorded[told.recorded.length - 1], 4)}`;
} else {
  const training = new Training();
  let running = false, credit = 0, last = 0, seen = 0, trained = 0, since = performance.now(), error = "";

  const checked = () => { // the first losses, beside those that Python recorded
    const found = told.losses.map(() => training.step());
    const off = Math.max(...found.map((v, i) => (Object.is(v, told.losses[i]) || v === told.losses[i] ? 0 : Math.abs(v - told.losses[i]) / Math.max(1, Math.abs(told.losses[i])))));
    const right = off <= told.tolerance;
    at("verdict").textContent = right
      ? `The first ${found.length} losses are Python's (largest difference ${short(off, 2)}).`
      : `The first losses are NOT Python's: ${found.map((v) => short(v)).join(", ")} here, ${told.losses.map((v) => short(v)).join(", ")} there. Do not trust this page.`;
    at("verdict").classList.add(right ? "right" : "wrong");
    training.reset();
    return right;
  };

  const shown = () => { // one entry of a parameter, in full
    const p = told.parameters[Number(at("parameter").value)];
    if (!p) return;
    const size = states[p.value].array.length, k = Number(at("entry").value);
    at("entry").max = size - 1;
    at("entry").setCustomValidity(Number.isInteger(k) && k >= 0 && k < size ? "" : `an entry from 0 to ${size - 1}`);
    const place = [];
    for (let axis = p.shape.length - 1, rest = k; axis >= 0; axis--) place.unshift(rest % p.shape[axis]), rest = Math.floor(rest / p.shape[axis]);
    const gradient = p.gradient >= 0 ? states[p.gradient].array[k] : NaN;
    at("shown").textContent = k < size ? `${p.name}[${place.join(", ")}] = ${short(Number(states[p.value].array[k]))}   gradient ${short(Number(gradient))}` : `${p.name} has ${counted(size, "entry", "entries")}.`;
  };

  const measure = () => {
    const train = training.measured(training.data.train), test = training.data.test ? training.measured(training.data.test) : null;
    training.history.push([training.steps, train.loss]);
    if (test) training.tests.push([training.steps, test.loss]);
    for (const kept of [training.history, training.tests]) if (kept.length > 600) kept.splice(0, kept.length, ...kept.filter((_, i) => i % 2 === 0));
    const share = (m) => (Number.isNaN(m.share) ? "" : `, ${(100 * m.share).toFixed(1)} % right`);
    at("losses").textContent = `train ${short(train.loss, 4)}${share(train)}` + (test ? `\ntest ${short(test.loss, 4)}${share(test)}` : "");
    seen = performance.now();
  };
  const draw = (full) => {
    network.draw(), shown();
    if (full) map.draw(training), curves.draw(training.history, training.tests);
    at("count").textContent = `step ${training.steps.toLocaleString("en")}, epoch ${training.epoch}` + error;
  };
  const all = () => { measure(), draw(true); };

  const pace = () => { // steps a second; the last mark is all there is
    const v = Number(at("speed").value);
    return v >= 10 ? Infinity : Math.round(10 ** (v * 0.4));
  };
  const stop = (why = "") => {
    running = false, error = why;
    at("play").setAttribute("aria-pressed", "false"), at("play").textContent = "Train";
  };
  const steps = (budget, most) => { // as many as fit; an error stops the training, with nothing changed by that step
    const until = performance.now() + budget;
    let n = 0;
    try {
      do training.step(), n++; while (n < most && performance.now() < until);
    } catch (e) { stop(`  stopped: ${e.message}`); }
    return n;
  };
  const frame = (now) => {
    if (running) {
      const speed = pace();
      credit = speed === Infinity ? Infinity : Math.min(credit + speed * (now - last) / 1000, speed);
      last = now;
      if (credit >= 1) {
        const n = steps(FRAME, credit);
        trained += n, credit -= n;
      }
      const slow = now - seen > 250;
      if (slow) measure();
      draw(slow || now - seen > 100);
      if (now - since > 1000) {
        at("pace").textContent = `${counted(Math.round(trained * 1000 / (now - since)), "step")} a second`;
        trained = 0, since = now;
      }
    }
    requestAnimationFrame(frame);
  };

  const options = (id, list, chosen) => at(id).replaceChildren(...list.map(([value, text]) => new Option(text, value, false, value === chosen)));
  options("batch", told.steps.map((s) => [s.rows, String(s.rows)]), told.batch);
  options("parameter", told.parameters.map((p, i) => [i, `${p.name}  ${p.shape.join(" x ")}`]), 0);
  options("across", told.names.map((name, i) => [i, name]), 0);
  options("up", told.names.map((name, i) => [i, name]), 1);
  options("data", [["own", "the page's own"], ...(drawable ? Object.keys(DRAWN).map((name) => [name, name]) : [])], "own");
  at("axes").hidden = columns < 3;
  at("rate").value = rates[0] >= 0 ? Number(short(Number(states[rates[0]].array[0]))) : "", at("rate").disabled = !(rates[0] >= 0);
  at("seed").value = told.seed, at("which").max = own.train.rows - 1;
  at("noise").disabled = !columns, at("csv").disabled = !columns || !told.dropped;
  if (columns > 2) at("others").textContent = "Every other column is at its median.";
  const drawn = new Set(told.layers.flatMap((l) => [l.weight, l.bias])), unseen = told.parameters.filter((p) => !drawn.has(p.value));
  const count = unseen.reduce((sum, p) => sum + p.shape.reduce((a, b) => a * b, 1), 0).toLocaleString("en");
  at("unseen").hidden = !unseen.length;
  at("unseen").textContent = `${told.layers.length ? "Drawn are the linear layers alone, in their order. " : ""}Not drawn: ${counted(unseen.length, "array")} of ${count} weights, which are chosen below by their names.`;
  if (!told.layers.length) at("network").hidden = at("hover").hidden = true, at("gradients").closest("label").hidden = true;
  if (!columns || !told.outputs) at("map").hidden = at("axes").hidden = true, at("others").textContent = "No map: the model does not take rows of columns.";
  if (!told.story) at("row").hidden = true;
  const notes = [
    "Known to work: Adam 0.01 to 0.03, SGD 0.1 to 0.5 with tanh, half of that with relu.",
    told.drawn >= 0 ? "Another seed draws other weights at the next reset, those of Python's manual_seed." : "Another seed changes the order of the batches alone.",
    told.command ? `Other layers: ${told.command}` : "Other layers: make another page.",
  ];
  say(notes.join(" "));

  // A number that is none, or out of its bounds, is said at the field and changes nothing.
  const number = (id, use) => at(id).addEventListener("change", () => {
    const text = at(id).value.trim(), v = text === "" ? NaN : Number(text), good = Number.isFinite(v) && v >= 0 && (id !== "seed" || (Number.isInteger(v) && v < 2 ** 32));
    at(id).setCustomValidity(good ? "" : id === "seed" ? "a whole number from 0 on" : "a number of 0 or more");
    if (good) use(v); else at(id).reportValidity();
  });
  const placed = (k, v) => { if (k >= 0) states[k].array[0] = v, starts[k][0] = v; };
  number("rate", (v) => rates.forEach((k) => placed(k, v)));
  number("squares", (v) => placed(told.squares, v));
  number("sizes", (v) => placed(told.sizes, v));
  number("seed", (v) => { training.seed = v; });
  number("noise", () => chosen());
  let table_ = null;
  const chosen = () => { // the data that is asked for, with noise
    const name = at("data").value, amount = Number(at("noise").value), rows = own.train.rows, held = own.test?.rows ?? 0;
    const found = name === "table" ? table_ : name === "own" ? own : {train: drawnSet(name, 1, rows), test: held ? drawnSet(name, 2, held) : null};
    training.use(amount > 0 ? {train: noisy(found.train, amount, training.seed), test: noisy(found.test, amount, training.seed + 1)} : found);
    at("which").max = training.data.train.rows - 1;
    training.history = [], training.tests = [], all();
  };
  at("data").addEventListener("change", chosen);
  const read = async (file) => {
    const {complaints, rows} = table(await file.text()), least = told.batch;
    at("rows").replaceChildren(...complaints.slice(0, 8).map((text) => Object.assign(document.createElement("li"), {textContent: text})),
      ...(complaints.length > 8 ? [Object.assign(document.createElement("li"), {textContent: `and ${complaints.length - 8} more`})] : []));
    const parts = rows.length && parted(rows, training.seed);
    if (!rows.length || parts.train.rows < least) return say(`${file.name}: ${counted(rows.length, "good row")}; a batch has ${least}. The data stay as they were.`);
    table_ = parts;
    if (![...at("data").options].some((o) => o.value === "table")) at("data").append(new Option("the table", "table"));
    at("data").value = "table", say(`${file.name}: ${counted(rows.length, "row")}${complaints.length ? `, ${complaints.length} left out` : ""}.`), chosen();
  };
  at("csv").addEventListener("change", () => at("csv").files[0] && read(at("csv").files[0]));
  addEventListener("dragover", (e) => e.preventDefault());
  addEventListener("drop", (e) => { e.preventDefault(); if (!at("csv").disabled && e.dataTransfer.files[0]) read(e.dataTransfer.files[0]); });

  at("play").addEventListener("click", () => {
    if (running) return stop(), all();
    running = true, error = "", last = since = performance.now(), credit = trained = 0;
    at("play").setAttribute("aria-pressed", "true"), at("play").textContent = "Pause";
  });
  at("once").addEventListener("click", () => { stop(), steps(0, 1), all(); });
  at("reset").addEventListener("click", () => { stop(), training.reset(), all(); });
  at("batch").addEventListener("change", () => {
    const rows = Number(at("batch").value);
    if (rows > training.data.train.rows) return (at("batch").value = training.rows), say(`The data have ${counted(training.data.train.rows, "row")}.`);
    training.rows = rows, training.begin();
  });
  at("speed").addEventListener("input", () => { const v = pace(); credit = 0, at("pace").textContent = v === Infinity ? "all there is" : v === 1 ? "one step a second" : `${v} steps a second`; });
  for (const id of ["gradients", "across", "up"]) at(id).addEventListener("change", () => draw(true));
  for (const id of ["parameter", "entry"]) at(id).addEventListener("input", shown);
  at("network").addEventListener("pointermove", (e) => {
    const box = at("network").getBoundingClientRect(), found = network.near(e.clientX - box.left, e.clientY - box.top);
    if (found) at("hover").textContent = network.said(found);
  });
  at("open").addEventListener("click", () => {
    const r = Number(at("which").value), rows = training.data.train.rows;
    at("which").setCustomValidity(Number.isInteger(r) && r >= 0 && r < rows ? "" : `a row from 0 to ${rows - 1}`);
    if (!at("which").reportValidity()) return;
    stop(), all(), stepper.open(training, r);
  });
  at("back").addEventListener("click", () => stepper.show(Math.max(0, stepper.position - 1)));
  at("forward").addEventListener("click", () => stepper.show(Math.min(stepper.steps.length - 1, stepper.position + 1)));
  at("position").addEventListener("input", () => stepper.show(Number(at("position").value)));
  addEventListener("resize", () => draw(true));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => draw(true));

  const right = checked();
  for (const id of ["play", "once"]) at(id).disabled = !right;
  all();
  requestAnimationFrame(frame);
  globalThis.clearprop = {training, states, told, map, stepper};
}
