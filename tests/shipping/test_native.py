"""A model as an object file: a C program without Python computes what the model does."""

import struct
import subprocess

import numpy as np
import pytest
from tests.compiler.engines.plain.alone import same
from tests.compiler.test_every_op import LIBRARY, trials
from tests.shipping.harness import GCC, needs_gcc, run
from tests.shipping.nets import Sentence, floats, training

import clearprop
from clearprop import nn
from clearprop.cli import main
from clearprop.errors import InputError
from clearprop.interop.model_file import save_model
from clearprop.shipping import native_object, save_object

pytest.importorskip("llvmlite")
freestanding = pytest.importorskip("clearprop.compiler.engines.llvm.freestanding")


WORDS = np.random.default_rng(1).integers(0, 11, (3, 6))
MODELS = {
    "mlp": (lambda: nn.Sequential(nn.Linear(4, 8), nn.GELU(), nn.Linear(8, 3)), floats(5, 4)),
    "wide": (lambda: nn.Sequential(nn.Linear(70, 90), nn.Tanh(), nn.Linear(90, 33)), floats(40, 70)),
    "double": (
        lambda: nn.Sequential(nn.LayerNorm(4), nn.Softplus(), nn.Softmax(-1)).double(),
        floats(5, 4, dtype=np.float64),
    ),
    "images": (
        lambda: nn.Sequential(
            nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(16, 3)
        ),
        floats(2, 1, 6, 6),
    ),
    "lstm": (lambda: Sentence(nn.LSTM(8, 8, batch_first=True)), WORDS),
    "transformer": (
        lambda: Sentence(nn.TransformerEncoderLayer(8, 2, dim_feedforward=16, batch_first=True)),
        WORDS,
    ),
}
ELSEWHERE = [name for name in freestanding.MACHINES if name != "native"]
MACHINE_CODES = {"x86_64": 62, "aarch64": 183, "thumb": 40, "riscv32": 243}


@needs_gcc
@pytest.mark.parametrize("target", ["native", "x86_64"])
@pytest.mark.parametrize("name", MODELS)
def test_a_module_computes_in_c_what_it_does_here(name, target, tmp_path):
    import llvmlite.binding as llvm

    if target == "x86_64" and not llvm.get_host_cpu_features().get("avx2"):
        pytest.skip("needs AVX2")
    clearprop.manual_seed(0)
    make, x = MODELS[name]
    model = make()
    made = native_object(model, x, target=target)
    ((result, outputs, states), *_) = run(made, tmp_path, [[x], [x]])
    model.eval()

    assert result == 0
    assert states == {}
    assert made.made.needs == []
    same(outputs[0], model(x).value, name)


@needs_gcc
def test_a_training_step_trains_in_c_as_here(tmp_path):
    clearprop.manual_seed(0)
    model, train, x, y = training()
    train(x, y)
    made = native_object(train, x, y)
    wanted = [(train(x, y).value, model[0].weight.value.copy()) for _ in range(5)]
    found = run(made, tmp_path, [[x, y]] * 5)

    assert made.made.needs == []
    for (loss, weight), (result, outputs, states) in zip(wanted, found, strict=True):
        assert result == 0
        same(outputs[0], loss, "loss", 512)
        same(states["train_0_weight"], weight, "weight", 512)


@needs_gcc
def test_numbers_several_outputs_whole_numbers_and_truth_values(tmp_path):
    def several(a, k, n):
        return a * n, (a > 0), a[k], a.sum(), a, a * n

    a, k, n = floats(4, 3), np.array([2, 0]), np.float32(2.5)
    made = native_object(lambda a, k, n: several(a, k, n)[:4], a, k, n, name="several")
    results = run(made, tmp_path, [[a, k, n], [a, np.array([0, 9]), n], [a, k, n]])

    assert [result for result, _, _ in results] == [0, 1, 0]
    for _, outputs, _ in (results[0], results[2]):
        for got, wanted in zip(outputs, several(a, k, n), strict=False):
            same(got, np.asarray(wanted).astype(got.dtype) if got.dtype == bool else wanted, "several")


@needs_gcc
def test_one_thing_may_be_two_outputs_and_an_argument_one(tmp_path):
    x = floats(3, 2)
    made = native_object(lambda x: (np.exp(x), np.exp(x), np.exp(x).T), x, name="twice")
    ((_, outputs, _),) = run(made, tmp_path, [[x]])

    for got, wanted in zip(outputs, (np.exp(x), np.exp(x), np.exp(x).T), strict=True):
        same(got, wanted, "twice")


