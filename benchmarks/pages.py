"""Pages of whole graphs: seconds to make, kilobytes, elements, and CPU milliseconds of what a reader does.

    python benchmarks/pages.py [S300 S2000 S5000 T12]
    python benchmarks/pages.py --play      playgrounds: kilobytes, CPU ms of a step, steps and frames a second

S is a net of so many numbers, T12 a transformer of twelve layers. CPU time is that of all processes of the
browser (playwright and Debian's chromium), so that a busy neighbour does not count; drawn without a graphics
card.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Page, sync_playwright

import clearprop
from clearprop import Tensor, draw, nn, optim, trace

FRAMES = 40
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
HEAD = f"{'graph':>6}{'nodes':>7}{'draw s':>8}{'kB':>6}{'DOM':>6}{'load':>7}{'pan':>6}{'zoom':>6}{'own':>6}"
HEAD += f"{'trace s':>9}{'kB':>7}{'step':>6}{'jump':>6}{'open':>6}"
PLAYED = f"{'model':>8}{'weights':>9}{'kB':>7}{'CPU ms/step':>12}{'steps/s':>9}{'frames/s':>10}"


def numbers(count: int) -> tuple[Tensor, None]:
    """Return the output of a net written with numbers: 3 inputs, two hidden layers, about `count` nodes."""
    width = min(range(1, 80), key=lambda h: abs(11 * h + h * (2 + 3 * h) + 5 + 3 * h - count))
    rng = np.random.default_rng(0)
    row = [Tensor(float(v), name=f"x{i}") for i, v in enumerate(rng.normal(size=3))]
    for layer, size in enumerate((width, width, 1)):
        made = []
        for j in range(size):
            total = Tensor(float(rng.normal()), name=f"b{layer}_{j}")
            for i, x in enumerate(row):
                total = total + x * Tensor(float(rng.normal()), name=f"w{layer}_{j}_{i}")
            made.append(np.tanh(total))
        row = made
    return row[0], None


class Layer(nn.Module):
    """One layer of a transformer of width 16."""

    def __init__(self) -> None:
        super().__init__()
        self.before, self.after = nn.LayerNorm(16), nn.LayerNorm(16)
        self.q, self.k, self.v, self.o = (nn.Linear(16, 16) for _ in range(4))
        self.up, self.down = nn.Linear(16, 64), nn.Linear(64, 16)

    def forward(self, x: Any) -> Any:
        """Return what the layer makes of `x` (batch, words, 16)."""
        h = self.before(x)
        weights = clearprop.softmax(self.q(h) @ np.transpose(self.k(h), (0, 2, 1)) / 4.0, axis=-1)
        x = x + self.o(weights @ self.v(h))
        return x + self.down(np.tanh(self.up(self.after(x))))


def transformer(layers: int) -> tuple[Tensor, nn.Module]:
    """Return the loss and the model of a transformer."""
    clearprop.manual_seed(0)
    blocks = nn.Sequential(*[Layer() for _ in range(layers)])
    net = nn.Sequential(blocks, nn.LayerNorm(16), nn.Linear(16, 11))
    x = np.random.default_rng(0).normal(size=(2, 6, 16)).astype(np.float32)
    return nn.CrossEntropyLoss()(net(x).reshape(12, 11), np.arange(12) % 11), net


def graph(name: str) -> tuple[Tensor, Any]:
    """Return the output and the model of `S2000` or `T12`."""
    return (numbers if name[0] == "S" else transformer)(int(name[1:]))


def spent() -> float:
    """Return the CPU milliseconds of the browser that this process has started."""
    kids: dict[int, list[tuple[int, int, str]]] = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            continue
        rest = stat[stat.rindex(")") + 2 :].split()
        name = stat[stat.index("(") + 1 : stat.rindex(")")]
        kids.setdefault(int(rest[1]), []).append((int(pid), int(rest[11]) + int(rest[12]), name))
    ticks, waiting = 0, [os.getpid()]
    while waiting:
        for pid, used, name in kids.get(waiting.pop(), []):
            waiting.append(pid)
            ticks += used if "chrom" in name else 0
    return ticks * 1000 / os.sysconf("SC_CLK_TCK")


def opened(page: Page, path: Path) -> float:
    """Open a page and return what that cost."""
    before = spent()
    page.goto(path.as_uri())
    page.wait_for_function("window.clearprop && !clearprop.stage.moving")
    return spent() - before


def frames(page: Page, does: str, count: int = FRAMES) -> tuple[float, float]:
    """Do something once a frame; return CPU milliseconds a frame, and the worst time of our own drawing."""
    page.wait_for_timeout(300)
    before = spent()
    own = page.evaluate(
        f"""async (count) => {{ const {{ stage }} = clearprop; let worst = 0;
        for (let i = 0; i < count; i++) {{ {does};
        await new Promise(requestAnimationFrame);
        worst = Math.max(worst, stage.took || 0); }} return worst; }}""",
        count,
    )
    return (spent() - before) / count, float(own)


PAN = "stage.pan(i % 20 < 10 ? 14 : -14, i % 20 < 10 ? 7 : -7)"
ZOOM = "stage.zoom(i < count / 2 ? 1.05 : 1 / 1.05)"
OPEN = """(() => { const { stage } = clearprop, started = performance.now();
    stage.toggle(stage.tree.shownBoxes.find((box) => box.group && !box.open));
    return performance.now() - started; })()"""


def measured(name: str, page: Page, folder: Path) -> str:
    """Return the row of a graph."""
    output, model = graph(name)
    output.backward()
    started = time.perf_counter()
    drawing = draw(output, model).save(folder / f"{name}.html")
    made = time.perf_counter() - started
    started = time.perf_counter()
    steps = trace(output, model=model)
    stepped = steps.save(folder / f"{name}-steps.html")
    traced = time.perf_counter() - started
    load = opened(page, drawing)
    elements = page.evaluate("document.querySelectorAll('*').length")
    inside = page.evaluate(OPEN)
    page.evaluate("clearprop.stage.openTo(99)")
    (pan, own), (zoom, own_zoom) = frames(page, PAN), frames(page, ZOOM)
    opened(page, stepped)
    page.evaluate("clearprop.stage.openTo(99); clearprop.go(Math.floor(clearprop.length() / 2))")
    step, _ = frames(page, "clearprop.go(clearprop.at() + 1)", 20)
    jump, _ = frames(page, "clearprop.go(i % 2 ? 5 : clearprop.length() - 5)", 10)
    size, stepped_size = (path.stat().st_size / 1000 for path in (drawing, stepped))
    row = f"{name:>6}{len(steps.order):>7}{made:>8.1f}{size:>6.0f}{elements:>6}{load:>7.0f}{pan:>6.0f}"
    row += f"{zoom:>6.0f}{max(own, own_zoom):>6.0f}{traced:>9.1f}{stepped_size:>7.0f}"
    return row + f"{step:>6.0f}{jump:>6.0f}{inside:>6.0f}"


class Reader(nn.Module):
    """A language model of two layers, width 32, for 16 words of 32."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(32, 32), nn.Embedding(16, 32)
        self.layers = nn.Sequential(
            *[nn.TransformerEncoderLayer(32, 2, 128, 0.0, batch_first=True) for _ in "ab"]
        )
        self.out = nn.Linear(32, 32)

    def forward(self, tokens: Any) -> Any:
        """Return a score for each word at each place."""
        return self.out(self.layers(self.words(tokens) + self.places(np.arange(16))))


