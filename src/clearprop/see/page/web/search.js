// The search: an op, a name or path, a shape; Enter opens the way to what was found.
const MOST_HITS = 30;

class Search {
  constructor(stage, field, list) {
    Object.assign(this, { stage, field, list, hits: [], at: 0 });
    field.addEventListener("input", () => this.look());
    field.addEventListener("keydown", (event) => this.key(event));
    field.addEventListener("blur", () => setTimeout(() => this.close(), 200));
    document.addEventListener("keydown", (event) => {
      if (event.key !== "/" || event.target.closest("input, select, textarea")) return;
      event.preventDefault();
      field.focus();
      field.select();
    });
  }

  // What holds all the words, in its title, name, shape or path; what begins with them comes first.
  found(text) {
    const words = text.toLowerCase().split(/\s+(?![^(]*\))/).filter(Boolean);
    if (!words.length) return [];
    const { tree } = this.stage, scored = [];
    for (const thing of tree.things) {
      if (thing === tree.root) continue;
      const own = `${fullHead(thing)} ${thing.l || ""} ${thing.op || ""}`.toLowerCase();
      if (!words.every((word) => own.includes(word))) continue;
      const exact = [thing.t, thing.n, fullName(thing)].some((name) => name && name.toLowerCase() === text.toLowerCase());
      scored.push([exact ? 0 : own.startsWith(words[0]) ? 1 : 2, thing]);
    }
    return scored.sort((a, b) => a[0] - b[0]).map((entry) => entry[1]);
  }

  look() {
    const all = this.found(this.field.value);
    this.hits = all.slice(0, MOST_HITS);
    this.at = 0;
    this.list.replaceChildren(...this.hits.map((thing, n) => {
      const item = note("li", fullHead(thing));
      item.id = `hit-${n}`;
      item.setAttribute("role", "option");
      item.append(note("small", this.stage.tree.way(thing).slice(1, -1).map(fullName).pop() || thing.l || ""));
      item.addEventListener("pointerdown", (event) => { event.preventDefault(); this.go(thing); });
      return item;
    }));
    if (this.field.value && !all.length) this.list.append(note("li", said("nothing found")));
    if (all.length > MOST_HITS) this.list.append(note("li", said("more found").replace("{n}", all.length - MOST_HITS)));
    this.list.hidden = !this.field.value;
    this.field.setAttribute("aria-expanded", String(!this.list.hidden));
    this.mark();
  }

  mark() {
    [...this.list.children].forEach((item, n) => item.setAttribute("aria-selected", String(n === this.at)));
    this.list.children[this.at]?.scrollIntoView({ block: "nearest" });
    this.field.setAttribute("aria-activedescendant", this.hits.length ? `hit-${this.at}` : "");
  }

  key(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && this.hits.length) this.at = (this.at + step + this.hits.length) % this.hits.length;
    else if (event.key === "Enter" && this.hits[this.at]) this.go(this.hits[this.at]);
    else if (event.key === "Escape") { this.close(); this.stage.host.focus(); }
    else return;
    event.preventDefault();
    if (step) this.mark();
  }

  go(thing) {
    this.close();
    this.stage.reveal(thing);
    this.stage.host.focus({ preventScroll: true });
    this.stage.focus(thing);
  }

  close() {
    this.list.hidden = true;
    this.field.setAttribute("aria-expanded", "false");
  }
}
