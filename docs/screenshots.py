"""Takes the README's pictures: `python docs/screenshots.py` (needs playwright and Debian's chromium)."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import numpy as np
from playwright.sync_api import sync_playwright

import clearprop
from clearprop import Tensor, lecture, nn

IMAGES = Path(__file__).parent / "images"
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--font-render-hinting=none"]


def network() -> tuple[Tensor, nn.Module]:
    """Return the loss and the model of the lecture's two-layer network on random images of digits' size."""
    clearprop.manual_seed(0)
    net = nn.Sequential(nn.Linear(64, 32), nn.Tanh(), nn.Linear(32, 10))
    images = np.random.default_rng(0).normal(size=(64, 64)).astype(np.float32)
    return nn.CrossEntropyLoss()(net(images), np.arange(64) % 10), net


LOSS, NET = network()
# name, what is traced, by which algorithm, at which step, dark, width and height
PICTURES = [
    ("steps", lecture.EXAMPLES["dag"].graph(), "topological", 9, False, 1000, 620),
    ("wrong-order", lecture.EXAMPLES["order"].graph(), "recursive", 11, True, 1300, 900),
    ("arrays", lecture.EXAMPLES["regression"].graph(), "topological", 11, False, 1200, 700),
    ("network", LOSS, "topological", 24, False, 1300, 860),
]


def main() -> None:
    """Write every picture."""
    IMAGES.mkdir(exist_ok=True)
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=ARGUMENTS)
        for name, output, algorithm, step, dark, width, height in PICTURES:
            path = clearprop.trace(output, algorithm=algorithm, model=NET).save(Path(folder) / f"{name}.html")
            page = browser.new_page(
                viewport={"width": width, "height": height},
                color_scheme="dark" if dark else "light",
                reduced_motion="reduce",
            )
            page.goto(path.as_uri())
            page.evaluate(f"clearprop.go({step})")
            page.wait_for_timeout(200)  # pictures inside the drawing are decoded late
            page.screenshot(path=IMAGES / f"{name}.png", full_page=True)
            print(f"wrote {IMAGES / name}.png")
        browser.close()


if __name__ == "__main__":
    main()
