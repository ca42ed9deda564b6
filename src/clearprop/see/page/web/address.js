// The address of the page holds what is seen, so that a link or a reload shows it again.
class Address {
  constructor(stage, more = {}) {
    this.stage = stage;
    this.more = more; // what else belongs to it: a name, and how to read and write it
    for (const what of ["moved", "folded", "chosen"]) stage.on(what, () => this.later());
  }

  later() {
    clearTimeout(this.waiting);
    this.waiting = setTimeout(() => this.write(), 300);
  }

  write() {
    const { tree, view, chosen, width, height } = this.stage;
    const words = new URLSearchParams();
    words.set("zoom", view.k.toFixed(4));
    words.set("at", [(width / 2 - view.x) / view.k, (height / 2 - view.y) / view.k].map((t) => t.toFixed(1)).join(","));
    const open = tree.groups().filter((group) => group.open && group !== tree.root);
    words.set("open", open.map((group) => group.number - tree.count).join("."));
    if (tree.home !== tree.root) words.set("in", tree.home.number - tree.count);
    if (chosen) words.set("box", chosen.id);
    for (const [name, { read }] of Object.entries(this.more)) words.set(name, read());
    try {
      history.replaceState(null, "", `#${words}`);
    } catch { // a page inside a frame has no address of its own
    }
  }

  // Shows what the address says; false where it says nothing.
  restore() {
    const words = new URLSearchParams(location.hash.slice(1));
    for (const [name, { write }] of Object.entries(this.more)) if (words.has(name)) write(words.get(name));
    if (!words.has("zoom") || !words.has("at")) return false;
    const { stage } = this, { tree } = stage;
    const group = (n) => tree.groups()[Number(n)];
    for (const n of (words.get("open") || "").split(".")) if (n && group(n)) group(n).open = true;
    if (words.has("in") && group(words.get("in"))) tree.home = group(words.get("in"));
    stage.layout();
    stage.centre(...words.get("at").split(",").map(Number), Number(words.get("zoom")));
    const box = tree.things.find((thing) => thing.id === words.get("box"));
    if (box) stage.choose(box);
    stage.say("folded");
    return true;
  }
}
