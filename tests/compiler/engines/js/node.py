"""Node runs what was printed: a few lines of script around a module, results back as JSON."""

import atexit
import base64
import functools
import itertools
import json
import shutil
import subprocess

import numpy as np
import pytest

NODE = shutil.which("node")
NUMBERS = itertools.count()
needs_node = pytest.mark.skipif(NODE is None, reason="needs node")

SERVER = """
import {createInterface} from "node:readline";
const of = (s) => Uint8Array.from(Buffer.from(s, "base64")).buffer;
const text = (a) => Buffer.from(a.buffer, a.byteOffset, a.byteLength).toString("base64");
const of_all = (all) => all.map(({name, shape, dtype}) => ({name, shape, dtype}));
async function done([address, calls]) {
  const {make, states, outputs} = await import(address);
  const step = make(states.map((s) => s.data));
  const results = [];
  for (const call of calls) {
    call.forEach((x, i) => { const a = step.arguments[i]; a.set(new a.constructor(of(x))); });
    let error = "";
    try { step.run(); } catch (e) { error = e.name + ": " + e.message; }
    results.push({error, outputs: step.outputs.map(text), states: states.map((s) => text(s.data))});
  }
  return {results, outputs: of_all(outputs), states: of_all(states)};
}
for await (const line of createInterface({input: process.stdin})) {
  let answer;
  try { answer = await done(JSON.parse(line)); } catch (e) { answer = {failed: String(e.stack)}; }
  console.log(JSON.stringify(answer));
}
"""
"""Runs each module that a line names and answers with a line. To start a process for each took 0.1 s."""


@functools.cache
def server():
    """Return the process that runs modules, started for the first of them."""
    command = [NODE, "--input-type=module", "-e", SERVER]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    atexit.register(process.communicate)  # ends its input, and so the process
    return process


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
    """Run modules `(text, lists of arguments)`, each as `calls` does."""
    return [list(_results(_run(text, folder, given))) for text, given in modules]


def _run(text, folder, given):
    """Run a module in the server; each has an address of its own, so that none is taken for one before."""
    path = folder / f"m{next(NUMBERS)}.mjs"
    path.write_text(text, encoding="utf-8")
    told = [path.as_uri(), [[_bytes(np.asarray(x)) for x in xs] for xs in given]]
    process = server()
    process.stdin.write(json.dumps(told) + "\n")
    process.stdin.flush()
    found = json.loads(process.stdout.readline())
    assert "failed" not in found, found["failed"]
    return found


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
