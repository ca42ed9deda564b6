// Data: the page's own, sets that are drawn here, and tables that are dropped on the page.
const width = (part) => part.x.length / Math.max(1, part.rows);
const part = (t) => t && {rows: t.rows, x: array(t.x), y: array(t.y)};
const own = {train: part(told.train), test: part(told.test)};
const columns = told.names.length;
const DRAWN = {
  spirals: (t, side) => { const r = 0.1 + 0.9 * t, a = 3.5 * Math.PI * t / 2 * 1.1 + side * Math.PI; return [r * Math.sin(a), r * Math.cos(a)]; },
  rings: (t, side, chance) => { const r = side ? 0.75 + 0.2 * t : 0.4 * t, a = 2 * Math.PI * chance.uniform(); return [r * Math.cos(a), r * Math.sin(a)]; },
  xor: (t, side, chance) => { const x = 0.1 + 0.85 * chance.uniform(), y = 0.1 + 0.85 * chance.uniform(), s = chance.uniform() < 0.5 ? 1 : -1; return [s * x, s * (side ? -y : y)]; },
  moons: (t, side) => { const a = Math.PI * t; return side ? [0.5 - Math.cos(a) * 0.65 - 0.15, 0.2 - Math.sin(a) * 0.65] : [Math.cos(a) * 0.65 - 0.3, Math.sin(a) * 0.65 - 0.2]; },
  gauss: (t, side, chance) => { const c = side ? 0.45 : -0.45; return [c + 0.2 * chance.normal(), c + 0.2 * chance.normal()]; },
};
const drawable = columns === 2 && (told.kind === "truths" || (told.kind === "classes" && told.outputs >= 2));

// The median and spread of each column of the page's own rows: noise is measured in it, drawn sets fill it.
const spread = Array.from({length: columns}, (_, c) => {
  const values = Array.from({length: own.train.rows}, (_, r) => own.train.x[r * columns + c]).sort((a, b) => a - b);
  const q = (p) => values[Math.min(values.length - 1, Math.floor(p * values.length))];
  return {low: values[0], high: values[values.length - 1], scale: (q(0.84) - q(0.16)) / 2 || 1};
});
const like = (a, n) => new a.constructor(n);
const drawnSet = (name, seed, rows) => {
  const chance = new Chance(seed), x = like(own.train.x, rows * 2), y = like(own.train.y, rows);
  for (let r = 0; r < rows; r++) {
    const side = r % 2, point = DRAWN[name](Math.floor(r / 2) / Math.max(1, Math.ceil(rows / 2) - 1), side, chance);
    x[2 * r] = point[0] * 2, x[2 * r + 1] = point[1] * 2, y[r] = side;
  }
  return {rows, x, y};
};
const noisy = (p, amount, seed) => {
  if (!p || !(amount > 0)) return p;
  const chance = new Chance(seed + 7919), x = p.x.slice();
  for (let i = 0; i < x.length; i++) x[i] += amount * (spread[i % columns]?.scale ?? 1) * chance.normal();
  return {...p, x};
};

// A table as text: cells between commas, quotes around what has commas of its own.
const cells = (line) => {
  const found = [];
  let cell = "", quoted = false;
  for (let i = 0; i < line.length; i++) {
    const c = line[i];
    if (quoted) { if (c === '"' && line[i + 1] === '"') cell += c, i++; else if (c === '"') quoted = false; else cell += c; }
    else if (c === '"') quoted = true;
    else if (c === ",") found.push(cell.trim()), cell = "";
    else cell += c;
  }
  return [...found, cell.trim()];
};
const table = (text) => { // rows as the model takes them, and what is wrong with which line
  const lines = text.replace(/^\uFEFF/, "").split(/\r\n|\n|\r/), complaints = [], rows = [];
  const head = cells(lines[0] ?? "");
  const places = [...told.names, told.target].map((name) => head.indexOf(name));
  const headed = places.every((p) => p >= 0);
  if (!headed && head.some((cell) => cell === "" || !Number.isFinite(Number(cell))) && head.length !== columns + 1)
    return {complaints: [said("line columns", {wanted: [...told.names, told.target].join(", "), found: head.join(", ")})], rows};
  const named = !headed && head.some((cell) => !Number.isFinite(Number(cell)));
  const order = headed ? places : Array.from({length: columns + 1}, (_, i) => i);
  lines.forEach((line, i) => {
    if ((i === 0 && (headed || named)) || line.trim() === "") return;
    const given = cells(line), wanted = headed ? head.length : columns + 1;
    if (given.length !== wanted) return complaints.push(said("line cells", {n: i + 1, found: given.length, wanted}));
    const row = [];
    for (let c = 0; c < columns; c++) {
      const cell = given[order[c]], value = cell === "" ? NaN : Number(cell);
      if (!Number.isFinite(value)) return complaints.push(said(cell === "" ? "line empty" : "line text", {n: i + 1, column: told.names[c], cell: `"${cell}"`}));
      const [mean, scale] = told.scales[c] ?? [0, 1];
      row.push((value - mean) / scale);
    }
    const cell = given[order[columns]], known = told.classes.indexOf(cell);
    let y = told.classes.length && told.kind !== "numbers" ? known : cell === "" ? NaN : Number(cell);
    if (told.kind === "classes" && !(Number.isInteger(y) && y >= 0 && y < told.outputs)) y = NaN;
    if (told.kind === "truths" && y !== 0 && y !== 1) y = NaN;
    if (told.kind === "numbers") y = (y - told.spread[0]) / told.spread[1];
    if (!Number.isFinite(y) || (told.classes.length && known < 0 && told.kind !== "numbers")) {
      const some = told.classes.length ? "one of" : told.kind === "classes" ? "class to" : told.kind === "truths" ? "truth" : "number";
      const wanted = said(some, {names: told.classes.join(", "), last: told.outputs - 1});
      return complaints.push(said("line target", {n: i + 1, column: told.target, cell: `"${cell}"`, wanted}));
    }
    rows.push([row, y]);
  });
  return {complaints, rows};
};
const parted = (rows, seed) => { // a fifth is held out
  const order = new Chance(seed).permutation(rows.length), held = own.test ? Math.floor(rows.length / 5) : 0;
  const made = (picked) => ({
    rows: picked.length,
    x: own.train.x.constructor.from(picked.flatMap((r) => rows[r][0])),
    y: own.train.y.constructor.from(picked.map((r) => rows[r][1])),
  });
  const all = [...order];
  return {train: made(all.slice(held)), test: held ? made(all.slice(0, held)) : null};
};
