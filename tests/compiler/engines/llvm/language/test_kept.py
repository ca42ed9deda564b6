"""Machine code on disk: used by the next process, never when damaged, bounded, not where others may write."""

import os
import subprocess
import sys
import time

import numpy as np
import pytest

import clearprop
from clearprop import Tensor

pytest.importorskip("llvmlite")

from clearprop.compiler.engines.llvm.language import engine, kept


@pytest.fixture
def folder(monkeypatch, tmp_path):
    monkeypatch.setenv("CLEARPROP_CACHE", str(tmp_path / "code"))
    return tmp_path / "code"


@pytest.fixture
def made(monkeypatch):
    """The texts that were compiled, not found."""
    texts = []
    plain = engine.optimized
    monkeypatch.setattr(engine, "optimized", lambda text: texts.append(text) or plain(text))
    return texts


def step(x):
    return np.tanh(3 * x) + np.sum(x)


def called(layers=1):
    """Compile and call anew; the result has to be right."""
    w = Tensor(np.linspace(0.1, 0.4, 9).reshape(3, 3))

    def training(x):
        w.grad = None
        for _ in range(layers):
            x = np.tanh(x @ w)
        np.sum(x).backward()
        return x

    x = np.linspace(-1, 1, 6).reshape(2, 3)
    got, wanted = clearprop.compile(training, executor="llvm", prove="never")(x), training(x)
    assert np.allclose(got.value, wanted.value, rtol=1e-12)


def entries(folder):
    return sorted(p.name for p in folder.iterdir())


@pytest.mark.parametrize("layers", [2, 40])
def test_code_is_made_once(folder, made, layers):
    called(layers)
    first = len(made)
    called(layers)

    assert first > 0
    assert made[first:] == []


PROGRAM = """
import numpy as np, clearprop
def step(x):
    for _ in range({links}):
        x = np.tanh(x) + 0.5 * x[:, ::-1]
    return x, np.sum(x, axis=0)
step = clearprop.compile(step, executor="llvm")
for _ in range(5):
    step(np.ones((3, 4)))
assert step.latest.recording.executable.entrances
"""


@pytest.mark.parametrize("links", [1, 60])
def test_another_process_finds_it(folder, links):
    """Texts have no addresses in them, which are others in every process."""
    found = []
    for _ in range(2):
        subprocess.run([sys.executable, "-c", PROGRAM.format(links=links)], check=True)
        found.append(entries(folder))

    assert found[0] == found[1]
    assert found[0]


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "other"])
def test_a_damaged_entry_is_made_anew(folder, made, damage):
    called()
    for path in folder.iterdir():
        whole = path.read_bytes()
        middle = len(whole) // 2
        flipped = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
        path.write_bytes({"cut": whole[:-9], "flipped": flipped, "empty": b"", "other": b"x" * 99}[damage])
    before = len(made)
    called()

    assert len(made) > before
    assert all(kept.find(name) is not None for name in entries(folder))


def test_code_under_the_name_of_another_is_not_run(folder, made):
    called(2)
    paths = sorted(folder.iterdir())
    codes = [path.read_bytes() for path in paths]
    for path, code in zip(paths, codes[1:] + codes[:1], strict=True):
        path.write_bytes(code)
    kept.put("a", b"machine code")
    (folder / "b").write_bytes((folder / "a").read_bytes())

    called(2)
    assert (kept.find("a"), kept.find("b")) == (b"machine code", None)


def test_a_home_may_be_written_short(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CLEARPROP_CACHE", "~/code")

    assert kept.folder() == tmp_path / "code"


def test_the_oldest_go(folder, monkeypatch):
    monkeypatch.setattr(kept, "LIMIT", 10_000)
    monkeypatch.setattr(kept, "RARE", 256)
    for i in range(12):
        kept.put(f"{i:02}", bytes([i]) * 1500)
        os.utime(folder / f"{i:02}", (time.time() - 100 + i,) * 2)
        kept.find("00")  # used again and again

    left = entries(folder)
    assert sum(p.stat().st_size for p in folder.iterdir()) <= 10_000
    assert {"00", "11"} <= set(left)
    assert "01" not in left


@pytest.mark.parametrize("value", ["off", "0", "None"])
def test_it_can_be_switched_off(monkeypatch, tmp_path, value):
    monkeypatch.setenv("CLEARPROP_CACHE", value)
    monkeypatch.chdir(tmp_path)
    called()

    assert kept.folder() is None
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_others_may_write_to_is_not_used(folder):
    folder.mkdir()
    folder.chmod(0o777)
    called()

    assert kept.folder() is None
    assert entries(folder) == []


def test_a_folder_that_cannot_be_is_no_error(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CLEARPROP_CACHE", str(tmp_path / "file"))
    called()

    assert (tmp_path / "file").read_text() == ""


def test_it_lies_where_caches_lie(monkeypatch, tmp_path):
    monkeypatch.delenv("CLEARPROP_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    assert kept.folder() == tmp_path / "clearprop"
    assert (tmp_path / "clearprop").stat().st_mode & 0o077 == 0


def test_another_text_or_processor_is_another_entry():
    assert len({kept.key_of("a", "b"), kept.key_of("ab"), kept.key_of("a"), kept.key_of("b", "a")}) == 4
