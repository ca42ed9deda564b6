"""A C program around an object: gcc links them, arrays go in and come out as bytes."""

import math
import shutil
import subprocess

import numpy as np
import pytest

GCC = shutil.which("gcc")
needs_gcc = pytest.mark.skipif(GCC is None, reason="needs gcc")

PROGRAM = """
#include <stdio.h>
#include "{name}.h"
{arrays}
int main(void) {{
  int calls, failed = 0;
  if (scanf("%d", &calls) != 1 || getchar() != '\\n') return 2;
  for (int i = 0; i < calls; i++) {{
{reads}
    int32_t result = {function}({given});
    fwrite(&result, 4, 1, stdout);
{writes}
  }}
  return failed;
}}
"""


def run(made, folder, calls, libm=False):
    """Call a native module for each list of arguments; yield its result, outputs, and states after each call.

    Linked without a C library's mathematics unless told, and compiled with every warning as an error.
    """
    name = made.made.function
    made.save(folder / f"{name}.o")
    (folder / "main.c").write_text(_program(made, name))
    command = [GCC, "-std=c99", "-Wall", "-Wextra", "-Werror", "-O1", "main.c", f"{name}.o", "-o", "run"]
    done = subprocess.run([*command, *["-lm"] * libm], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    given = b"".join(
        np.ascontiguousarray(x, d).tobytes()
        for xs in calls
        for x, (_, _, d) in zip(xs, made.made.arguments, strict=True)
    )
    done = subprocess.run([folder / "run"], input=b"%d\n" % len(calls) + given, capture_output=True)
    assert done.returncode == 0, done.stderr
    return list(_found(made, done.stdout, len(calls)))


def _kept(made):
    return [state for state in made.made.states if state[0] in made.made.changed]


def _program(made, name):
    def c_type(dtype):
        from clearprop.shipping.native import KINDS

        return KINDS[str(dtype)]

    def size(shape):
        return math.prod(shape)

    inputs = [(f"x{i}", s, d) for i, (_, s, d) in enumerate(made.made.arguments)]
    outputs = [(f"out{i}", s, d) for i, (_, s, d) in enumerate(made.made.outputs)]
    arrays = [f"static {c_type(d)} {n}[{size(s)}];" for n, s, d in [*inputs, *outputs]]
    reads = [f"    if (fread({n}, sizeof {n}, 1, stdin) != 1) return 3;" for n, _, _ in inputs]
    written = [(n, f"sizeof {n}") for n, _, _ in outputs]
    written += [(n, f"{size(s) * d.itemsize}") for n, s, d in _kept(made)]
    writes = [f"    failed |= fwrite({n}, {b}, 1, stdout) != 1;" for n, b in written]
    return PROGRAM.format(
        name=name,
        function=name,
        arrays="\n".join(arrays),
        reads="\n".join(reads),
        writes="\n".join(writes),
        given=", ".join(n for n, _, _ in [*inputs, *outputs]),
    )


def _found(made, data, calls):
    at = 0

    def take(shape, dtype):
        nonlocal at
        count = math.prod(shape)
        found = np.frombuffer(data, dtype, count, at).reshape(shape)
        at += count * np.dtype(dtype).itemsize
        return found

    for _ in range(calls):
        result = int(take((1,), np.int32)[0])
        outputs = [take(s, d) for _, s, d in made.made.outputs]
        yield result, outputs, {n: take(s, d) for n, s, d in _kept(made)}
    assert at == len(data)
