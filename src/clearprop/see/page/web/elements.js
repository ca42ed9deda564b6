// Boxes and arrows as elements of the page: to be focused, chosen, read aloud, and saved.
const SVG = "http://www.w3.org/2000/svg";

function make(tag, attributes, ...kids) {
  const made = document.createElementNS(SVG, tag);
  for (const key in attributes) if (attributes[key] !== undefined) made.setAttribute(key, attributes[key]);
  made.append(...kids);
  return made;
}

// The id of a thing's element; its texts are called `id-value`, `id-grad`.
const elementId = (prefix, thing) => `${prefix}-${thing.id}`;

function boxElement(thing, prefix) {
  const id = elementId(prefix, thing);
  const group = make("g", { id, transform: `translate(${tenth(thing.x)} ${tenth(thing.y)})`, tabindex: 0, role: "button" });
  fillBox(group, thing, id);
  return group;
}

// Writes what a box shows into its element, anew.
function fillBox(group, thing, id) {
  const open = thing.group && thing.open;
  const looks = ["box", thing.k, open && "open", thing.a && "alarm", thing.looks];
  group.setAttribute("class", looks.filter(Boolean).join(" "));
  group.setAttribute("aria-label", spoken(thing));
  if (thing.group) group.setAttribute("aria-expanded", String(thing.open));
  const parts = [make("rect", { class: "frame", width: tenth(thing.w), height: tenth(thing.h), rx: radius(thing) })];
  if (thing.k === "output" || (thing.group && !open)) {
    const size = { width: tenth(thing.w - 6), height: tenth(thing.h - 6), rx: Math.max(radius(thing) - 3, 2) };
    parts.push(make("rect", { class: "rule", x: 3, y: 3, ...size, fill: "none" }));
  }
  for (const piece of pieces(thing)) parts.push(pieceElement(piece, id));
  group.replaceChildren(...parts);
}

function pieceElement(piece, id) {
  if (piece.kind === "rule") return make("path", { class: "rule", d: piece.d });
  if (piece.kind === "picture") return pictureElement(piece, `${id}-${piece.part}-picture`);
  const place = { id: `${id}-${piece.part}`, x: tenth(piece.x), y: tenth(piece.y), "text-anchor": piece.anchor };
  const squeeze = { textLength: piece.most, lengthAdjust: piece.most && "spacingAndGlyphs" };
  return make("text", { class: piece.looks, ...place, ...squeeze }, piece.words);
}

function pictureElement({ shown, x, y }, id) {
  const place = { id, transform: `translate(${tenth(x)} ${tenth(y)})` };
  if (shown.k === "heat") {
    const size = { width: shown.w, height: shown.h, preserveAspectRatio: "none", style: "image-rendering:pixelated" };
    return make("image", { ...place, ...size, href: (shown.url ||= bitmap(shown)) });
  }
  if (shown.k === "line") return make("path", { ...place, class: "spark", d: spark(shown) });
  const group = make("g", place);
  shown.e.forEach((words, i) => {
    const left = (i % shown.n) * shown.s, top = Math.floor(i / shown.n) * CELL, colour = shade(shown, i);
    group.append(
      make("rect", { x: tenth(left), y: top, width: tenth(shown.s - 1), height: CELL - 1, fill: colour }),
      make("text", {
        class: "small", x: tenth(left + shown.s / 2 - 0.5), y: top + 11.8, "text-anchor": "middle", style: `fill:${ink(colour)}`,
      }, words),
    );
  });
  return group;
}

// The word above a column.
const headingElement = ({ x, y, words }) => make("text", { class: "soft heading", x: tenth(x), y, "text-anchor": "middle" }, words);

// What travels along an arrow, written on it.
function tagElement({ x, y, words }) {
  const wide = words.length * 6.6 + 12;
  return make("g", { class: "label", "aria-hidden": "true", transform: `translate(${tenth(x)} ${tenth(y)})` },
    make("rect", { x: -wide / 2, y: -8.5, width: wide, height: 17, rx: 8.5 }), make("text", { y: 4 }, words));
}

// An arrow is one path: the way, and its head where it has one, filled as the way is drawn.
function arrowElement(arrow) {
  const group = make("g", { class: `edge ${arrow.looks || ""}`.trim() }, make("path", { class: "way", d: wayOf(arrow) }));
  const tip = headOf(arrow);
  if (tip) group.append(make("path", { class: "head", d: tip }));
  return group;
}
