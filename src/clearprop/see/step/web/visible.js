// The steps as far as they can be seen: what happens inside a closed group is one step, with a sentence of its own.
function visibleSteps(lane, tree) {
  const found = [];
  lane.steps.forEach((step, n) => {
    const thing = tree.shown(tree.things[story.nodes[step.node].box]), last = found[found.length - 1];
    const closed = !thing || thing.group;
    if (last && last.closed && closed && last.thing === thing && last.kind === step.kind) last.end = n + 1;
    else found.push({ thing, kind: step.kind, closed, start: n, end: n + 1 });
  });
  return found;
}

// The layer that a step belongs to: the closed group, or the open one that holds the box.
const layerOf = (step) => (!step.thing ? null : step.thing.group ? step.thing : step.thing.parent);

// When each value was computed, each gradient changed, each arrow was used: numbers of steps, found once.
function timesOf(lane) {
  const times = { value: new Map(), grad: new Map(), sent: new Map() };
  const note = (map, key, n) => { if (!map.has(key)) map.set(key, []); map.get(key).push(n); };
  lane.steps.forEach((step, n) => {
    if (step.kind === "forward") times.value.set(step.node, n);
    else note(times.grad, step.kind === "start" ? step.node : step.input, n);
    if (step.kind === "backward") note(times.sent, `${step.node}-${step.i}`, n);
  });
  return times;
}

// The last of some rising numbers that is less than `limit`, or -1.
function lastBefore(numbers, limit) {
  let low = 0, high = numbers ? numbers.length : 0;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (numbers[middle] < limit) low = middle + 1;
    else high = middle;
  }
  return low ? numbers[low - 1] : -1;
}

// What the sentences call a box: a node by its own name, a group by all that its head says.
const called = (thing) => (thing.group ? fullHead(thing) : thing.n || fullName(thing));

// What a closed group did, as a sentence and lines: what comes in and what goes out.
function groupTold(lane, step, tree) {
  const { thing } = step, name = thing ? fullHead(thing) : say("unseen");
  const count = step.end - step.start, { outs } = thing ? tree.links(thing) : { outs: [] };
  const ins = thing ? entering(lane, step, tree) : [];
  const listed = (numbers) => { // by the names of the boxes that are seen
    const all = [...new Set(numbers.map((n) => called(tree.shown(tree.things[n]) || tree.things[n])))];
    if (all.length > 4) return say("more names", { names: all.slice(0, 3).join(", "), n: all.length - 3 });
    return all.length < 2 ? all.join("") : say("and", { first: all.slice(0, -1).join(", "), last: all[all.length - 1] });
  };
  const from = listed(ins.map((link) => link[0])), to = listed(outs.map((link) => link[1]));
  if (step.kind === "forward") {
    const named = { group: name, inputs: from || say("nothing"), users: to, n: count };
    return { sentence: say(to ? "group forward to" : "group forward", named), lines: [thing && valueOf(thing)] };
  }
  return {
    sentence: say(from ? "group backward to" : "group backward", { group: name, n: count, inputs: from }),
    lines: [thing && gradOf(thing) && say("group arrived", { grad: gradOf(thing) }), ...receivers(lane, step, tree)],
  };
}

// The links that enter a closed group and take part in its step: backward only those that a gradient goes along.
function entering(lane, step, tree) {
  const { ins } = tree.links(step.thing);
  if (step.kind === "forward") return ins;
  const sent = new Set(lane.steps.slice(step.start, step.end).map(({ node, i }) => `${node}-${i}`));
  return ins.filter(([, to, i]) => sent.has(`${numberOf(to)}-${i}`));
}

// The gradients that a group's step changed outside of it.
function receivers(lane, step, tree) {
  const last = new Map();
  for (const done of lane.steps.slice(step.start, step.end)) if (done.input !== undefined) last.set(done.input, done);
  const outside = [...last].filter(([n]) => tree.shown(tree.things[story.nodes[n].box]) !== step.thing);
  return outside.slice(0, 6).map(([n, done]) => {
    const box = tree.things[story.nodes[n].box], seen = tree.shown(box);
    const where = seen && seen !== box ? ` (${called(seen)})` : "";
    return `${story.nodes[n].name}${where}: ${fill(done.box, lane, done)}`;
  });
}
