// Functions of numbers that JavaScript has no name for, computed as NumPy does.
const cp = {
  product: (g, d) => (g === 0 ? 0 : g * d), // a gradient of exactly 0 stays 0, also times infinity
  power: (x, y) => (x === 1 || (x === -1 && Math.abs(y) === Infinity) ? 1 : Math.pow(x, y)),
  remainder: (x, y) => {
    const rest = x % y; // has the sign of x, and should have that of y
    return rest === 0 ? (y < 0 || Object.is(y, -0) ? -0 : 0) : rest < 0 !== y < 0 ? rest + y : rest;
  },
  floorDivide: (x, y) => {
    const rest = x % y, n = (x - rest) / y - (rest !== 0 && rest < 0 !== y < 0 ? 1 : 0); // also where y is infinite
    return y === 0 ? x / y : n === 0 ? (x / y) * 0 : Math.round(n);
  },
  relEntr: (x, y) => (x > 0 && y > 0 ? x * Math.log(x / y) : x === 0 && y >= 0 ? 0 : x === x && y === y ? Infinity : NaN),
  fmax: (x, y) => (Number.isNaN(x) ? y : Number.isNaN(y) ? x : Math.max(x, y)),
  copysign: (x, y) => (y < 0 || Object.is(y, -0) ? -Math.abs(x) : Math.abs(x)),
  sinc: (x) => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x)),
  logaddexp: (x, y) => (x === y ? x + Math.LN2 : Math.max(x, y) + Math.log1p(Math.exp(-Math.abs(x - y)))),
  round: (x) => { const low = Math.floor(x), rest = x - low; return rest === 0.5 ? 2 * Math.round(x / 2) : Math.round(x); },
};
