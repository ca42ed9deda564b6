"""Takes the README's pictures: `python docs/screenshots.py` (needs playwright and Debian's chromium)."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import numpy as np
from playwright.sync_api import sync_playwright

import clearprop
from clearprop import Tensor, nn, optim
from clearprop.see.step.steps import Trace
from clearprop.typed import lecture

IMAGES = Path(__file__).parent / "images"
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--font-render-hinting=none"]


def network() -> tuple[Tensor, nn.Module]:
    """Return the loss and the model of the lecture's two-layer network on random images of digits' size."""
    clearprop.manual_seed(0)
    net = nn.Sequential(nn.Linear(64, 32), nn.Tanh(), nn.Linear(32, 10))
    images = np.random.default_rng(0).normal(size=(64, 64)).astype(np.float32)
    return nn.CrossEntropyLoss()(net(images), np.arange(64) % 10), net


def traces() -> dict[str, Trace]:
    """Return what is shown, by the name of the picture."""
    loss, net = network()
    return {
        "steps": clearprop.trace(lecture.EXAMPLES["dag"].graph()),
        "wrong-order": clearprop.trace(lecture.EXAMPLES["order"].graph(), algorithm="recursive"),
        "arrays": clearprop.trace(lecture.EXAMPLES["regression"].graph()),
        "network": clearprop.trace(loss, model=net),
    }


def spirals(folder: Path) -> Path:
    """Write the playground of `docs/guide/playing.md`."""
    rng = np.random.default_rng(0)
    t, side = np.arange(400) // 2 / 199, np.arange(400) % 2
    r, angle = 0.1 + 0.9 * t, 5.8 * t + side * np.pi
    points = 2 * np.stack([r * np.sin(angle), r * np.cos(angle)], 1) + rng.normal(size=(400, 2)) * 0.02
    clearprop.manual_seed(3)
    net = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 2))
    optimizer, x = optim.Adam(net.parameters(), lr=0.03), points.astype(np.float32)
    title = "Two spirals, 2-8-8-2"
    return clearprop.playground(
        net, nn.CrossEntropyLoss(), optimizer, x, side, folder / "play.html", title=title
    )


# at which step, dark or light, width and height
VIEWS = {
    "steps": (9, "light", 1000, 620),
    "wrong-order": (11, "dark", 1300, 900),
    "arrays": (11, "light", 1200, 700),
    "network": (24, "light", 1300, 860),
}


def main() -> None:
    """Write every picture."""
    IMAGES.mkdir(exist_ok=True)
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=ARGUMENTS)
        for name, steps in traces().items():
            step, scheme, width, height = VIEWS[name]
            page = browser.new_page(
                viewport={"width": width, "height": height}, color_scheme=scheme, reduced_motion="reduce"
            )
            page.goto(steps.save(Path(folder) / f"{name}.html").as_uri())
            page.evaluate(f"clearprop.go({step})")
            page.wait_for_timeout(200)  # pictures inside the drawing are decoded late
            page.screenshot(path=IMAGES / f"{name}.png", full_page=True)
            print(f"wrote {IMAGES / name}.png")
        page = browser.new_page(viewport={"width": 1280, "height": 900}, color_scheme="light")
        page.goto(spirals(Path(folder)).as_uri())
        for _ in range(60):  # the curve has a point for each
            page.evaluate("for (let k = 0; k < 49; k++) clearprop.training.step()")
            page.click("#once")
        page.click("#open")
        page.evaluate("clearprop.stepper.show(14)")
        page.screenshot(path=IMAGES / "playground.png", full_page=True)
        print(f"wrote {IMAGES / 'playground.png'}")
        browser.close()


if __name__ == "__main__":
    main()
