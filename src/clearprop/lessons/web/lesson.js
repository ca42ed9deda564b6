// A lesson's slides, and its pictures for print: every step one picture, without controls.
const byId = (id) => document.getElementById(id);
const lesson = JSON.parse(byId("lesson").textContent);
const slides = [...document.querySelectorAll(".slide")];
const showing = () => document.body.classList.contains("slides");
let slide = 0;

function turn(to) {
  if (to >= slides.length) return void (location.href = `${lesson.next}.html#slides`);
  slide = Math.max(0, to);
  slides.forEach((section, n) => section.classList.toggle("now", n === slide));
  scrollTo(0, 0);
  dispatchEvent(new Event("resize"));
}

function show(on) {
  document.body.classList.toggle("slides", on);
  byId("slides").setAttribute("aria-pressed", String(on));
  if (on) {
    // Only a person may ask for the whole screen; a page that goes on from another keeps its slides without.
    if (navigator.userActivation?.isActive) document.documentElement.requestFullscreen?.().catch(() => {});
    turn(0);
  } else if (document.fullscreenElement) document.exitFullscreen();
  dispatchEvent(new Event("resize"));
}

// --- notes: a window beside the slides, for the one who speaks
const began = Date.now();
let notes = null;
const heading = (section) => section?.querySelector("h1, h2")?.textContent ?? "";

function noted() {
  if (!notes || notes.closed) return;
  const named = (key, slots) => lesson.words[key].replace(/\{(\w+)\}/g, (_, name) => slots[name]), { document: paper } = notes;
  const line = (tag, words) => Object.assign(paper.createElement(tag), { textContent: words });
  const section = slides[slide], live = section.classList.contains("live");
  const said = live ? [byId("said").textContent, ...[...byId("chain").children].map((item) => item.textContent)] : [];
  paper.title = lesson.words.notes;
  paper.body.replaceChildren(
    line("p", named("notes slide", { n: slide + 1, all: slides.length })), line("h1", heading(section)),
    ...(live ? said : [...section.querySelectorAll("p")].map((text) => text.textContent)).map((words) => line("p", words)),
    line("h2", named("notes next", { z: heading(slides[slide + 1]) || lesson.following })),
    line("p", named("notes since", { minutes: Math.floor((Date.now() - began) / 60000) })),
  );
}

function openNotes() {
  notes = open("", "clearprop-notes", "width=560,height=640");
  if (notes) notes.document.body.style.cssText = "font: 20px/1.5 system-ui, sans-serif; margin: 24px; color-scheme: light dark";
  noted();
}
setInterval(noted, 1000);

const keys = {
  n: openNotes, f: () => show(!showing()), Escape: () => showing() && show(false),
  PageDown: () => showing() && turn(slide + 1), PageUp: () => showing() && turn(slide - 1),
};
addEventListener("keydown", (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  if (event.target.closest("input, select") && "fn".includes(event.key)) return;
  const live = slides[slide].classList.contains("live");
  const turns = showing() && !live && !event.target.closest("input, select");
  const action = keys[event.key] || (turns && { ArrowRight: keys.PageDown, ArrowLeft: keys.PageUp }[event.key]);
  if (!action || (action !== keys.f && action !== keys.n && !showing())) return;
  event.preventDefault();
  event.stopPropagation();
  action();
}, true);
byId("slides").onclick = () => show(!showing());
byId("notes").onclick = openNotes;
byId("print").onclick = () => print();
if (location.hash === "#slides") show(true);

// A lesson names its nodes, so all of them are shown where there is room to read them.
if (window.clearprop?.stage.tree.groups().length > 1 && innerWidth > 760) clearprop.stage.openTo(99);

// The drawing is given the height at which it fills the width, as far as a window goes.
function heightened() {
  const { clearprop } = window, lanes = document.querySelector(".live .lanes");
  if (!clearprop || !lanes || innerWidth <= 760 || showing() || lanes.classList.contains("stacked")) return;
  const { stage } = clearprop, { width, height } = stage.tree, fits = Math.min(1, (stage.width - 40) / width);
  const needed = Math.min(height * fits + 50, 1.15 * innerHeight);
  if (needed <= stage.height) return;
  lanes.style.height = `${Math.round(needed)}px`;
  stage.resize();
  stage.fit();
  stage.rest();
}
heightened();

// --- print ------------------------------------------------------------------------------------------------
function pictured(stage) {
  if (stage.shows === "canvas") return Object.assign(document.createElement("img"), { src: stage.canvas.toDataURL(), alt: "" });
  const made = stage.svg.cloneNode(true);
  for (const element of [made, ...made.querySelectorAll("*")]) for (const name of ["id", "tabindex"]) element.removeAttribute(name);
  const drawn = stage.tree, { x, y, k } = stage.view;
  made.setAttribute("viewBox", [x - 8, y - 8, drawn.width * k + 16, drawn.height * k + 16].join(" "));
  return made;
}

function series() {
  const { clearprop } = window, place = byId("series");
  if (!clearprop) return;
  const was = clearprop.at(), { stage } = clearprop;
  place.replaceChildren();
  stage.fit();
  for (let n = 1; n <= clearprop.length(); n += 1) {
    clearprop.go(n);
    n = clearprop.at();
    stage.rest();
    const figure = document.createElement("figure"), words = document.createElement("figcaption");
    words.append(byId("said").textContent, byId("chain").cloneNode(true));
    words.querySelector("ol").removeAttribute("id");
    figure.append(pictured(stage), words);
    place.append(figure);
  }
  clearprop.go(was);
  stage.rest();
}
addEventListener("beforeprint", series);
addEventListener("afterprint", () => byId("series").replaceChildren());
