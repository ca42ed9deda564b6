// Questions about the steps: a number that is not shown yet, asked for, and explained by the chain of its step.
class Quiz {
  constructor(asked) {
    this.asked = asked;
    this.right = this.tried = 0;
    element("quiz-form").addEventListener("submit", (event) => { event.preventDefault(); this.check(); });
    element("quiz-show").onclick = () => this.tell(this.closed ? "" : say("quiz answer", { answer: text(this.answer()) }));
    element("quiz-next").onclick = () => this.next();
    element("quiz-level").onchange = () => this.begin();
    element("quiz-other").onclick = () => this.otherNumbers();
    element("quiz-other").hidden = !fields.length;
    this.begin(false);
  }

  begin(moves = true) {
    const level = Number(element("quiz-level").value);
    this.list = this.asked.filter((question) => question.level === level);
    this.at = -1;
    this.next(moves);
  }

  // Asks, with the drawing as it was before the number was known.
  next(moves = true) {
    this.at = (this.at + 1) % Math.max(1, this.list.length);
    this.now = this.list[this.at] || null;
    this.closed = !this.now;
    const lane = lanes.topological;
    element("quiz-asks").textContent = this.now ? fill(this.now.asks, lane, lane.steps[this.now.step] || {}) : say("quiz none");
    element("quiz-answer").value = "";
    element("quiz-said").textContent = "";
    element("quiz-said").className = "verdict";
    element("quiz-chain").replaceChildren();
    if (moves && this.now) this.uncover(lane.steps[this.now.explain[0]]);
    if (moves && this.now) { play(false); go(this.now.step); element("quiz-answer").focus({ preventScroll: true }); }
  }

  // Opens what hides the node that is asked about.
  uncover(step) {
    const { stage } = window.clearprop, { tree } = stage;
    const things = [step.node, step.input].flatMap((n) => (n === undefined ? [] : [tree.things[story.nodes[n].box]]));
    const closed = things.flatMap((thing) => tree.way(thing).filter((group) => group !== thing && !group.open));
    if (!closed.length) return;
    for (const group of closed) group.open = true;
    stage.layout();
    stage.fit();
    stage.say("folded");
  }

  answer() {
    const { answer } = this.now;
    if (typeof answer === "number") return answer;
    const [what, n] = answer;
    return what === "value" ? story.nodes[n].value : lanes.topological.steps[n].numbers[what];
  }

  check() {
    const given = element("quiz-answer").valueAsNumber;
    if (this.closed) return this.now && this.next();
    if (!Number.isFinite(given)) return this.say(say("quiz no number"), "");
    const looked = position > this.now.step;
    const right = fits(given, this.answer());
    if (!looked) { this.tried += 1; this.right += right ? 1 : 0; }
    element("quiz-score").textContent = this.tried ? say("quiz score", { n: this.right, all: this.tried }) : "";
    if (right) this.tell(looked ? say("quiz looked") : say("quiz right"), "right");
    else this.say(say("quiz wrong"), "wrong");
  }

  say(words, kind) {
    element("quiz-said").textContent = words;
    element("quiz-said").className = `verdict ${kind}`;
  }

  // Says what is right, shows the step, and its chain.
  tell(words, kind = "") {
    if (!this.now) return;
    this.closed = true;
    this.say(words, kind);
    const lane = lanes.topological, steps = this.now.explain.map((n) => lane.steps[n]);
    element("quiz-chain").replaceChildren(...steps.flatMap((step) => step.chain.map((line) => note("li", fill(line, lane, step)))));
    go(Math.max(...this.now.explain) + 1);
  }

  // Small whole numbers in place of the inputs, and the same questions again.
  otherNumbers() {
    for (const field of fields) {
      field.value = String((1 + Math.floor(5 * Math.random())) * (Math.random() < 0.3 ? -1 : 1));
      field.dispatchEvent(new Event("input"));
    }
    this.at -= 1;
    this.next();
  }
}

// Whether an answer agrees with a number in three digits.
function fits(given, right) {
  if (right === 0) return Math.abs(given) < 5e-4;
  const unit = 10 ** (Math.floor(Math.log10(Math.abs(right))) - 2);
  return Math.abs(given - right) <= 0.5000001 * unit;
}
window.clearprop.quiz = new Quiz(story.questions);
