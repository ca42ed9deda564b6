// The page: what its controls do, and the loop that trains within a time for each frame.
const FRAME = 9; // milliseconds of training a frame
const say = (text) => (at("notes").textContent = text);
const rates = told.rates ?? [];

if (told.refused) { // it cannot train here: what was recorded in Python, and why
  at("verdict").textContent = said("refused", {why: told.refused});
  at("verdict").classList.add("wrong");
  for (const control of document.querySelectorAll("button, input, select")) control.disabled = true;
  for (const part of [at("play").parentElement, at("row"), at("map"), at("axes"), at("predicted")]) part.hidden = true;
  for (const card of ["settings", "drawn"]) at(card).parentElement.hidden = true;
  at("curves").parentElement.classList.add("alone");
  curves.draw(told.recorded.map((v, i) => [i + 1, v]), []);
  at("losses").textContent = said("recorded", {steps: counted(told.recorded.length, "one step", "steps"), first: short(told.recorded[0], 4), last: short(told.recorded[told.recorded.length - 1], 4)});
} else {
  const training = new Training();
  let running = false, credit = 0, last = 0, seen = 0, trained = 0, since = performance.now(), error = "";

  // Whether the first step moved every parameter as Python's did, to a hundredth.
  const moved = (before) => told.parameters.every((p, k) => {
    let size = 0, turns = 0;
    states[p.value].array.forEach((v, i) => { const d = Number(v) - Number(before[k][i]); size += Math.abs(d), turns += i % 2 ? -d : d; });
    const [sizes, signed] = told.moves[k], near = (a, b) => Math.abs(a - b) <= 0.01 * sizes + 1e-30;
    return near(size, sizes) && near(turns, signed);
  });
  const checked = () => { // the first losses, beside those that Python recorded
    const before = told.parameters.map((p) => states[p.value].array.slice()), found = [training.step()], stepped = moved(before);
    for (let i = 1; i < told.losses.length; i++) found.push(training.step());
    const apart = found.map((v, i) => (Object.is(v, told.losses[i]) || v === told.losses[i] ? 0 : Math.abs(v - told.losses[i]) / Math.max(1, Math.abs(told.losses[i]))));
    const off = Math.max(...apart), close = off <= told.tolerance; // where rounding grows, the first loss and the first step must be Python's
    const right = close || (told.sensitive && stepped && apart[0] <= told.tolerance);
    at("verdict").textContent = right
      ? said(close ? "right" : "right at first", {n: found.length, off: short(off, 2)})
      : said("wrong", {found: found.map((v) => short(v)).join(", "), wanted: told.losses.map((v) => short(v)).join(", ")});
    at("verdict").classList.add(right ? "right" : "wrong");
    training.reset();
    return right;
  };

  const shown = () => { // one entry of a parameter, in full
    const p = told.parameters[Number(at("parameter").value)];
    if (!p) return;
    const size = states[p.value].array.length, k = Number(at("entry").value);
    at("entry").max = size - 1;
    at("entry").setCustomValidity(Number.isInteger(k) && k >= 0 && k < size ? "" : said("entry to", {last: size - 1}));
    const place = [];
    for (let axis = p.shape.length - 1, rest = k; axis >= 0; axis--) place.unshift(rest % p.shape[axis]), rest = Math.floor(rest / p.shape[axis]);
    const gradient = p.gradient >= 0 ? states[p.gradient].array[k] : NaN;
    at("shown").textContent = k < size
      ? said("entry is", {place: `${p.name}[${place.join(", ")}]`, value: short(Number(states[p.value].array[k])), gradient: short(Number(gradient))})
      : said("entries of", {name: p.name, entries: counted(size, "one entry", "entries")});
  };

  const measure = () => {
    const train = training.measured(training.data.train), test = training.data.test ? training.measured(training.data.test) : null;
    training.history.push([training.steps, train.loss]);
    if (test) training.tests.push([training.steps, test.loss]);
    for (const kept of [training.history, training.tests]) if (kept.length > 600) kept.splice(0, kept.length, ...kept.filter((_, i) => i % 2 === 0));
    const share = (m) => (Number.isNaN(m.share) ? "" : said("share", {share: (100 * m.share).toFixed(1)}));
    at("losses").textContent = said("measured train", {loss: short(train.loss, 4) + share(train)}) + (test ? `\n${said("measured test", {loss: short(test.loss, 4) + share(test)})}` : "");
    seen = performance.now();
  };
  const draw = (full) => {
    network.draw(), shown();
    if (full) map.draw(training), curves.draw(training.history, training.tests);
    at("count").textContent = said("at", {n: grouped(training.steps), epoch: training.epoch}) + error;
  };
  const all = () => { measure(), draw(true); };

  const pace = () => { // steps a second; the last mark is all there is
    const v = Number(at("speed").value);
    return v >= 10 ? Infinity : Math.round(10 ** (v * 0.4));
  };
  const stop = (why = "") => {
    running = false, error = why;
    at("play").setAttribute("aria-pressed", "false"), at("play").textContent = said("train");
  };
  const steps = (budget, most) => { // as many as fit; an error stops the training, with nothing changed by that step
    const until = performance.now() + budget;
    let n = 0;
    try {
      do training.step(), n++; while (n < most && performance.now() < until);
    } catch (e) { stop(`  ${said("stopped", {why: e.message})}`); }
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
        at("pace").textContent = said("pace", {steps: counted(Math.round(trained * 1000 / (now - since)), "one step", "steps")});
        trained = 0, since = now;
      }
    }
    requestAnimationFrame(frame);
  };

  const options = (id, list, chosen) => at(id).replaceChildren(...list.map(([value, text]) => new Option(text, value, false, value === chosen)));
  options("batch", told.steps.map((s) => [s.rows, String(s.rows)]), told.batch);
  options("parameter", told.parameters.map((p, i) => [i, `${p.name}  ${p.shape.join(" x ")}`]), 0);
  const [across, up] = told.telling; // the columns that tell most of the target
  options("across", told.names.map((name, i) => [i, name]), across);
  options("up", told.names.map((name, i) => [i, name]), up);
  options("data", ["own", ...(drawable ? Object.keys(DRAWN) : [])].map((name) => [name, said(`data ${name}`)]), "own");
  at("axes").hidden = columns < 3;
  at("rate").value = rates[0] >= 0 ? Number(short(Number(states[rates[0]].array[0]))) : "", at("rate").disabled = !(rates[0] >= 0);
  at("seed").value = told.seed, at("which").max = own.train.rows - 1;
  at("noise").disabled = !columns, at("csv").disabled = !columns || !told.dropped;
  if (columns > 2) at("others").textContent = said("others");
  const drawn = new Set(told.layers.flatMap((l) => [l.weight, l.bias])), unseen = told.parameters.filter((p) => !drawn.has(p.value));
  const count = unseen.reduce((sum, p) => sum + p.shape.reduce((a, b) => a * b, 1), 0);
  at("unseen").hidden = !unseen.length;
  at("unseen").textContent = `${told.layers.length ? `${said("linear alone")} ` : ""}${said("not drawn", {arrays: counted(unseen.length, "one array", "arrays"), n: grouped(count)})}`;
  if (!told.layers.length) at("network").hidden = at("hover").hidden = true, at("gradients").closest("label").hidden = true;
  if (!columns || !told.outputs) at("map").hidden = at("axes").hidden = true, at("others").textContent = said("no map");
  if (!told.story) at("row").hidden = true;
  const notes = [
    said(told.known),
    said(told.drawn >= 0 ? "seed draws" : "seed orders"),
    told.command ? said("other layers", {command: told.command}) : said("other page"),
  ];
  say(notes.join(" "));

  // A number that is none, or out of its bounds, is said at the field and changes nothing.
  const number = (id, use) => at(id).addEventListener("change", () => {
    const text = at(id).value.trim(), v = text === "" ? NaN : Number(text), good = Number.isFinite(v) && v >= 0 && (id !== "seed" || (Number.isInteger(v) && v < 2 ** 32));
    at(id).setCustomValidity(good ? "" : said(id === "seed" ? "whole" : "positive"));
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
      ...(complaints.length > 8 ? [Object.assign(document.createElement("li"), {textContent: said("more lines", {n: complaints.length - 8})})] : []));
    const parts = rows.length && parted(rows, training.seed);
    if (!rows.length || parts.train.rows < least) return say(said("too few", {file: file.name, rows: counted(rows.length, "one good row", "good rows"), least}));
    table_ = parts;
    if (![...at("data").options].some((o) => o.value === "table")) at("data").append(new Option(said("data table"), "table"));
    at("data").value = "table", say(said(complaints.length ? "read but" : "read", {file: file.name, rows: counted(rows.length, "one row", "rows"), n: complaints.length})), chosen();
  };
  at("csv").addEventListener("change", () => at("csv").files[0] && read(at("csv").files[0]));
  addEventListener("dragover", (e) => e.preventDefault());
  addEventListener("drop", (e) => { e.preventDefault(); if (!at("csv").disabled && e.dataTransfer.files[0]) read(e.dataTransfer.files[0]); });

  at("play").addEventListener("click", () => {
    if (running) return stop(), all();
    running = true, error = "", last = since = performance.now(), credit = trained = 0;
    at("play").setAttribute("aria-pressed", "true"), at("play").textContent = said("pause");
  });
  at("once").addEventListener("click", () => { stop(), steps(0, 1), all(); });
  at("reset").addEventListener("click", () => { stop(), training.reset(), all(); });
  at("batch").addEventListener("change", () => {
    const rows = Number(at("batch").value);
    if (rows > training.data.train.rows) return (at("batch").value = training.rows), say(said("few rows", {rows: counted(training.data.train.rows, "one row", "rows")}));
    training.rows = rows, training.begin();
  });
  at("speed").addEventListener("input", () => { const v = pace(); credit = 0, at("pace").textContent = v === Infinity ? said("pace all") : v === 1 ? said("pace one") : said("pace", {steps: counted(v, "one step", "steps")}); });
  for (const id of ["gradients", "across", "up"]) at(id).addEventListener("change", () => draw(true));
  for (const id of ["parameter", "entry"]) at(id).addEventListener("input", shown);
  at("network").addEventListener("pointermove", (e) => {
    const box = at("network").getBoundingClientRect(), found = network.near(e.clientX - box.left, e.clientY - box.top);
    if (found) at("hover").textContent = network.said(found);
  });
  at("open").addEventListener("click", () => {
    const r = Number(at("which").value), rows = training.data.train.rows;
    at("which").setCustomValidity(Number.isInteger(r) && r >= 0 && r < rows ? "" : said("row to", {last: rows - 1}));
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
