// What the tests ask of a page: short questions, answered with numbers and names.
const probes = {
  // Corners of every box on the screen.
  rectangles: (which = () => true) => clearprop.stage.tree.shownBoxes.filter(which).map((b) => {
    const [x, y] = clearprop.stage.onScreen(b), { k } = clearprop.stage.view;
    return [x, y, x + b.w * k, y + b.h * k];
  }),
  // Sizes of all text as it is seen.
  textSizes: () => [...document.querySelectorAll(".stage text")].map(
    (t) => parseFloat(getComputedStyle(t).fontSize) * clearprop.stage.view.k),
  // Pairs of neighbours that overlap, and things that leave the group that holds them.
  overlaps: () => {
    const bad = [], { tree } = clearprop.stage;
    const apart = (a, b) => a.x + a.w <= b.x + 0.5 || b.x + b.w <= a.x + 0.5 || a.y + a.h <= b.y + 0.5 || b.y + b.h <= a.y + 0.5;
    const inside = (a, g) => a.x >= g.x && a.y >= g.y + 20 && a.x + a.w <= g.x + g.w && a.y + a.h <= g.y + g.h;
    for (const g of tree.groups()) {
      if (!tree.way(g).every((above) => above.open)) continue;
      g.kids.forEach((a, i) => {
        for (const b of g.kids.slice(i + 1)) if (!apart(a, b)) bad.push([a.t, b.t]);
        if (g.parent && !inside(a, g)) bad.push([g.t, a.t]);
      });
    }
    return bad;
  },
  // Texts that reach over the frame of their box.
  textsOutside: () => [...document.querySelectorAll(".stage .box")].flatMap((box) => {
    const f = box.querySelector(".frame").getBoundingClientRect();
    const out = (r) => r.left < f.left - 1 || r.right > f.right + 1 || r.top < f.top - 1 || r.bottom > f.bottom + 2;
    return [...box.querySelectorAll("text")].filter((t) => out(t.getBoundingClientRect())).map((t) => t.textContent);
  }),
  // The place of the drawing that lies under a point of the page.
  under: ([x, y]) => {
    const r = clearprop.stage.host.getBoundingClientRect(), v = clearprop.stage.view;
    return [(x - r.left - v.x) / v.k, (y - r.top - v.y) / v.k];
  },
  // Links whose arrows are no chain from the box that made the value to the one that uses it.
  torn: () => {
    const { tree } = clearprop.stage, bad = [];
    for (const box of tree.boxes()) for (let i = 0; i < box.i.length; i += 2) {
      const source = tree.things[box.i[i]], arrows = tree.along(box.i[i], box.number, box.i[i + 1]);
      const starts = new Set(arrows.map((a) => String(a.points[0])));
      const goesOn = arrows.filter((a) => starts.has(String(a.points[a.points.length - 1]))).length;
      const ends = arrows.filter((a) => a.to === box && a.head).length, begins = arrows.filter((a) => a.from === source).length;
      if (ends !== 1 || begins !== 1 || goesOn !== arrows.length - 1) bad.push([box.id, ends, begins, goesOn]);
    }
    return bad;
  },
  // What the address should bring back.
  state: () => {
    const { view, tree, chosen } = clearprop.stage;
    return [view.k, clearprop.stage.window(), chosen && chosen.id, tree.groups().filter((g) => g.open).map((g) => g.id)];
  },
  // All that is written on the page or read aloud.
  words: () => [...document.querySelectorAll("text, p, li, h2, h3, label, summary, td, button, option, small, input, [aria-label]")]
    .flatMap((e) => [e.getAttribute("aria-label"), e.title, e.placeholder, e.children.length ? "" : e.textContent])
    .filter(Boolean).join(" "),
  // The group of this path.
  group: (path) => clearprop.stage.tree.groups().find((g) => g.path === path),
  // The canvas in place of the elements, as while it moves.
  onCanvas: () => {
    const { stage } = clearprop;
    stage.moving = true;
    stage.frame();
    clearTimeout(stage.resting);
    return stage.shows;
  },
};
window.probes = probes;