def each_word(scores: Any, words: Any) -> Any:
    """Return the cross entropy of every word."""
    return nn.functional.cross_entropy(scores.reshape(-1, 32), words.reshape(-1))


def playgrounds() -> dict[str, tuple[Any, Any, Any, Any, int]]:
    """Return model, loss, X, y and batch size of the pages that train."""
    rng = np.random.default_rng(0)
    points, words = rng.normal(size=(400, 2)).astype(np.float32), rng.integers(0, 32, (200, 16))
    digits, labels = rng.normal(size=(200, 1, 28, 28)).astype(np.float32), rng.integers(0, 10, 200)
    net = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 2))
    first = [nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU()]
    lenet = nn.Sequential(
        *first, nn.MaxPool2d(2), nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 10)
    )
    entropy = nn.CrossEntropyLoss()
    return {
        "2-8-8-2": (net, entropy, points, (points[:, 0] * points[:, 1] > 0).astype(int), 20),
        "LeNet": (lenet, entropy, digits, labels, 20),
        "GPT": (Reader(), each_word, words, np.roll(words, -1, 1), 8),
    }


def played(name: str, page: Page, folder: Path) -> str:
    """Return the row of a playground."""
    clearprop.manual_seed(0)
    model, loss, x, y, rows = playgrounds()[name]
    adam = optim.Adam(model.parameters(), lr=0.003)
    path = clearprop.playground(model, loss, adam, x, y, folder / f"{name}.html", batch_size=rows)
    page.goto(path.as_uri())
    page.wait_for_function("!document.getElementById('verdict').textContent.startsWith('Checking')")
    before, steps = spent(), 2000 if name == "2-8-8-2" else 20
    page.evaluate(f"for (let i = 0; i < {steps}; i++) clearprop.training.step()")
    step = (spent() - before) / steps
    page.evaluate("window.frames_ = 0; (function f() { frames_++; requestAnimationFrame(f); })()")
    at = page.evaluate("clearprop.training.steps")
    page.click("#play")
    page.wait_for_timeout(5000)
    done, drawn = page.evaluate("[clearprop.training.steps, frames_]")
    size = sum(p.size for p in model.parameters())
    row = f"{name:>8}{size:>9,}{path.stat().st_size / 1000:>7.0f}{step:>12.2f}"
    return row + f"{(done - at) / 5:>9,.0f}{drawn / 5:>10.0f}"


def main(names: list[str]) -> None:
    """Print a row for each graph: `load pan zoom step jump` are CPU ms, `own` and `open` ms of our script."""
    row = played if names == ["--play"] else measured
    names = list(playgrounds()) if row is played else names
    print(PLAYED if row is played else HEAD)
    with sync_playwright() as running, tempfile.TemporaryDirectory() as folder:
        for name in names:
            browser = running.chromium.launch(executable_path=shutil.which("chromium"), args=ARGUMENTS)
            page = browser.new_page(viewport={"width": 1280, "height": 800})
            print(row(name, page, Path(folder)), flush=True)
            browser.close()


if __name__ == "__main__":
    main(sys.argv[1:] or ["S300", "S2000", "S5000", "T12"])
