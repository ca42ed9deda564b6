// What is known of the chosen box, and its neighbours as links that lead there.
class Panel {
  constructor(stage, place) {
    this.stage = stage;
    this.place = place;
    stage.on("chosen", (thing) => this.show(thing));
  }

  show(thing) {
    this.place.hidden = !thing;
    if (!thing) return;
    const kind = thing.group ? [thing.f] : [thing.op && said("box op").replace("{op}", thing.op), thing.l];
    const lines = [...kind, valueOf(thing), gradOf(thing)];
    const close = button("\u00d7", () => this.stage.choose(null));
    close.setAttribute("aria-label", said("box close"));
    close.className = "close";
    this.place.replaceChildren(
      close,
      note("h2", fullHead(thing)),
      ...lines.filter(Boolean).map((line) => note("p", line)),
      ...(thing.group ? [this.doors(thing)] : []),
      ...this.neighbours(said("box from"), this.near(thing, "ins", 0)),
      ...this.neighbours(said("box to"), this.near(thing, "outs", 1)),
    );
  }

  // Opening in place and alone, and for a run of layers, going to one of them.
  doors(group) {
    const place = document.createElement("p");
    place.className = "doors";
    const turn = () => { this.stage.toggle(group); this.show(group); };
    place.append(button(said(group.open ? "box close" : "box open it"), turn), button(said("box enter"), () => this.stage.enter(group)));
    const last = group.kids.filter((kid) => kid.group).length;
    if (group.sealed && last > 3) {
      const field = document.createElement("input");
      Object.assign(field, { type: "number", min: 0, max: last - 1, placeholder: said("box layers").replace("{last}", last - 1) });
      field.setAttribute("aria-label", said("box layer"));
      field.addEventListener("change", () => {
        const found = group.kids.filter((kid) => kid.group)[field.valueAsNumber];
        if (found) this.stage.reveal(found);
      });
      place.append(field);
    }
    return place;
  }

  near(thing, side, which) {
    const links = this.stage.tree.links(thing)[side];
    return [...new Set(links.map((link) => link[which]))].map((n) => this.stage.tree.things[n]);
  }

  neighbours(title, things) {
    if (!things.length) return [];
    const list = document.createElement("ul");
    for (const thing of things.slice(0, 40)) {
      const item = document.createElement("li");
      item.append(button(fullHead(thing), () => this.stage.reveal(thing, Math.max(this.stage.view.k, EASY))));
      list.append(item);
    }
    if (things.length > 40) list.append(note("li", said("more found").replace("{n}", things.length - 40)));
    return [note("h3", title), list];
  }
}
