// Functions of numbers that JavaScript has no name for, computed as NumPy does.
const cp = {
  product: (g, d) => (g === 0 ? 0 : g * d), // a gradient of exactly 0 stays 0, also times infinity
  remainder: (x, y) => x - y * Math.floor(x / y),
  logaddexp: (x, y) => (x === y ? x + Math.LN2 : Math.max(x, y) + Math.log1p(Math.exp(-Math.abs(x - y)))),
  round: (x) => { const low = Math.floor(x), rest = x - low; return rest === 0.5 ? 2 * Math.round(x / 2) : Math.round(x); },
};
