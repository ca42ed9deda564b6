// Numbers as short text, and what the page was told.
const told = JSON.parse(document.getElementById("told").textContent);
const at = (id) => document.getElementById(id);
const short = (x, digits = 6) => {
  if (typeof x !== "number") return String(x);
  if (!Number.isFinite(x)) return Number.isNaN(x) ? "nan" : x > 0 ? "inf" : "-inf";
  const text = Number(x.toPrecision(digits)).toString();
  return text.replace("e+", "e");
};
const colour = (name) => getComputedStyle(document.body).getPropertyValue(`--cp-${name}`).trim();
const array = ({kind, size, data}) => {
  const made = globalThis[kind];
  return data ? new made(bytes(data)) : new made(Number(size));
};
