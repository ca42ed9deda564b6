"""Kill a training at random moments, start it again each time, and compare with one that was never stopped.

    python tools/kills.py                 # 1,000 kills, eager and compiled by turns
    python tools/kills.py --kills 30 --ways eager

A process trains with a checkpoint and is killed (SIGKILL) after a random time; the next goes on from what is
there. Whenever a run comes to its end its weights have to be those of the unbroken run, bit by bit, which an
interpreter of its own has trained. The others are forks of this one, which has imported everything and
computed nothing: they start at once.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

import numpy as np

import clearprop
from clearprop import nn, optim, train


def training(path: str, way: str, epochs: int) -> str:
    """Train with a checkpoint at `path`, going on from what is there; return the weights as text."""
    clearprop.manual_seed(0)
    x = np.random.default_rng(0).normal(size=(96, 4)).astype(np.float32)
    y = (x[:, 0] * x[:, 1] > 0).astype(np.int64)
    model = nn.Sequential(nn.Linear(4, 16), nn.Dropout(0.2), nn.Tanh(), nn.Linear(16, 2))
    optimizer = optim.Adam(model.parameters(), lr=0.01)
    schedule = train.Scheduled(optim.StepLR(optimizer, 20, gamma=0.9))
    train.fit(
        model, "cross_entropy", (x, y), validation=(x[:20], y[:20]), epochs=epochs, batch_size=20,
        optimizer=optimizer, callbacks=[schedule], ema=0.9, checkpoint=path, resume=True,
        compile=way == "compiled", progress=False,
    )  # fmt: skip
    return "".join(array.tobytes().hex() for array in model.state_dict().values())


def alone(path: Path, way: str, epochs: int) -> list[str]:
    """Return the command that trains in an interpreter of its own and prints the weights."""
    return [sys.executable, __file__, "--train", str(path), way, str(epochs)]


def forked(path: Path, way: str, epochs: int, wait: float | None) -> str | None:
    """Return the weights of a run as text, or None where it was killed `wait` seconds after it began."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            told = training(str(path), way, epochs)
            with open(writing, "w") as pipe:
                pipe.write(told)
            os._exit(0)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)
    os.close(writing)
    if wait is not None:
        time.sleep(wait)
        os.kill(child, signal.SIGKILL)
    with open(reading) as pipe:
        told = pipe.read()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code not in (0, -signal.SIGKILL):
        raise SystemExit("the run failed of itself")
    return told if code == 0 else None


def kills(way: str, number: int, epochs: int, seed: int = 0) -> tuple[int, int]:
    """Return how many kills there were and how many runs came to their end, all with the same bits."""
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        forked(Path(folder, "first"), way, epochs, None)
        length = time.perf_counter() - began
        command = alone(Path(folder, "whole"), way, epochs)
        whole = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
        done = finished = 0
        path = Path(folder, "run0")
        while done < number or not finished:
            found = forked(path, way, epochs, None if done >= number else chance.uniform(0, length / 2))
            if found is None:
                done += 1
                continue
            if found != whole:
                raise SystemExit(f"{way}: after {done} kills another result; the files are in {folder}")
            finished += 1
            path = Path(folder, f"run{finished}")
    return done, finished


def main() -> None:
    """Print how many kills every way has survived."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--epochs", type=int, default=150)
    parser.add_argument("--ways", nargs="*", default=["eager", "compiled"])
    parser.add_argument("--train", nargs=3, metavar=("PATH", "WAY", "EPOCHS"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.train:
        path, way, epochs = args.train
        print(training(path, way, int(epochs)))
        return
    for way in args.ways:
        done, finished = kills(way, args.kills // len(args.ways), args.epochs)
        print(f"{way}: {done} kills, {finished} runs to the end, all with the bits of the unbroken one")


if __name__ == "__main__":
    main()
