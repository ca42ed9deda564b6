"""Meshes of devices and of processes: where arrays lie never changes what a training computes."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import clearprop
from clearprop import nn, optim, parallel
from clearprop.nn import functional as F
from clearprop.parallel import Mesh

pytest.importorskip("jax")
HERE = Path(__file__).parent


def environment(devices):
    return {
        **os.environ,
        "XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}",
        "JAX_PLATFORMS": "cpu",
    }


@pytest.fixture(scope="module")
def rows():
    """Every row of `on_devices.py`, run once in a process with eight devices."""
    command = [sys.executable, str(HERE / "on_devices.py")]
    done = subprocess.run(command, env=environment(8), capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr[-3000:]
    return {row["row"]: row for row in map(json.loads, done.stdout.splitlines())}


ROWS = {
    "perceptron, 8": ([32, 12], 0),
    "perceptron, float32": ([32, 12], 0),
    "perceptron, proved": (None, 0),  # the last proof has read them
    "perceptron, odd rows": ([32, 12], 0),
    "perceptron, another device": ([32, 12], 0),
    "perceptron, not donated": ([32, 12], 0),
    "gpt, 8": ([64, 16], 0),
    "gpt, 4 x 2": ([32, 16], 0),  # columns then rows: no weight and no activation is gathered
    "gpt, 4 x 2, qkv": ([64, 16], None),
}


@pytest.mark.parametrize("name", ROWS)
def test_a_mesh_gives_the_numbers_of_one_eager_process_with_the_whole_batch(rows, name):
    row, (piece, gathers) = rows[name], ROWS[name]

    wide = "float32" not in name
    assert row["losses"] < (1e-14 if wide else 1e-6)
    assert row["state"] < (1e-9 if wide else 1e-6)
    assert row["weight"] == piece
    assert row["memory"] == piece, "what the optimizer remembers lies as its parameter does"
    assert gathers is None or row["all_gather"] == gathers


def test_all_gradients_of_a_cut_batch_are_added_up_in_few_sums(rows):
    assert 1 <= rows["gpt, 8"]["all_reduce"] <= 3
    assert rows["perceptron, odd rows"]["all_reduce"] == 0  # 13 rows are not cut


def processes(n, *more):
    with socket.socket() as s:
        s.bind(("localhost", 0))
        address = f"localhost:{s.getsockname()[1]}"
    started = []
    for rank in range(n):
        command = [sys.executable, str(HERE / "on_processes.py"), address, str(n), str(rank), *more]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        started.append(subprocess.Popen(command, env=environment(2), text=True, **pipes))
    said = [p.communicate(timeout=150) for p in started]
    for p, (out, error) in zip(started, said, strict=True):
        assert p.returncode == (3 if more else 0), error[-2000:]
        assert out
    return [json.loads(out.splitlines()[-1]) for out, _ in said]


def test_two_processes_train_as_one_with_the_whole_batch():
    first, second = processes(2)

    assert first["losses"] == second["losses"]
    assert first["state"] == second["state"]
    assert (first["first"], second["first"]) == (True, False)
    model = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Dropout(0.2), nn.Linear(16, 3)).double()
    model.load_state_dict({name: np.array(value) for name, value in first["start"].items()})
    clearprop.set_rng_state(np.array(first["seed"], np.uint64))
    optimizer, rng = optim.Adam(model.parameters(), lr=0.02), np.random.default_rng(0)
    losses = []
    for _ in range(6):
        x, y = rng.standard_normal((8, 6)), rng.integers(0, 3, 8)
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(float(loss))
    np.testing.assert_allclose(first["losses"], losses, rtol=1e-13)
    for name, value in model.state_dict().items():
        np.testing.assert_allclose(first["state"][name], value, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize(
    ("what", "said"),
    [("program", "have recorded different programs"), ("values", "start from different values")],
)
def test_processes_that_do_not_do_the_same_are_refused_by_all(what, said):
    for found in processes(2, what):
        assert said in found["error"]
        assert "clearprop.parallel.start() first" in found["error"]


WRONG = {
    "wants 64 devices": lambda: parallel.mesh(data=64),
    "wants a whole number of devices for each axis: data=0": lambda: parallel.mesh(data=0),
    "for each axis: no axis": parallel.mesh,
    "JAX has no such device here": lambda: parallel.mesh(device="abacus", data=1),
    "no parameter has such a name: 'x.weight'": lambda: cut({"x.weight": 0}),
    r"0.weight \(6, 4\) has axes 0 to 1: axis 2": lambda: cut({"*.weight": 2}),
    r"wants a multiple of 4.*0.weight \(6, 4\), 6 along axis 0": lambda: cut({"*.weight": 0}),
    "wants an axis of the mesh for parameters: over='data'": lambda: cut({"*": 0}, over="data"),
    "of mesh(data=2, model=4)": lambda: cut({"*": 0}, over="rows"),
    "a choice of devices is for executor='xla'": lambda: clearprop.compile(abs, mesh=Mesh({"data": 1}, None)),
    "wants all three or none": lambda: parallel.start("localhost:1", 2),
}


def cut(axes, **options):
    return Mesh({"data": 2, "model": 4}, None).split(nn.Sequential(nn.Linear(4, 6)), axes, **options)


@pytest.mark.parametrize("said", WRONG)
def test_what_makes_no_mesh_is_refused(said):
    with pytest.raises(ValueError, match=said.replace("mesh(data=2, model=4)", r"mesh\(data=2, model=4\)")):
        WRONG[said]()


def test_what_is_no_mesh_is_told_apart():
    with pytest.raises(TypeError, match=r"wants a mesh of devices: 8\.\n  Try clearprop.parallel.mesh"):
        clearprop.compile(abs, executor="xla", mesh=8)


def test_a_mesh_of_one_device_and_the_whole_of_one_process():
    w = clearprop.Tensor(np.arange(3.0))
    mesh = parallel.mesh(data=1)
    step = clearprop.compile(lambda x: (w * x).sum(), executor="xla", mesh=mesh)
    found = [float(step(np.full(3, i))) for i in range(4)]

    assert found == [0.0, 3.0, 6.0, 9.0]
    assert (parallel.rank(), parallel.size()) == (0, 1)
    for part in (np.arange(6.0).reshape(3, 2), np.ones((2, 0), np.int16), np.array([True])):
        whole = parallel.whole(part)
        np.testing.assert_array_equal(whole, part)
        assert whole.dtype == part.dtype
