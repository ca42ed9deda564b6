"""Damage to files of weights, models and checkpoints: every changed bit is found, nothing else leaks."""

import json
import os
import random
import subprocess
import sys

import numpy as np
import pytest

from clearprop import nn
from clearprop.errors import InputError
from clearprop.interop import load_model, load_safetensors, save_model, save_safetensors
from clearprop.train import load_checkpoint, save_checkpoint

HELD = {"w": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.zeros(2, np.int64), "m": np.array([True])}


def weights(path):
    save_safetensors(path, HELD, {"made by": "a test"})
    return load_safetensors


def model(path):
    save_model(path, nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Dropout(0.5)), {"n": 1})
    return load_model


def checkpoint(path):
    save_checkpoint(path, {"a": np.ones(3), "b": [1, None, (2.5, "x")]})
    return load_checkpoint


def rewrite(path, content):
    """Write a file anew: a file system that flushes what is written over another takes 2 ms for that."""
    path.unlink()
    path.write_bytes(content)


@pytest.mark.parametrize("make", [weights, model, checkpoint])
def test_every_flipped_bit_is_found(tmp_path, make):
    path = tmp_path / "a.safetensors"
    load = make(path)
    whole = path.read_bytes()
    load(path)
    for place in range(len(whole)):
        changed = bytearray(whole)
        changed[place] ^= 1 << (place * 5 % 8)
        rewrite(path, changed)
        with pytest.raises(InputError):
            load(path)


def test_all_eight_bits_of_the_checksums_name_and_digits(tmp_path):
    path = tmp_path / "a.safetensors"
    load = weights(path)
    whole = path.read_bytes()
    for place in range(8 + 90):
        for bit in range(8):
            changed = bytearray(whole)
            changed[place] ^= 1 << bit
            rewrite(path, changed)
            with pytest.raises(InputError):
                load(path)


def unsigned(content):
    """The same file as another program writes it: without a checksum."""
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    del header["__metadata__"]["clearprop.checksum"]
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + content[8 + length :]


@pytest.mark.parametrize("make", [weights, model, checkpoint])
def test_files_without_a_checksum_load_as_before(tmp_path, make):
    path = tmp_path / "a.safetensors"
    load = make(path)
    wanted = repr(load(path))
    path.write_bytes(unsigned(path.read_bytes()))

    assert repr(load(path)) == wanted


def test_the_reference_package_reads_files_with_a_checksum(tmp_path):
    reference = pytest.importorskip("safetensors")
    path = tmp_path / "a.safetensors"
    weights(path)
    with reference.safe_open(path, "numpy") as file:
        assert file.metadata()["made by"] == "a test"
        assert len(file.metadata()["clearprop.checksum"]) == len("clearprop-blake2b:") + 32
        for name, array in HELD.items():
            np.testing.assert_array_equal(file.get_tensor(name), array)


def test_saving_again_what_was_loaded_gives_the_same_bytes(tmp_path):
    weights(tmp_path / "a")
    save_safetensors(tmp_path / "b", *load_safetensors(tmp_path / "a"))

    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


SPLICES = [
    b"-1",
    b"1e999",
    b"NaN",
    b'"\\ud800"',
    b"9" * 5000,
    b"[" * 3000,
    b"\xff\xfe",
    b"{}",
    b"null",
    b'"w":',
    b"4611686018427387904",
]