@needs_gcc
def test_a_power_needs_no_library(tmp_path):
    rng = np.random.default_rng(3)
    x, y = np.exp(rng.normal(size=4000) * 8), rng.normal(size=4000) * 30
    edges = np.array([0.0, -0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5, 3.0, -3.0, np.inf, -np.inf, np.nan, 5e-324])
    a, b = (z.ravel() for z in np.meshgrid(edges, edges))
    x, y = np.concatenate([x, a]), np.concatenate([y, b])
    made = native_object(np.power, x, y)
    ((_, (z,), _),) = run(made, tmp_path, [[x, y]])
    with np.errstate(all="ignore"):
        wanted = x**y
    usual = np.isfinite(wanted) & (np.abs(wanted) > 0)

    assert made.made.needs == []
    np.testing.assert_array_equal(z[~usual], wanted[~usual])
    assert (np.abs(z[usual] - wanted[usual]) <= 2 * np.spacing(np.abs(wanted[usual]))).all()


def shipped(f, xs, name):
    """An object, or None for what is refused by name."""
    try:
        return native_object(lambda *xs: f(*xs), *xs, name=name)
    except TypeError as error:
        if "no native code" not in str(error):
            raise
        return None


@needs_gcc
@pytest.mark.filterwarnings("ignore")
def test_every_op_is_what_it_is_here_or_refused_by_name(tmp_path):
    done, refused = 0, set()
    for op in [op for op in LIBRARY if op.kind in ("reduce", "view", "contract", "gather")]:
        for f, xs, label in trials(op, np.float32)[:1]:
            made = shipped(f, xs, f"of_{op.name}")
            if made is None:
                refused.add(op.name)
                continue
            ((result, outputs, _),) = run(made, tmp_path, [xs], libm=True)
            wanted = f(*xs)
            assert result == 0, label
            for got, z in zip(outputs, wanted if isinstance(wanted, list) else [wanted], strict=True):
                same(got, np.asarray(getattr(z, "value", z)).astype(got.dtype), label)
            done += 1

    assert done > 15
    assert not refused & {"sum", "mean", "max", "matmul", "transpose", "reshape", "concatenate"}


@pytest.mark.parametrize("target", ELSEWHERE)
@pytest.mark.parametrize("name", ["mlp", "lstm"])
def test_other_machines_have_objects_of_their_own_that_call_nothing(target, name):
    make, x = MODELS[name]
    made = native_object(make(), x, target=target)

    assert made.code[:4] == b"\x7fELF"
    assert int.from_bytes(made.code[18:20], "little") == MACHINE_CODES[target]
    assert made.made.needs == []
    assert made.made.machine.triple in made.header


@needs_gcc
def test_what_an_object_calls_is_said(tmp_path):
    x = floats(3, dtype=np.float64)
    made = native_object(np.sin, x, name="sine")
    ((_, (z,), _),) = run(made, tmp_path, [[x]], libm=True)

    assert made.made.needs == ["sin"]
    assert "It calls sin of libm (-lm)." in made.header
    same(z, np.sin(x), "sine")


@pytest.mark.parametrize(
    ("f", "target", "error", "told"),
    [
        (
            lambda x: np.sort(x) + np.linalg.det(x),
            "native",
            TypeError,
            "no native code: argsort.*det|det.*sort",
        ),
        (lambda x: x + 1j, "native", TypeError, "numbers of complex"),
        (lambda x: x + 1, "z80", ValueError, "wants one of native, x86_64, aarch64, thumb, riscv32"),
    ],
)
def test_what_cannot_be_is_refused(f, target, error, told):
    with pytest.raises(error, match=told):
        native_object(f, floats(3, 3), target=target)


def test_a_file_that_is_somebodys_stays(tmp_path):
    (tmp_path / "model.h").write_text("mine")
    with pytest.raises(InputError, match="another file"):
        save_object(tmp_path / "model.o", nn.Linear(2, 1), floats(2, 2))
    save_object(tmp_path / "model.o", nn.Linear(2, 1), floats(2, 2), overwrite=True)
    save_object(tmp_path / "model.o", nn.Linear(2, 1), floats(2, 2))
    with pytest.raises(ValueError, match=r"ends in \.o"):
        save_object(tmp_path / "model.so", nn.Linear(2, 1), floats(2, 2))


def test_an_object_that_is_somebodys_stays_and_its_header_too(tmp_path):
    (tmp_path / "model.o").write_bytes(b"\x7fELF mine")
    with pytest.raises(InputError, match="another file"):
        save_object(tmp_path / "model.o", nn.Linear(2, 1), floats(2, 2))
    assert [path.name for path in tmp_path.iterdir()] == ["model.o"]


