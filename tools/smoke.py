"""What an installed clearprop has to do anywhere: run it with the Python that it is installed in."""

from __future__ import annotations

import platform

import numpy as np

from clearprop import Tensor, compile, draw, explain, gradcheck, nn, optim, trace


def train(executor: str) -> list[float]:
    """Return the losses of a few compiled steps."""
    model = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1))
    optimizer = optim.Adam(model.parameters(), lr=0.05)
    loss_fn = nn.MSELoss()
    x = np.random.default_rng(0).normal(size=(16, 2)).astype(np.float32)
    y = x.sum(axis=1, keepdims=True)

    def step(x: object, y: object) -> Tensor:
        optimizer.zero_grad()
        loss = loss_fn(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    compiled = compile(step, executor=executor)
    return [float(compiled(x, y)) for _ in range(40)]


def main() -> None:
    a, b = Tensor(7.0, name="a"), Tensor(3.0, name="b")
    e = (a + b) * b**3
    e.backward()
    if (a.grad, b.grad) != (27.0, 297.0) or "297" not in str(explain(b, e)):
        raise SystemExit(f"gradients {a.grad} and {b.grad}, wanted 27 and 297")
    if not gradcheck(lambda a, b: (a + b) * b**3, 7.0, 3.0):
        raise SystemExit("the gradient check calls a right gradient wrong")
    if "<svg" not in draw(e).to_svg() or len(trace(e).steps) < 5:
        raise SystemExit("no drawing or no steps")
    for executor in ("numpy", "auto"):
        losses = train(executor)
        if not losses[-1] < losses[0] / 2:
            raise SystemExit(f"the {executor} executor does not learn: {losses[0]:.3f} to {losses[-1]:.3f}")
    print(f"works: Python {platform.python_version()}, NumPy {np.__version__}")


if __name__ == "__main__":
    main()
