// Recorded losses as curves over the steps, on a scale of powers of ten, up to the step that the slider names.
const place = document.getElementById("curves"), { words } = JSON.parse(document.getElementById("lesson").textContent);
const { series } = JSON.parse(document.getElementById("curves-told").textContent);
const space = "http://www.w3.org/2000/svg", names = Object.keys(series), steps = series[names[0]].length;
const draw = (tag, how, text = "") => {
  const made = document.createElementNS(space, tag);
  for (const [name, value] of Object.entries(how)) made.setAttribute(name, value);
  made.textContent = text;
  return made;
};
const all = names.flatMap((name) => series[name]).filter((loss) => loss > 0).map(Math.log10);
const low = Math.max(Math.floor(Math.min(...all)), -16), high = Math.min(Math.ceil(Math.max(...all)), 24);
const x = (n) => 56 + (530 * n) / (steps - 1), y = (loss) => 190 - (175 * (Math.min(high, Math.max(low, Math.log10(loss))) - low)) / (high - low || 1);

const chart = draw("svg", { viewBox: "0 0 600 214", class: "chart", role: "img", "aria-label": names.join(", ") });
const lines = draw("g", {}), said = Object.assign(document.createElement("p"), { id: "curves-said" });
for (let power = low; power <= high; power += Math.ceil((high - low) / 6) || 1) {
  const at = y(10 ** power);
  chart.append(draw("line", { x1: 56, x2: 586, y1: at, y2: at, class: "rule" }), draw("text", { x: 50, y: at + 4, class: "soft", "text-anchor": "end" }, `1e${power}`));
}
chart.append(draw("text", { x: 586, y: 208, class: "soft", "text-anchor": "end" }, `${steps}`), lines);
const bar = document.createElement("p"), play = document.createElement("button");
const slider = Object.assign(document.createElement("input"), { type: "range", min: 1, max: steps, value: steps, id: "curves-step" });
slider.setAttribute("aria-label", words.curves);
play.type = "button";
play.textContent = "\u25b6";
play.setAttribute("aria-label", words.curves);
bar.className = "bar curves";
bar.append(play, slider);
const legend = document.createElement("p");
legend.className = "legend";
legend.append(...names.map((name, n) => {
  const made = document.createElement("span");
  made.className = n ? "two" : "one";
  made.textContent = name;
  return made;
}));
place.append(legend, chart, bar, said);

function show() {
  const until = Number(slider.value);
  lines.replaceChildren(...names.map((name, n) => {
    const points = series[name].slice(0, until).flatMap((loss, k) => (loss > 0 ? [`${x(k)},${y(loss)}`] : []));
    return draw("polyline", { points: points.join(" "), class: `curve ${n ? "two" : "one"}` });
  }));
  const now = names.map((name) => {
    const loss = series[name][until - 1];
    return `${name} ${loss === null ? words["not finite"] : loss < 1e6 ? Number(loss.toPrecision(4)) : loss.toExponential(2)}`;
  });
  said.textContent = words["at step"].replace("{n}", until).replace("{values}", now.join("; "));
}
slider.oninput = show;
let timer = null;
play.onclick = () => {
  clearInterval(timer);
  slider.value = 1;
  timer = setInterval(() => {
    slider.value = Number(slider.value) + 1;
    show();
    if (Number(slider.value) >= steps) clearInterval(timer);
  }, 60);
};
show();
