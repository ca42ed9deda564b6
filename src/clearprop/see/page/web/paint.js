// Boxes and arrows on a canvas: while the drawing moves, and where it is too far away to be read.
const NAMES = ["paper", "ink", "soft", "arrow", "active", "alarm", ...Object.keys(KINDS).flatMap((kind) => [`${kind}-fill`, `${kind}-edge`])];
const LEGIBLE = 0.3; // the scale below which text is not painted

// The colours of the theme that the reader has now.
function theme() {
  const style = getComputedStyle(document.documentElement);
  return Object.fromEntries(NAMES.map((name) => [name, style.getPropertyValue(`--cp-${name}`).trim()]));
}

const radius = (thing) => ({ input: 9, constant: 2, module: 9 })[thing.k] || 4;

function paintBoxes(c, boxes, colours, scale) {
  for (const thing of boxes) {
    if (thing.group && thing.open) c.globalAlpha = 0.35;
    c.fillStyle = colours[`${thing.k}-fill`];
    c.beginPath();
    if (scale < LEGIBLE) c.rect(thing.x, thing.y, thing.w, thing.h);
    else c.roundRect(thing.x, thing.y, thing.w, thing.h, radius(thing));
    c.fill();
    c.globalAlpha = thing.looks && thing.looks.includes("waiting") ? 0.55 : 1;
    frame(c, thing, colours, scale);
    c.globalAlpha = 1;
  }
}

function frame(c, thing, colours, scale) {
  if (scale < 0.12 && !thing.group) return;
  const looks = thing.looks || "", chosen = looks.includes("active") || looks.includes("near");
  const alarm = thing.a || looks.includes("alarm");
  c.strokeStyle = alarm ? colours.alarm : chosen ? colours.active : colours[`${thing.k}-edge`];
  c.lineWidth = alarm || looks.includes("active") ? 3 : looks.includes("near") ? 2.5 : Math.max(1.5, 0.7 / scale);
  if (alarm) c.setLineDash([6, 3]);
  c.stroke();
  c.setLineDash([]);
  if ((thing.k === "output" || (thing.group && !thing.open)) && scale >= LEGIBLE) {
    c.lineWidth = 1;
    c.globalAlpha *= 0.45;
    c.strokeStyle = colours[`${thing.k}-edge`];
    c.beginPath();
    c.roundRect(thing.x + 3, thing.y + 3, thing.w - 6, thing.h - 6, Math.max(radius(thing) - 3, 2));
    c.stroke();
  }
}

function paintWords(c, thing, colours) {
  c.save();
  c.translate(thing.x, thing.y);
  if (thing.looks && thing.looks.includes("waiting")) c.globalAlpha = 0.55;
  for (const piece of pieces(thing)) {
    if (piece.kind === "text") {
      c.font = `${piece.looks === "title" ? "700 " : ""}${piece.looks.startsWith("small") ? SIZE.small : PLAIN}px ${FONT}`;
      c.fillStyle = piece.looks.includes("soft") ? colours.soft : colours.ink;
      c.textAlign = piece.anchor || "start";
      c.fillText(piece.words, piece.x, piece.y, piece.most);
    } else if (piece.kind === "rule") {
      c.strokeStyle = colours[`${thing.k}-edge`];
      c.lineWidth = 1;
      c.globalAlpha *= 0.45;
      c.stroke(new Path2D(piece.d));
      c.globalAlpha /= 0.45;
    } else paintPicture(c, piece, colours);
  }
  c.restore();
}

function paintPicture(c, { shown, x, y }, colours) {
  if (shown.k === "heat") {
    c.imageSmoothingEnabled = false;
    c.drawImage(raster(shown), x, y, shown.w, shown.h);
  } else if (shown.k === "line") {
    c.save();
    c.translate(x, y);
    c.strokeStyle = colours.ink;
    c.lineWidth = 1.2;
    c.stroke(new Path2D(spark(shown)));
    c.restore();
  } else {
    c.font = `${SIZE.small}px ${FONT}`;
    c.textAlign = "center";
    shown.e.forEach((words, i) => {
      const left = x + (i % shown.n) * shown.s, top = y + Math.floor(i / shown.n) * CELL, colour = shade(shown, i);
      c.fillStyle = colour;
      c.fillRect(left, top, shown.s - 1, CELL - 1);
      c.fillStyle = ink(colour);
      c.fillText(words, left + shown.s / 2 - 0.5, top + 11.8);
    });
  }
}

function paintArrow(c, arrow, colours) {
  const looks = arrow.looks || "", lit = /active|sent/.test(looks);
  c.strokeStyle = c.fillStyle = lit ? colours.active : colours.arrow;
  c.lineWidth = looks.includes("active") ? 3 : looks.includes("sent") ? 2 : 1.5;
  c.globalAlpha = looks.includes("faint") ? 0.45 : 1;
  if (looks.includes("faint")) c.setLineDash([5, 4]);
  if (looks.includes("back")) c.stroke(new Path2D(wayOf(arrow)));
  else c.stroke((arrow.line ||= new Path2D(arrow.d)));
  c.setLineDash([]);
  const tip = headOf(arrow);
  if (tip) c.fill(new Path2D(tip));
  c.globalAlpha = 1;
}

function paintHeading(c, { x, y, words }, colours) {
  c.fillStyle = colours.soft;
  c.font = `${PLAIN}px ${FONT}`;
  c.textAlign = "center";
  c.fillText(words, x, y);
}

function paintTag(c, { x, y, words }, colours) {
  const wide = words.length * 6.6 + 12;
  c.fillStyle = colours.active;
  c.beginPath();
  c.roundRect(x - wide / 2, y - 8.5, wide, 17, 8.5);
  c.fill();
  c.fillStyle = colours.paper;
  c.font = `700 11px ${FONT}`;
  c.textAlign = "center";
  c.fillText(words, x, y + 4);
}

// The way of an arrow: room for the head is left at the end where it has it.
function wayOf(arrow) {
  if (!(arrow.looks || "").includes("back") || (arrow.from && arrow.from.group && arrow.from.open) || !arrow.from) return arrow.d;
  const [[x, y], ...rest] = arrow.points;
  return (arrow.backward ||= path([[x + TIP, y], ...rest]));
}

// The head of an arrow: at its box, or where a gradient went back along it, at the box that received it.
function headOf(arrow) {
  if ((arrow.looks || "").includes("back")) {
    if (!arrow.from || (arrow.from.group && arrow.from.open)) return "";
    const [x, y] = arrow.points[0];
    return `M${tenth(x)} ${tenth(y)}l9 -4.2v8.4z`;
  }
  if (!arrow.head) return "";
  const [x, y] = arrow.points[arrow.points.length - 1];
  return `M${tenth(x)} ${tenth(y)}l-9 -4.2v8.4z`;
}

// Far away only the names of groups are written, the outer ones first, none over another.
function paintLabels(c, groups, colours, scale) {
  const taken = [];
  c.fillStyle = colours.ink;
  c.textAlign = "start";
  for (const group of groups) {
    const size = Math.min(13 / scale, group.h * 0.5, (group.w * 1.5) / Math.max(4, group.t.length));
    const x0 = group.x + 4 / scale, x1 = x0 + size * 0.62 * group.t.length, y0 = group.y, y1 = y0 + 1.2 * size;
    if (size * scale < 7 || taken.some((t) => x0 < t.x1 && x1 > t.x0 && y0 < t.y1 && y1 > t.y0)) continue;
    taken.push({ x0, x1, y0, y1 });
    c.font = `${size}px ${FONT}`;
    c.fillText(group.t, x0, y0 + size);
  }
}
