// Numbers as short text, and what the page was told.
const NONE = {"~nan": NaN, "~inf": Infinity, "~-inf": -Infinity}; // what JSON has no number for
const told = JSON.parse(document.getElementById("told").textContent, (_, v) => (typeof v === "string" && v in NONE ? NONE[v] : v));
const at = (id) => document.getElementById(id);
const short = (x, digits = 6) => {
  if (typeof x !== "number") return String(x);
  if (!Number.isFinite(x)) return Number.isNaN(x) ? "nan" : x > 0 ? "inf" : "-inf";
  const [mantissa, exponent] = x.toExponential(digits - 1).split("e"), e = Number(exponent);
  return x !== 0 && (e < -4 || e >= digits) ? `${Number(mantissa)}e${e}` : String(Number(x.toPrecision(digits)) + 0);
};
const said = (key, slots = {}) => told.words[key].replace(/\{(\w+)\}/g, (_, name) => slots[name]);
const grouped = (n) => n.toLocaleString("en"); // in any language: a dot stands before decimals
const counted = (n, one, many) => said(n === 1 ? one : many, {n: grouped(n)}); // with the sentences for one and for many
const colour = (name) => getComputedStyle(document.body).getPropertyValue(`--cp-${name}`).trim();
const array = ({kind, size, data}) => {
  const made = globalThis[kind];
  return data ? new made(bytes(data)) : new made(Number(size));
};
