"""How fast a table larger than memory is learned from, and how much memory it takes, beside one in memory.

    python benchmarks/streaming.py                    # 10,000,000 rows of 30 columns, made on the fly
    python benchmarks/streaming.py --rows 2000000 --epochs 1

Both ways have a process of their own (Linux): the time of getting ready, the rows a second while learning,
and the peak of the process. The table is a file without compression (20 decimals, 5 whole numbers, 5 words).
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

MEASURE = """
import re, sys, time
import numpy as np
import clearprop
from clearprop import data, nn, optim, train
from clearprop.data import columns, goals, inspection

way, path, epochs, batch = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
began = time.perf_counter()
if way == "streamed":
    stream = data.stream_table(path, "y")
    rows, encodings = stream.rows[0], stream.columns
    loader = stream.cache(path + ".rows").batches(batch)
else:
    table = data.read_table(path)
    reading = inspection.inspect(table, "y")
    training = table.rows(data.three_parts(len(table), 0.1, 0.2)[0])
    encodings = columns.learn_columns(training, reading)
    goal = goals.learn_target(table, reading, training)
    rows = len(training)
    x, y = columns.encode(training, encodings), goal.encode(training).astype(np.float32)
    loader = data.DataLoader((x, y), batch, shuffle=True, seed=0)
ready = time.perf_counter() - began
clearprop.manual_seed(0)
width = sum(column.width for column in encodings)
model = nn.Sequential(nn.Linear(width, 128), nn.ReLU(), nn.Linear(128, 1))
history = train.fit(model, nn.MSELoss(), loader, epochs=epochs, progress=False)
peak = int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) / 1024
print(ready, rows * epochs / sum(history.seconds), peak, history["loss"][-1])
"""


def write(path: Path, rows: int, piece: int = 50_000) -> None:
    """Write the table a piece at a time."""
    generator = np.random.default_rng(0)
    towns = np.array(["Oslo", "Rome", "Lima", "Bern"])
    names = [f"x{i}" for i in range(20)] + [f"n{i}" for i in range(5)] + [f"t{i}" for i in range(5)] + ["y"]
    form = ",".join(["%.4f"] * 20 + ["%d"] * 5 + ["%s"] * 5 + ["%.4f"]) + "\n"
    with open(path, "w") as file:
        file.write(",".join(names) + "\n")
        for start in range(0, rows, piece):
            size = min(piece, rows - start)
            x, n = generator.normal(size=(size, 20)), generator.integers(0, 10_000, (size, 5))
            t = generator.integers(0, 4, (size, 5))
            y = x[:, 0] - x[:, 1] * x[:, 2] + (t[:, 0] == 1)
            row = zip(x.tolist(), n.tolist(), towns[t].tolist(), y.tolist(), strict=True)
            file.writelines(form % (*a, *b, *c, d) for a, b, c, d in row)


def main() -> None:
    """Print a line for each way."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--only", choices=("streamed", "in memory"))
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "table.csv")
        write(path, args.rows)
        print(f"{args.rows:,} rows of 30 columns, {path.stat().st_size / 1e6:,.0f} MB")
        print(f"{'way':12} {'ready':>8} {'rows/s':>10} {'peak':>9} {'loss':>8}")
        for way in [args.only] if args.only else ("streamed", "in memory"):
            command = [sys.executable, "-c", MEASURE, way, str(path), str(args.epochs), str(args.batch_size)]
            told = subprocess.run(command, capture_output=True, text=True, check=False)
            if told.returncode:
                print(f"{way:12} {(told.stderr.splitlines() or ['killed'])[-1]}")
                continue
            ready, rate, peak, loss = map(float, told.stdout.split())
            print(f"{way:12} {ready:6.1f} s {rate:10,.0f} {peak:6,.0f} MB {loss:8.4f}")


if __name__ == "__main__":
    main()
