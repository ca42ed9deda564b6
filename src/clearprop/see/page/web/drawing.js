// What stands around a stage: its tools, and where the reader is.
const element = (id) => document.getElementById(id);

const note = (tag, words) => Object.assign(document.createElement(tag), { textContent: words });

function button(words, does) {
  const made = Object.assign(document.createElement("button"), { type: "button", textContent: words });
  made.addEventListener("click", does);
  return made;
}

// The buttons above a stage.
function tools(stage) {
  element("smaller").onclick = () => stage.zoom(0.8);
  element("larger").onclick = () => stage.zoom(1.25);
  element("fit").onclick = () => stage.fit(true);
  element("full").onclick = () => stage.zoom(1 / stage.view.k);
  element("save-svg").onclick = () => saveSvg(stage);
  element("save-png").onclick = () => savePng(stage);
  element("close-all").onclick = () => stage.openTo(stage.tree.home.depth);
  const depth = element("depth");
  const deepest = Math.min(stage.tree.deepest, 9);
  depth.replaceChildren(new Option("…", ""), ...Array.from({ length: deepest }, (_, n) => new Option(String(n + 1), n + 1)));
  depth.onchange = () => { if (depth.value) stage.openTo(stage.tree.home.depth + Number(depth.value)); depth.value = ""; };
  element("folding").hidden = deepest === 0;
}

// Where the reader is: the groups around what is shown alone, and the one that was opened last, to be shown alone.
function crumbs(stage, place) {
  const { tree } = stage, way = tree.way(tree.home), { opened } = stage;
  const deeper = opened && opened.open && opened !== tree.home && tree.shown(opened) === opened ? opened : null;
  place.hidden = !tree.deepest; // it keeps its place: what is below must not move when something is opened
  const before = way.flatMap((group, n) => {
    const words = group === tree.root ? said("everything") : fullName(group);
    const last = n === way.length - 1;
    return last ? [note("strong", words)] : [button(words, () => stage.enter(group)), note("span", " \u203a ")];
  });
  const alone = deeper && said("alone").replace("{group}", fullName(deeper));
  place.replaceChildren(...before, ...(deeper ? [note("span", " \u203a "), button(alone, () => stage.enter(deeper))] : []));
}

// Keys that are pressed outside of the stage are meant for it too.
function listenEverywhere(stage) {
  document.addEventListener("keydown", (event) => {
    if (!event.defaultPrevented && !event.target.closest("input, select, textarea, button, summary, .stage")) pressed(stage(), event);
  });
}

const data = JSON.parse(element("graph").textContent);
