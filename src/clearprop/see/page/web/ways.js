// The ways of arrows: through the corners of a plan, level at both ends, as smooth curves.
const GAP = 34, NEAR = 160; // the least and the greatest distance of two columns
const ROUND = 8; // the radius of a corner in a wire from row to row

// Joins the ends of an arrow to the corners between them. The first and last corner are where the plan has the ends;
// `clear` is the right end of the column, up to which the arrow stays level.
function joined(start, clear, corners, end) {
  const points = [start], first = corners[0], last = corners[corners.length - 1], inner = corners.slice(1, -1);
  const away = (a, b) => Math.abs(a[1] - b[1]) > 0.5;
  let x = start[0];
  if (clear > x + 1) points.push([(x = clear), start[1]]);
  if (inner.length && inner[0][0] <= x + 1 && !away(inner[0], first)) inner.shift();
  turnAtEnds(inner, x, first, start, last, end);
  const next = inner[0] || end;
  if (next[0] - x > NEAR && away(first, start)) points.push([x + GAP, first[1]]);
  points.push(...inner);
  const before = points[points.length - 1];
  if (end[0] - before[0] > NEAR && away(last, end)) points.push([end[0] - GAP, last[1]]);
  points.push(end);
  return points;
}

// Where a row ends right behind a box, or begins right before one, the wire turns at the height of the box as it is.
function turnAtEnds(inner, x, first, start, last, end) {
  if (inner.length < 2) return;
  const head = inner[0], tail = inner[inner.length - 1];
  if (head[0] - x <= NEAR && head[1] === first[1]) inner[0] = [head[0], start[1]];
  if (end[0] - tail[0] <= NEAR && tail[1] === last[1]) inner[inner.length - 1] = [tail[0], end[1]];
}

function towards(from, corner) {
  const far = Math.max(Math.abs(corner[0] - from[0]), Math.abs(corner[1] - from[1]), 1e-9);
  const share = Math.min(ROUND, far / 2) / far;
  return [corner[0] + (from[0] - corner[0]) * share, corner[1] + (from[1] - corner[1]) * share];
}

const tenth = (t) => Math.round(t * 10) / 10;

// An arrow's way as path data, as the drawings of `draw(...).to_svg()` have it.
function path(points) {
  let [x, y] = points[0];
  let data = `M${tenth(x)} ${tenth(y)}`;
  for (let i = 1; i < points.length; i++) {
    let [a, b] = points[i];
    const next = points[i + 1];
    if (Math.abs(a - x) < 0.5 || (next && Math.abs(next[0] - a) < 0.5)) { // around the end of a row
      const before = towards([x, y], [a, b]), after = towards(next || [a, b], [a, b]);
      data += `L${tenth(before[0])} ${tenth(before[1])}Q${tenth(a)} ${tenth(b)} ${tenth(after[0])} ${tenth(after[1])}`;
      [a, b] = after;
    } else if (Math.abs(b - y) < 0.5) data += `L${tenth(a)} ${tenth(b)}`;
    else {
      const bend = (a - x) / 2;
      data += `C${tenth(x + bend)} ${tenth(y)} ${tenth(a - bend)} ${tenth(b)} ${tenth(a)} ${tenth(b)}`;
    }
    [x, y] = [a, b];
  }
  return data;
}

function bounds(points) {
  let x0 = Infinity, x1 = -Infinity, y0 = Infinity, y1 = -Infinity;
  for (const [x, y] of points) {
    x0 = Math.min(x0, x); x1 = Math.max(x1, x);
    y0 = Math.min(y0, y); y1 = Math.max(y1, y);
  }
  return { x0, x1, y0, y1 };
}
