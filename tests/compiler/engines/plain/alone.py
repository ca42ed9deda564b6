"""A process without clearprop runs what was written: files are imported and called, results come back."""

import pickle
import subprocess
import sys

import numpy as np

CALLS = """
import sys, pickle, importlib
sys.modules["clearprop"] = None  # an import of it fails
sys.path.insert(0, sys.argv[1])
given = pickle.load(open(sys.argv[1] + "/given.pickle", "rb"))
found = []
for name, function, calls in given:
    try:
        module = importlib.import_module(name)
        results = [getattr(module, function)(*xs) for xs in calls]
        found.append((results, dict(getattr(module, "weights", {}))))
    except Exception as error:
        found.append((f"{type(error).__name__}: {error}", None))
assert not any(name.startswith("clearprop.") for name in sys.modules)
pickle.dump(found, open(sys.argv[1] + "/found.pickle", "wb"))
"""


def alone(folder, files):
    """Call the functions of files `(NumpyFile, lists of arguments)`; return results and weights of each."""
    given = []
    for number, (file, calls) in enumerate(files):
        file.save(folder / f"m{number}.py")
        given.append((f"m{number}", file.name, calls))
    (folder / "given.pickle").write_bytes(pickle.dumps(given))
    done = subprocess.run(
        [sys.executable, "-I", "-W", "error", "-c", CALLS, str(folder)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return pickle.loads((folder / "found.pickle").read_bytes())


def same(got, wanted, label, units=64):
    """Dtype, shape and entries: to some roundings of the largest entry."""
    got, wanted = np.asarray(got), np.asarray(wanted)
    assert (got.dtype, got.shape) == (wanted.dtype, wanted.shape), label
    if wanted.dtype.kind != "f":
        np.testing.assert_array_equal(got, wanted, err_msg=label)
        return
    unit = units * np.finfo(wanted.dtype).eps
    scale = np.abs(wanted[np.isfinite(wanted)]).max(initial=0)
    np.testing.assert_allclose(got, wanted, rtol=unit, atol=unit * scale, err_msg=label)
