"""Node runs what was printed: a few lines of script around a module, results back as JSON."""

import base64
import json
import shutil
import subprocess

import numpy as np
import pytest

NODE = shutil.which("node")
needs_node = pytest.mark.skipif(NODE is None, reason="needs node")

CALLS = """
import {readFileSync} from "node:fs";
const all = [];
for (const [name, calls] of JSON.parse(readFileSync(0, "utf8"))) {
const {make, states, outputs} = await import(`./${name}.mjs`);
const step = make(states.map((s) => s.data));
const of = (s) => Uint8Array.from(Buffer.from(s, "base64")).buffer;
const text = (a) => Buffer.from(a.buffer, a.byteOffset, a.byteLength).toString("base64");
const results = [];
for (const call of calls) {
  call.forEach((x, i) => { const a = step.arguments[i]; a.set(new a.constructor(of(x))); });
  let error = "";
  try { step.run(); } catch (e) { error = e.name + ": " + e.message; }
  results.push({error, outputs: step.outputs.map(text), states: states.map((s) => text(s.data))});
}
const of_all = (all) => all.map(({name, shape, dtype}) => ({name, shape, dtype}));
all.push({results, outputs: of_all(outputs), states: of_all(states)});
}
console.log(JSON.stringify(all));
"""


def run(folder, lines, given=""):
    """Return what Node prints for a script that lies beside the modules in a folder."""
    (folder / "main.mjs").write_text(lines, encoding="utf-8")
    done = subprocess.run([NODE, "main.mjs"], cwd=folder, input=given, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def held(dtype):
    """The dtype of the typed array that holds one: an int64 is a float64 there."""
    others = {"int64": np.float64, "bool": np.uint8, "float16": np.float32}
    return np.dtype(others.get(str(dtype), dtype))


def calls(text, folder, given):
    """Run a module once for each list of arguments; return any error, the outputs and states after each."""
    return many([(text, given)], folder)[0]


def many(modules, folder):
    """Run modules `(text, lists of arguments)` in one process, each as `calls` does."""
    told = []
    for number, (text, given) in enumerate(modules):
        (folder / f"m{number}.mjs").write_text(text, encoding="utf-8")
        told.append((f"m{number}", [[_bytes(np.asarray(x)) for x in xs] for xs in given]))
    return [list(_results(found)) for found in json.loads(run(folder, CALLS, json.dumps(told)))]


def _results(found):
    for result in found["results"]:
        both = ("outputs", "states")
        yield (
            result["error"],
            *([_array(data, x) for data, x in zip(result[part], found[part], strict=True)] for part in both),
        )


def _bytes(x):
    return base64.b64encode(np.ascontiguousarray(x).astype(held(x.dtype)).tobytes()).decode()


def _array(data, described):
    dtype = np.dtype(described["dtype"])
    return np.frombuffer(base64.b64decode(data), held(dtype)).reshape(described["shape"]).astype(dtype)