def mutated(content, rng):
    """A copy with bytes changed, cut, doubled or strange JSON put in, mostly in the header."""
    changed = bytearray(content)
    for _ in range(rng.randint(1, 3)):
        place = rng.randrange(max(1, min(len(changed), 700)))
        kind = rng.randrange(6)
        if kind == 0:
            changed[place : place + 1] = bytes([rng.randrange(256)])
        elif kind == 1:
            del changed[place : place + rng.randint(1, 20)]
        elif kind == 2:
            changed[place:place] = changed[place : place + rng.randint(1, 30)]
        elif kind == 3:
            changed[place : place + rng.randint(0, 4)] = rng.choice(SPLICES)
        elif kind == 4:
            del changed[place:]
        else:
            digits = [i for i, byte in enumerate(changed[8:700], 8) if 48 <= byte <= 57] or [0]
            at = rng.choice(digits)
            changed[at : at + 1] = rng.choice([b"0", b"7", b"99999999999999999999", b"-3", b"2.5"])
        changed = changed or bytearray(b"\0")
    if rng.random() < 0.7:  # a header's length that fits, so that the damage is met further inside
        end = changed.rfind(b"}}") + 2
        if end > 10:
            changed[:8] = (end - 8).to_bytes(8, "little")
    return bytes(changed)


@pytest.mark.parametrize("make", [weights, model, checkpoint])
@pytest.mark.parametrize("signed", [True, False])
def test_two_thousand_mutations_end_in_arrays_or_in_one_class_of_error(tmp_path, make, signed):
    path, rng = tmp_path / "a.safetensors", random.Random(f"{make.__name__} {signed}")
    load = make(path)
    whole = path.read_bytes() if signed else unsigned(path.read_bytes())
    refused = []
    for _ in range(2000 if make is weights else 500):
        content = mutated(whole, rng)
        rewrite(path, content)
        try:
            load(path)
        except InputError as error:
            refused.append(str(error))
        else:
            assert content == whole or not signed

    assert len(refused) > 300
    assert all(text.startswith(f"reading {path}: ") and "\n  Try " in text for text in refused)


def file(header, data=b""):
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def entry(shape, end=0, dtype="F32"):
    return {"w": {"dtype": dtype, "shape": shape, "data_offsets": [0, end]}}


@pytest.mark.parametrize(
    "header",
    [
        entry([1] * 65, 4),
        entry([0] + [1] * 64),
        entry([0, 2**62]),
        entry([2**62, 0]),
        entry([0, 2**63]),
        entry([0, 2**40, 2**40]),
        entry([2**62, 4], dtype="I64"),
        entry([0, 2**63 - 1], dtype="BF16"),
        entry([7] * 100_000),
        {"w" * 10: {"dtype": {}, "shape": [], "data_offsets": [0, 4]}},
    ],
    ids=lambda header: str(header)[:60],
)
def test_absurd_shapes_are_input_errors(tmp_path, header):
    path = tmp_path / "a.safetensors"
    path.write_bytes(file(header, bytes(4 if "[0, 4]" in str(header)[-30:] else 0)))
    with pytest.raises(InputError, match="is not a whole safetensors file"):
        load_safetensors(path)


def test_a_path_that_is_none_is_an_input_error():
    with pytest.raises(InputError, match=r"embedded null byte(.|\n)*Nothing was loaded"):
        load_safetensors("a\0b")


PROGRAM = """
import os, random, signal, sys, time
import numpy as np
from clearprop.train.checkpoint import Generations, load_checkpoint

generations, rng, number = Generations(sys.argv[1]), random.Random(0), 0
for last in [False] * 5 + [True]:
    child = os.fork()
    while not child:
        number += 1
        generations.save({"number": number, "array": np.full(20_000, number)})
    time.sleep(0.02 + 0.1 * rng.random())
    while last and not os.path.exists(sys.argv[1]) and not os.waitpid(child, os.WNOHANG)[0]:
        time.sleep(0.02)
    os.kill(child, signal.SIGKILL)
    assert os.WIFSIGNALED(os.waitpid(child, 0)[1]), "it ended by itself"
    for one in (generations.path, generations.previous):
        if os.path.exists(one):
            state = load_checkpoint(one)
            assert (state["array"] == state["number"]).all()
            print(state["number"], flush=True)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_kill_at_any_time_leaves_a_generation(tmp_path):
    """Forks of one process are killed; that it was killed before a first file was whole is no loss."""
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "run.safetensors")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)

    assert done.stdout.split()
    assert (tmp_path / "run.safetensors").exists()
