// What printed programs call: numbers that NumPy has and JavaScript lacks, and random draws.
const F = Math.fround;
const whole = (x) => {
  if (!(Math.abs(x) <= 9007199254740992)) throw new RangeError("an int64 beyond 2**53: " + x);
  return x + 0; // no integer is -0
};
const within = (x, low, high) => {
  const n = Math.trunc(x);
  if (!(n >= low && n <= high)) throw new RangeError("a number that the integers do not reach: " + x);
  return n;
};
const truth = (x) => (x == 0 ? 0 : 1); // also 0n
const signed = (x) => (x > 0 ? 1 : x < 0 ? -1 : x === 0 ? 0 : NaN);
const even = (x) => {
  const last = 4503599627370496; // from here on every number is whole
  if (!(Math.abs(x) < last)) return x;
  const n = x < 0 ? x - last + last : x + last - last;
  return n === 0 ? x * 0 : n;
};

const one = new Float64Array(1), parts = new Uint32Array(one.buffer);
const half = (x) => { // a float16: eleven bits, the exponents from -14 to 15
  if (!(Math.abs(x) < Infinity)) return x;
  one[0] = x;
  const unit = 2 ** (Math.max(((parts[1] >>> 20) & 2047) - 1023, -14) - 10);
  const z = even(x / unit) * unit;
  return Math.abs(z) > 65504 ? z * Infinity : z;
};

// Integers: division towards minus infinity, and what needs all 64 bits.
const cut = (a, b) => (b === 0 ? 0 : (a % b) + 0);
const rest = (a, b) => {
  const r = cut(a, b);
  return r !== 0 && r < 0 !== b < 0 ? r + b : r;
};
const over = (a, b) => (b === 0 ? 0 : (a - rest(a, b)) / b);
const bits = (a, b, op) => Number(BigInt.asIntN(64, op(BigInt(a), BigInt(b))));
const powers = (a, b, size) => {
  if (b < 0) throw new RangeError("an integer to the power of a negative one");
  let z = 1n, x = BigInt(a);
  for (; b > 0; b = Math.floor(b / 2), x = BigInt.asIntN(size, x * x)) if (b % 2) z = BigInt.asIntN(size, z * x);
  return whole(Number(z));
};
const gcd = (a, b) => {
  while (b !== 0) [a, b] = [b, a % b];
  return Math.abs(a);
};

// Sums: what rounding loses of each term is added up beside them [Neumaier 1974].
const lost = (s, x, t) => (Math.abs(s) >= Math.abs(x) ? s - t + x : x - t + s);
const added = (s, c) => (Number.isFinite(c) ? s + c : s);
const place = (k, n) => {
  const i = k < 0 ? k + n : k;
  if (!(i >= 0 && i < n)) throw new RangeError(`index ${k} is out of bounds for an axis of ${n}; nothing was assigned`);
  return i;
};
const ascending = (a, b) => (a < b ? -1 : a > b ? 1 : a === b ? 0 : a === a ? -1 : b === b ? 1 : 0); // NaN last
const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer;

// Philox4x64-10 [Salmon et al. 2011], each word of 64 bits as two halves, the lower one first.
const upper = (x, y) => {
  const a = x & 65535, b = x >>> 16, c = y & 65535, d = y >>> 16;
  const p = b * c + ((a * c) >>> 16), q = a * d + (p & 65535);
  return b * d + (p >>> 16) + (q >>> 16);
};
const product = (low, high, f, g, z) => { // z: the four halves of (high, low) times (g, f)
  const t = upper(low, f) + (Math.imul(low, g) >>> 0) + (Math.imul(high, f) >>> 0);
  const u = upper(low, g) + upper(high, f) + (Math.imul(high, g) >>> 0) + Math.floor(t / 4294967296);
  z[0] = Math.imul(low, f), z[1] = t, z[2] = u, z[3] = upper(high, g) + Math.floor(u / 4294967296);
};
const plus = (k, low, high) => { // k += (high, low)
  const t = k[0] + low;
  k[1] += high + (t > 4294967295 ? 1 : 0), k[0] = t;
};
const [first, second, key0, key1, words] = [4, 4, 2, 2, 8].map((n) => new Uint32Array(n));
const philox = (block, calls, key) => { // the eight halves of four words for the counter (block, calls, 0, 0)
  words.fill(0);
  words[0] = block, words[1] = block / 4294967296, words[2] = Number(calls & 0xffffffffn), words[3] = Number(calls >> 32n);
  key0[0] = Number(key & 0xffffffffn), key0[1] = Number(key >> 32n), key1.fill(0);
  for (let round = 0; round < 10; round++) {
    product(words[0], words[1], 0xe14c6c93, 0xd2e7470e, first);
    product(words[4], words[5], 0x95121157, 0xca5a8263, second);
    words[0] = second[2] ^ words[2] ^ key0[0], words[1] = second[3] ^ words[3] ^ key0[1];
    words[4] = first[2] ^ words[6] ^ key1[0], words[5] = first[3] ^ words[7] ^ key1[1];
    words[2] = second[0], words[3] = second[1], words[6] = first[0], words[7] = first[1];
    plus(key0, 0x7f4a7c15, 0x9e3779b9), plus(key1, 0x84caa73b, 0xbb67ae85);
  }
  return words;
};
const uniform = (state, z, double) => { // numbers in [0, 1): 53 bits of a word each, or 24 of half a word
  const each = double ? 4 : 8;
  for (let i = 0; i < z.length; i++) {
    const k = i % each;
    if (k === 0) philox(i / each + 1, state[1], state[0]);
    z[i] = double ? ((words[2 * k + 1] * 2097152) + (words[2 * k] >>> 11)) / 9007199254740992 : (words[k] >>> 8) / 16777216;
  }
};
