// The page of a drawing: a stage with its tools, its panel, its search, and its address.
const element = (id) => document.getElementById(id);

// The buttons above a stage.
function tools(stage) {
  element("smaller").onclick = () => stage.zoom(0.8);
  element("larger").onclick = () => stage.zoom(1.25);
  element("fit").onclick = () => stage.fit();
  element("full").onclick = () => stage.zoom(1 / stage.view.k);
  element("save-svg").onclick = () => saveSvg(stage);
  element("save-png").onclick = () => savePng(stage);
  element("close-all").onclick = () => stage.openTo(stage.tree.home.depth);
  const depth = element("depth");
  const deepest = Math.min(stage.tree.deepest, 9);
  depth.append(new Option("…", ""), ...Array.from({ length: deepest }, (_, n) => new Option(String(n + 1), n + 1)));
  depth.onchange = () => { if (depth.value) stage.openTo(stage.tree.home.depth + Number(depth.value)); depth.value = ""; };
  element("folding").hidden = deepest === 0;
}

// Where the reader is: the groups around what is shown alone.
function crumbs(stage, place) {
  const { tree } = stage, way = tree.way(tree.home);
  place.hidden = way.length === 1;
  place.replaceChildren(...way.flatMap((group, n) => {
    const words = group === tree.root ? "Everything" : fullName(group);
    const last = n === way.length - 1;
    return last ? [note("strong", words)] : [button(words, () => stage.enter(group)), note("span", " \u203a ")];
  }));
}

const data = JSON.parse(element("graph").textContent);

function start() {
  const stage = new Stage(element("stage"), data), address = new Address(stage);
  new Panel(stage, element("panel"));
  new Search(stage, element("find"), element("hits"));
  tools(stage);
  stage.on("folded", () => crumbs(stage, element("way")));
  if (!address.restore()) stage.begin(data.depth, data.expand);
  stage.rest();
  window.clearprop = { stage, data };
}
start();