def test_a_function_is_called_as_c_can_call_it():
    def double(x, out0, using):
        return x + out0 + using

    x = floats(2, 2)
    header = native_object(double, x, x, x, about="a */ b").header
    assert "int32_t double_(const float *x, const float *out0_, const float *using_, float *out0)" in header
    assert header.count("*/") == header.count("/*")
    for name in ("int", "a-b", "2x", "gr\u00f6\u00dfe", "main", "exp", "tanhf", "malloc"):
        with pytest.raises(ValueError, match="a name that C has for a function"):
            native_object(double, x, x, x, name=name)
    for name in ("copy", "clear", "segment0"):
        with pytest.raises(TypeError, match="which the object has already"):
            native_object(double, x, x, x, name=name)


@needs_gcc
def test_two_objects_are_one_program(tmp_path):
    clearprop.manual_seed(0)
    one, two = nn.Linear(4, 3), nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2))
    x, y = floats(1, 4), floats(3, 4, seed=1)
    y[1, 2] = np.nan
    save_object(tmp_path / "one.o", one, x)  # a Module is called as its file
    save_object(tmp_path / "2.o", two, y, name="two")
    (tmp_path / "2.h").rename(tmp_path / "two.h")
    (tmp_path / "main.c").write_text(BOTH)
    subprocess.run([GCC, "main.c", "one.o", "2.o", "-o", "run"], cwd=tmp_path, check=True)
    given = x.tobytes() + y.tobytes()
    found = subprocess.run([tmp_path / "run"], input=given, capture_output=True, check=True).stdout
    first, second = np.split(np.frombuffer(found, np.float32), [3])

    same(first.reshape(1, 3), one(x).value, "one")
    same(second.reshape(3, 2), two(y).value, "two")


def test_only_what_the_header_names_is_seen_from_outside():
    """So that of two shared libraries none computes with the other's parts."""
    made = native_object(
        nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2)), floats(3, 4), target="x86_64"
    )
    assert seen_from_outside(made.code) == {"predict"}


def seen_from_outside(code):
    """Return the names that a 64-bit ELF object gives to others."""
    (at,) = struct.unpack_from("<Q", code, 40)
    size, count = struct.unpack_from("<HH", code, 58)
    headers = [struct.unpack_from("<IIQQQQII", code, at + k * size) for k in range(count)]
    (table,) = (h for h in headers if h[1] == 2)
    text, found = headers[table[6]][4], set()
    for symbol in range(table[4], table[4] + table[5], 24):
        name, info, _, section = struct.unpack_from("<IBBH", code, symbol)
        if info >> 4 and section:
            found.add(code[text + name : code.index(b"\0", text + name)].decode())
    return found


BOTH = """
#include <stdio.h>
#include "one.h"
#include "two.h"
int main(void) {
  float x[4], y[12], first[3], second[6];
  if (fread(x, 4, 4, stdin) != 4 || fread(y, 4, 12, stdin) != 12) return 1;
  one(x, first);
  two(y, second);
  one(x, first);
  fwrite(first, 4, 3, stdout);
  fwrite(second, 4, 6, stdout);
  return 0;
}
"""


def test_the_command_writes_what_train_wrote(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_model("m.safetensors", nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)))

    assert main(["export", "m.safetensors", "--object", "model.o", "--rows", "4", "--target", "thumb"]) == 0
    assert "model.o: 3 inputs" in capsys.readouterr().out
    header = (tmp_path / "model.h").read_text()
    assert "x: (4, 3) float32" in header
    assert "int32_t model(const" in header
    assert "#ifndef CLEARPROP_MODEL_H" in header
    assert main(["export", "m.safetensors", "--object", "my-2.o", "--name", "net"]) == 0
    assert "int32_t net(const" in (tmp_path / "my-2.h").read_text()
    assert main(["export", "m.safetensors", "--object", "my-2.o"]) == 0
    assert "int32_t my_2(const" in (tmp_path / "my-2.h").read_text()
    assert main(["export", "m.safetensors", "--object", "model.o", "--name", "a-b"]) == 2
    assert "a name that C has for a function" in capsys.readouterr().err
    assert main(["export", "m.safetensors", "--py", "model.py", "--name", "net"]) == 2
    assert "--name" in capsys.readouterr().err
    assert main(["export", "m.safetensors", "--object", "model.o", "--rows", "0"]) == 2
    assert "--rows" in capsys.readouterr().err
    assert main(["export", "m.safetensors", "--object", "model.o", "--target", "z80"]) == 2
    assert "z80" in capsys.readouterr().err
