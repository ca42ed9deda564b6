// What is seen, as a file: an SVG that needs no page around it, or a PNG.
function seenAsSvg(stage) {
  const { x, y, k } = stage.view, seen = stage.sight.within(...stage.window());
  const layer = make("g", { transform: `translate(${x} ${y}) scale(${k})` });
  const open = seen.boxes.filter((box) => box.group && box.open), closed = seen.boxes.filter((box) => !(box.group && box.open));
  for (const box of open) layer.append(boxElement(box, "seen"));
  for (const arrow of seen.arrows) layer.append(arrowElement(arrow));
  for (const box of closed) layer.append(boxElement(box, "seen"));
  layer.append(...stage.tree.headings.map(headingElement), ...stage.labels.map(tagElement));
  const sheet = make("style", {}, styleOfSvg(stage.colours));
  const paper = make("rect", { width: stage.width, height: stage.height, fill: stage.colours.paper });
  const size = { width: stage.width, height: stage.height, viewBox: `0 0 ${stage.width} ${stage.height}` };
  return new XMLSerializer().serializeToString(make("svg", { class: "clearprop", ...size }, sheet, paper, layer));
}

// The style sheet of the page's drawings, with the colours written out.
function styleOfSvg(colours) {
  const rules = [...document.styleSheets].flatMap((sheet) => [...sheet.cssRules]).map((rule) => rule.cssText);
  const own = rules.filter((rule) => rule.startsWith(".clearprop"));
  return own.join("\n").replace(/var\(--cp-([\w-]+)\)/g, (_, name) => colours[name] || "none");
}

function download(name, url) { Object.assign(document.createElement("a"), { download: name, href: url }).click(); }

function fileName(ending) { return `${(document.title.split(" - ")[0].replace(/[^\w.-]+/g, "-") || "graph").slice(0, 60)}.${ending}`; }

function saveSvg(stage) {
  const url = URL.createObjectURL(new Blob([seenAsSvg(stage)], { type: "image/svg+xml" }));
  download(fileName("svg"), url);
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

function savePng(stage) {
  const picture = new Image();
  picture.onload = () => {
    const made = Object.assign(document.createElement("canvas"), { width: stage.width * 2, height: stage.height * 2 });
    const c = made.getContext("2d");
    c.scale(2, 2);
    c.drawImage(picture, 0, 0);
    download(fileName("png"), made.toDataURL("image/png"));
  };
  picture.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(seenAsSvg(stage))}`;
}
