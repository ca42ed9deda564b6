// The page of a drawing: a stage with its tools, its panel, its search, and its address.
function start() {
  const stage = new Stage(element("stage"), data), address = new Address(stage);
  new Panel(stage, element("panel"));
  new Search(stage, element("find"), element("hits"));
  tools(stage);
  listenEverywhere(() => stage);
  stage.on("folded", () => crumbs(stage, element("way")));
  crumbs(stage, element("way"));
  if (!address.restore()) stage.begin(data.depth, data.expand);
  stage.rest();
  window.clearprop = { stage, data };
}
start();
