// What stands in a box, piece by piece, for whoever paints it: a canvas, the elements of the page, a file.
const ROW = 25, MARGIN = 10, WIDE = 7.53, SMALL = 6.35, CAPTION = 17, CELL = 17; // pixels; the widths of a character, and of a small one
const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const LEVEL = Object.fromEntries([...LETTERS].map((letter, n) => [letter, n]));
const FONT = "ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono','Liberation Mono',monospace";
const SIZE = { small: 10.5 }, PLAIN = 12.5;

// How many characters' room a text takes: a wide letter or picture that of two, a mark above another none.
const MARK = /[\p{M}\p{Cf}]/u;
const BROAD = /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u;
const columns = (text) => (/^[ -~]*$/.test(text) ? text.length : [...text].reduce((n, c) => n + (MARK.test(c) ? 0 : BROAD.test(c) ? 2 : 1), 0));

// A text in at most so many columns: of a longer one its beginning and its end.
function clipped(text, most) {
  if (columns(text) <= most) return text;
  const behind = Math.floor(most / 3), letters = [...text];
  return `${front(letters, most - 1 - behind).join("")}\u2026${front(letters.reverse(), behind).reverse().join("")}`;
}
function front(letters, most) {
  let taken = 0;
  const end = letters.findIndex((letter) => (taken += columns(letter)) > most);
  return end < 0 ? letters : letters.slice(0, end);
}

// The title of a box and the rest of its first line, as they are drawn.
function head(thing) {
  const [most, line] = thing.narrow ? [32, 34] : [44, 72], title = clipped(thing.t, most);
  const rest = [thing.n, thing.o].filter(Boolean).join(" ");
  return [title, clipped(rest, Math.max(line - columns(title) - 1, 6))];
}

let wording = {}; // of the page, in its language
const said = (key) => wording[key];

// The whole name of a thing, where what is drawn leaves out what the box around it says.
function fullName(thing) {
  if (!thing.r) return thing.t;
  let around = thing.parent;
  while (!around.path) around = around.parent;
  return `${around.path}.${thing.t}`;
}
const fullHead = (thing) => [fullName(thing), thing.n, thing.o].filter(Boolean).join(" ");
const valueOf = (thing) => thing.value ?? thing.v ?? "";
const gradOf = (thing) => thing.grad ?? thing.g ?? "";

// What a screen reader says of a thing.
function spoken(thing) {
  if (!thing.group) return [fullHead(thing), thing.l, valueOf(thing), gradOf(thing)].filter(Boolean).join(", ");
  const does = thing.open ? said("box open") : said("box closed");
  return [fullHead(thing), thing.f, valueOf(thing), gradOf(thing), does].filter(Boolean).join(", ");
}

// Pieces: `text` at its base line, `rule` (a thin line as path data), `picture` in its corner.
function pieces(thing) {
  const found = [];
  if (thing.stub) return [{ kind: "text", x: MARGIN, y: 17, words: clipped(thing.t, 44), looks: "title", part: "title" }];
  const text = (x, y, words, looks, part, anchor, most) => {
    found.push({ kind: "text", x, y, words, looks, part, anchor, most });
  };
  if (thing.group && thing.open) {
    text(MARGIN, 19, `\u2212 ${thing.t}`, "title", "title");
    if (thing.o) text(MARGIN + (columns(thing.t) + 3) * WIDE, 19, thing.o, "note", "note");
    return found;
  }
  const sign = thing.group ? "+ " : "";
  const [title, rest] = head(thing);
  text(MARGIN, 17, sign + title, "title", "title");
  if (rest) text(MARGIN + (sign.length + columns(title) + 1) * WIDE, 17, rest, "note", "note");
  if (thing.l) {
    if (thing.narrow) text(MARGIN, ROW + 16.5, thing.l, "small soft", "label");
    else text(thing.w - MARGIN, 16.5, thing.l, "small soft", "label", "end");
    body(thing, found, text);
  } else scalar(thing, found, text);
  if (thing.f && (thing.l || thing.group)) text(MARGIN, thing.h - 8, thing.f, "small soft", "footer");
  return found;
}

// Where the first line ends, or the second, where the value has one of its own.
const headEnd = (thing) => (thing.narrow && (thing.l || thing.v) ? 2 * ROW : ROW);

function scalar(thing, found, text) {
  const value = valueOf(thing), grad = gradOf(thing), top = headEnd(thing);
  if (value && thing.narrow) text(MARGIN, ROW + 17, value, "value", "value", undefined, squeezed(value, thing.w - 20));
  else if (value) {
    const title = columns(head(thing).filter(Boolean).join(" ")) + (thing.group ? 2 : 0);
    text(thing.w - MARGIN, 17, value, "value", "value", "end", squeezed(value, thing.w - 32 - title * WIDE));
    const x = tenth(thing.w - 1.5 * MARGIN - Math.max(value.length, (thing.v || "").trim().length) * WIDE);
    found.push({ kind: "rule", d: `M${x} 0v${ROW}` });
  }
  if (thing.h <= top) return;
  found.push({ kind: "rule", d: `M0 ${top}h${thing.w}` });
  if (grad || thing.g) text(MARGIN, top + 17, grad, "grad", "grad", undefined, squeezed(grad, thing.w - 20));
}

