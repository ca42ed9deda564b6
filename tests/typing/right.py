"""Lines that are right: no type checker says a word about them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

import clearprop
from clearprop import Tensor, nn, optim

t = Tensor([1.0, 2.0], name="t")
x: npt.NDArray[np.float64] = np.ones(2)
name: str | None = t.name
shape: tuple[int, ...] = t.shape
axes: int = t.ndim
entries: int = t.size
number: float = t.item()
dtype: np.dtype[Any] = t.dtype
total: Tensor = t + 1
total = 2 * t
total = clearprop.multiply(x, t)  # NumPy says of `x * t` that it is an array
total = t @ x
total = -t
total = t**2
total = t[0]
total = t[:, None]
total = t.sum(axis=0, keepdims=True)
total = t.mean()
total = t.reshape(2, 1)
total = t.T
total = clearprop.tanh(t)
total = clearprop.add(t, 1.0)
total = clearprop.add(x, t)
total = clearprop.softmax(t, axis=-1)
total = clearprop.where(x > 0, t, x)
total = clearprop.logsumexp(t)
array = clearprop.tanh(x)
t.backward()
t.backward(np.ones(2))
clearprop.backward(t, create_graph=True)
text: str = str(clearprop.formula(t))
truth: bool = clearprop.is_tree(t)
order: list[Tensor] = clearprop.topological_order(t)
with clearprop.no_grad():
    t -= 0.1 * x
clearprop.assign(t, x)
clearprop.manual_seed(0)

model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1, bias=False))
out: Tensor = model(x)
out = nn.Linear(2, 3)(t)
loss: Tensor = nn.MSELoss()(out, x)
loss.backward()
loss = nn.CrossEntropyLoss(label_smoothing=0.1)(out, np.array([0, 1]))
weight: nn.Parameter = nn.Linear(2, 3).weight
state: dict[str, Any] = model.state_dict()
optimizer = optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.1)
optimizer.zero_grad()
optimizer.step()
schedule = optim.StepLR(optimizer, 10)
schedule.step()
output, hidden = nn.LSTM(2, 3)(x)


class Pair(nn.Module):
    """A model that says what it takes and gives."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(2, 2)

    def forward(self, x: Tensor, scale: float = 1.0) -> tuple[Tensor, float]:
        return scale * self.first(x), scale


pair: tuple[Tensor, float] = Pair()(t, scale=2.0)


@clearprop.compile
def step(x: npt.NDArray[np.float64], rate: float) -> Tensor:
    return nn.MSELoss()(model(x), x) * rate


@clearprop.compile(executor="numpy")
def other(x: npt.NDArray[np.float64]) -> float:
    return 1.0


value: Tensor = step(x, 0.1)
value = step(x, rate=0.1)
again: float = other(x)
plan: str = step.explain()


def square(x: float, y: float = 1.0) -> Any:
    return x * x * y


slope: Callable[[float, float], Any] = clearprop.grad(square)
found = clearprop.grad(square)(2.0, y=3.0)
both = clearprop.value_and_grad(square)(2.0)
report = clearprop.gradcheck(square, 2.0)
