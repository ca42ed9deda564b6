"""Modules that hold others, and those that learn their sizes: one row a name beside PyTorch's."""

import numpy as np
import pytest
from tests.parity.compare import Row, agree

from clearprop import nn
from clearprop.nn import functional as F

torch = pytest.importorskip("torch")
rng = np.random.default_rng(8)
X, ROWS_OF_TIME, MEMORY = rng.normal(size=(5, 4)), rng.normal(size=(5, 2, 8)), rng.normal(size=(3, 2, 8))
GIVEN = {n: rng.normal(size=(2, 3, *(5, 6, 4)[:n])) for n in (1, 2, 3)}


def built(name, build, *inputs, **how):
    """Return the row of what `build` makes of the namespace `nn`, ours and theirs."""
    return Row(how.pop("title", name), getattr(nn, name), f"nn.{name}", inputs, build=build, **how)


def listed(nn):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.parts = nn.ModuleList([nn.Linear(4, 3), nn.Tanh()])
            self.parts.append(nn.Linear(3, 3))
            self.parts.insert(1, nn.Sigmoid())
            self.parts.extend([nn.Linear(3, 2)])

        def forward(self, x):
            for part in self.parts:
                x = part(x)
            return x + len(self.parts)

    return Net()


def named(nn):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.parts = nn.ModuleDict({"b": nn.Linear(4, 3), "a": nn.Tanh()})
            self.parts["c"] = nn.Linear(4, 3)
            self.parts.update({"d": nn.Sigmoid()})

        def forward(self, x):
            return self.parts["a"](self.parts["b"](x)) * self.parts["d"](self.parts["c"](x))

    return Net()


def weights(kind):
    """Return what builds a net that holds its Parameters in a list or by name."""

    def build(nn):
        def parameter(rows):
            plain = [[0.1 * i - 0.2 * k for k in range(rows)] for i in range(4)]
            return nn.Parameter(torch.tensor(plain) if nn is torch.nn else np.array(plain, np.float32))

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                held = [parameter(3), parameter(2)]
                named = {"left": held[1], "right": held[0]}  # PyTorch sorts the keys of a plain dict
                self.held = nn.ParameterDict(named) if kind == "ParameterDict" else nn.ParameterList(held)

            def forward(self, x):
                first, second = ("right", "left") if kind == "ParameterDict" else (0, 1)
                return (x @ self.held[first]).sum(1) * (x @ self.held[second]).sum(1)

        return Net()

    return build


def chain(nn):
    inner = nn.Sequential(nn.Linear(3, 3), nn.Sigmoid())
    return nn.Sequential(nn.Linear(4, 3), nn.Tanh(), inner, inner, nn.Linear(3, 2))


def layers(nn, kind, **options):
    layer = getattr(nn, f"Transformer{kind}Layer")(8, 2, 6, dropout=0.3, **options)
    return getattr(nn, f"Transformer{kind}")(layer, 2, nn.LayerNorm(8))


def ctc(nn):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.loss, self.logs = nn.CTCLoss(), nn.LogSoftmax(-1)

        def forward(self, x, targets, steps, lengths):
            return self.loss(self.logs(x), targets, steps, lengths)

    return Net()


LAZY = [
    built("LazyLinear", lambda nn: nn.LazyLinear(3), X),
    *(
        built(f"Lazy{kind}{n}d", lambda nn, kind=kind, n=n: getattr(nn, f"Lazy{kind}{n}d")(4, 2, bias=True), x)
        for kind in ("Conv", "ConvTranspose")
        for n, x in GIVEN.items()
    ),
    *(
        built(f"Lazy{kind}{n}d", lambda nn, kind=kind, n=n: getattr(nn, f"Lazy{kind}{n}d")(), x, evaluate=True, rtol=1e-7)
        for kind in ("BatchNorm", "InstanceNorm")
        for n, x in GIVEN.items()
    ),
]  # fmt: skip
HOLDING = [
    *(built("Sequential", chain, X), built("ModuleList", listed, X), built("ModuleDict", named, X)),
    *(built(kind, weights(kind), X) for kind in ("ParameterList", "ParameterDict")),
    built("TransformerEncoder", lambda nn: layers(nn, "Encoder"), ROWS_OF_TIME, evaluate=True, rtol=1e-8),
    built("TransformerDecoder", lambda nn: layers(nn, "Decoder", norm_first=True), ROWS_OF_TIME, MEMORY, evaluate=True, rtol=1e-8),
]  # fmt: skip
OTHERS = [
    Row("SyncBatchNorm on one host", nn.SyncBatchNorm, "nn.SyncBatchNorm", (GIVEN[2],), (3,), evaluate=True),
    *(Row(f"Dropout{n}d in evaluation", getattr(nn, f"Dropout{n}d"), f"nn.Dropout{n}d", (GIVEN[n],), evaluate=True) for n in (2, 3)),
    built("CTCLoss", ctc, rng.normal(size=(7, 2, 5)), np.array([[1, 2, 2], [3, 1, 0]]), np.array([7, 5]), np.array([3, 2]), second=False),
    Row("functional.ctc_loss", lambda x, *rest: F.ctc_loss(F.log_softmax(x, -1), *rest), "nn.functional.ctc_of_logits",
        (rng.normal(size=(7, 2, 5)), np.array([[1, 2, 2], [3, 1, 0]]), np.array([7, 5]), np.array([3, 2])), second=False, covers="nn.functional.ctc_loss"),
]  # fmt: skip
ROWS = [*LAZY, *HOLDING, *OTHERS]


def after_the_softmax(x, *given):
    return torch.nn.functional.ctc_loss(torch.log_softmax(x, -1), *given)


torch.nn.functional.ctc_of_logits = after_the_softmax  # PyTorch's derivative is that after log_softmax


@pytest.mark.filterwarnings("ignore")  # PyTorch remarks on lazy modules and on nested tensors
@pytest.mark.parametrize("row", ROWS, ids=str)
def test_like_pytorch(row):
    agree(row)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("executor", ["numpy", "llvm"])
@pytest.mark.parametrize("row", ROWS, ids=str)
def test_compiled_like_pytorch(row, executor):
    agree(row, np.float64, executor)