// The room of a text that is longer than its box was measured for, as after a change of an input.
const squeezed = (words, room) => (words.length * WIDE > room + 1 && room > 0 ? room : undefined);

// An array's value and gradient: below each other for vectors, side by side for matrices.
function body(thing, found, text) {
  const both = [["value", valueOf(thing), thing.v, thing.p], ["grad", gradOf(thing), thing.g, thing.q]];
  const entries = both.filter((entry) => entry[1] || entry[2]);
  const top = headEnd(thing);
  if (entries.length) found.push({ kind: "rule", d: `M0 ${top}h${thing.w}` });
  const below = stacked(thing);
  const indent = Math.max(0, ...entries.map((entry) => (entry[2] || "").length)) * SMALL + MARGIN;
  let x = MARGIN, y = top + 4;
  for (const [part, words, room, shown] of entries) {
    const hidden = thing.hides && thing.hides[part];
    if (below) {
      const tall = Math.max(20, shown ? shown.h + 6 : 0);
      text(x, y + tall / 2 + 3, words, `small ${part}`, part);
      if (shown && !hidden) found.push({ kind: "picture", x: x + indent, y: y + (tall - shown.h) / 2, shown, part });
      y += tall;
    } else {
      text(x, y + 11, words, `small ${part}`, part);
      if (shown && !hidden) found.push({ kind: "picture", x, y: y + CAPTION, shown, part });
      if (thing.narrow) y += CAPTION + (shown ? shown.h : 0) + 8;
      else x += Math.max((room || "").length * SMALL, shown ? shown.w : 0) + 2 * MARGIN;
    }
  }
}

const stacked = (thing) => !thing.p || thing.p.k === "line" || (thing.p.k === "cells" && thing.p.c.length === thing.p.n);

// --- pictures of arrays ------------------------------------------------------------------------------------
// The colour of each entry, of the palette that the page was given.
const shade = (shown, i) => data.palette[LEVEL[shown.c[i]]];

// A heat map as a canvas of a pixel an entry, painted when it first comes into sight.
function raster(shown) {
  if (shown.raster) return shown.raster;
  const made = document.createElement("canvas"), rows = shown.c.length / shown.n;
  [made.width, made.height] = [shown.n, rows];
  const context = made.getContext("2d");
  for (let i = 0; i < shown.c.length; i++) {
    context.fillStyle = shade(shown, i);
    context.fillRect(i % shown.n, Math.floor(i / shown.n), 1, 1);
  }
  return (shown.raster = made);
}

// The same as the address of a bitmap, for elements: a header, the palette, the rows from the last to the first.
function bitmap(shown) {
  const rows = shown.c.length / shown.n, padded = Math.ceil(shown.n / 4) * 4, start = 54 + 4 * 64;
  const word = (n) => String.fromCharCode(n & 255, (n >> 8) & 255, (n >> 16) & 255, (n >> 24) & 255);
  const colour = (hex) => String.fromCharCode(...[5, 3, 1].map((i) => parseInt(hex.slice(i, i + 2), 16)), 0);
  const palette = Array.from({ length: 64 }, (_, n) => colour(data.palette[n] || "#000000")).join("");
  let cells = "";
  for (let i = rows - 1; i >= 0; i--) {
    for (let j = 0; j < padded; j++) cells += String.fromCharCode(j < shown.n ? LEVEL[shown.c[i * shown.n + j]] : 0);
  }
  const numbers = [start + cells.length, 0, start, 40, shown.n, rows, 1 | (8 << 16), 0, cells.length, 0, 0, 64, 0];
  return `data:image/bmp;base64,${btoa(`BM${numbers.map(word).join("")}${palette}${cells}`)}`;
}

// A line through the entries, and the level of 0, as path data.
function spark(shown) {
  const step = shown.w / Math.max(shown.c.length - 1, 1), down = (n) => 2 + ((63 - n) / 62) * (shown.h - 4);
  let line = "", pen = "M";
  for (let i = 0; i < shown.c.length; i++) {
    const n = LEVEL[shown.c[i]];
    if (!n) pen = "M";
    else { line += `${pen}${tenth(i * step)} ${tenth(down(n))}`; pen = "L"; }
  }
  return line;
}

// Black or white, whichever can be read on a colour.
function ink(colour) {
  const [red, green, blue] = [1, 3, 5].map((i) => parseInt(colour.slice(i, i + 2), 16));
  return 0.3 * red + 0.59 * green + 0.11 * blue < 140 ? "#ffffff" : "#1b1f24";
}
