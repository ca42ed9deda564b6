"""How optimizers, schedules and initialisers are compared with PyTorch's: over many steps, by many draws."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from clearprop import Tensor, compile, manual_seed, nn, optim

SHAPES = [(4, 3), (4,), (), (1, 2, 2)]
SINGLE = ("NAdam", "ASGD")  # PyTorch keeps their numbers of no axes in float32

OPTIMIZERS = [
    ("SGD", {"lr": 0.05}),
    ("SGD", {"lr": 0.05, "momentum": 0.9}),
    ("SGD", {"lr": 0.05, "momentum": 0.9, "dampening": 0.3}),
    ("SGD", {"lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    ("SGD", {"lr": 0.001, "momentum": 0.5, "maximize": True, "weight_decay": 0.1}),
    ("Adam", {"lr": 0.01}),
    ("Adam", {"lr": 0.01, "amsgrad": True, "weight_decay": 0.1}),
    ("Adam", {"lr": 0.01, "betas": (0.8, 0.95), "eps": 1e-3, "maximize": True}),
    ("AdamW", {"lr": 0.01}),
    ("AdamW", {"lr": 0.01, "amsgrad": True, "weight_decay": 0.2}),
    ("AdamW", {"lr": 0.01, "maximize": True}),
    ("RMSprop", {"lr": 0.01}),
    ("RMSprop", {"lr": 0.01, "centered": True, "momentum": 0.9}),
    ("RMSprop", {"lr": 0.01, "momentum": 0.5, "alpha": 0.9, "weight_decay": 0.1}),
    ("RMSprop", {"lr": 0.01, "centered": True, "maximize": True}),
    ("Adagrad", {"lr": 0.1}),
    (
        "Adagrad",
        {"lr": 0.1, "lr_decay": 0.1, "weight_decay": 0.1, "initial_accumulator_value": 0.5, "eps": 1e-3},
    ),
    ("Adadelta", {}),
    ("Adadelta", {"lr": 0.5, "rho": 0.8, "eps": 1e-3, "weight_decay": 0.1, "maximize": True}),
    ("Adamax", {"lr": 0.01}),
    ("Adamax", {"lr": 0.01, "betas": (0.8, 0.95), "weight_decay": 0.1, "maximize": True}),
    ("NAdam", {"lr": 0.01}),
    ("NAdam", {"lr": 0.01, "weight_decay": 0.1, "momentum_decay": 0.01, "decoupled_weight_decay": True}),
    ("NAdam", {"lr": 0.01, "betas": (0.8, 0.95), "weight_decay": 0.1, "maximize": True}),
    ("RAdam", {"lr": 0.01}),
    ("RAdam", {"lr": 0.01, "weight_decay": 0.1, "decoupled_weight_decay": True, "maximize": True}),
    ("RAdam", {"lr": 0.01, "betas": (0.8, 0.95), "weight_decay": 0.1}),
    ("ASGD", {"lr": 0.01}),
    ("ASGD", {"lr": 0.01, "lambd": 0.01, "alpha": 0.5, "t0": 40, "weight_decay": 0.1, "maximize": True}),
    ("Rprop", {"lr": 0.01}),
    ("Rprop", {"lr": 0.01, "etas": (0.6, 1.3), "step_sizes": (1e-3, 0.05), "maximize": True}),
    ("Adafactor", {}),
    ("Adafactor", {"lr": 0.05, "beta2_decay": -0.5, "eps": (1e-6, 1e-2), "d": 2.0, "weight_decay": 0.1}),
]
MATRICES = [("Muon", {"lr": 0.05}), ("Muon", {"lr": 0.05, "nesterov": False, "ns_steps": 3})]
SCHEDULES = [
    ("StepLR", {"step_size": 3, "gamma": 0.5}),
    ("MultiStepLR", {"milestones": [2, 5, 5], "gamma": 0.1}),
    ("ExponentialLR", {"gamma": 0.9}),
    ("LambdaLR", {"lr_lambda": lambda n: 1 / (1 + n)}),
    ("LinearLR", {"start_factor": 0.25, "total_iters": 4}),
    ("CosineAnnealingLR", {"T_max": 12, "eta_min": 0.01}),
    ("OneCycleLR", {"max_lr": 0.5, "total_steps": 13}),
    ("ConstantLR", {"factor": 0.25, "total_iters": 4}),
    ("PolynomialLR", {"total_iters": 5, "power": 1.5}),
    ("MultiplicativeLR", {"lr_lambda": lambda n: 0.5 + n / 10}),
    ("CosineAnnealingWarmRestarts", {"T_0": 3, "eta_min": 0.01}),
    ("CosineAnnealingWarmRestarts", {"T_0": 2, "T_mult": 2}),
    ("CosineAnnealingWarmRestarts", {"T_0": 1, "T_mult": 3}),
    ("CyclicLR", {"base_lr": 0.1, "max_lr": 0.5, "step_size_up": 2}),
    (
        "CyclicLR",
        {"base_lr": 0.1, "max_lr": 0.5, "step_size_up": 3, "step_size_down": 1, "mode": "triangular2"},
    ),
    ("CyclicLR", {"base_lr": 0.1, "max_lr": 0.5, "step_size_up": 2, "mode": "exp_range", "gamma": 0.9}),
    ("CyclicLR", {"base_lr": 0.1, "max_lr": 0.5, "step_size_up": 2, "scale_fn": lambda x: 1 / x}),
    ("OneCycleLR", {"max_lr": 0.5, "total_steps": 20, "anneal_strategy": "linear", "pct_start": 0.4}),
    ("OneCycleLR", {"max_lr": [0.5], "epochs": 41, "steps_per_epoch": 5, "three_phase": True}),
    ("OneCycleLR", {"max_lr": 0.5, "total_steps": 30, "three_phase": True, "anneal_strategy": "linear"}),
    ("CyclicLR", {"base_lr": [0.1], "max_lr": [0.5], "step_size_up": 3}),
]


@dataclass
class Trajectory:
    """An optimizer and its options: after each of 40 steps the parameters are PyTorch's."""

    name: str
    options: dict[str, Any]
    shapes: list[tuple[int, ...]] = field(default_factory=lambda: SHAPES)

    def __str__(self) -> str:
        return f"{self.name} {self.options}"

    @property
    def called(self) -> str:
        return f"optim.{self.name}"

    def gradients(self) -> Iterator[list[np.ndarray]]:
        rng = np.random.default_rng(0)
        for i in range(40):
            yield [rng.normal(size=s) * 10.0 ** (i % 3 - 1) for s in self.shapes]

    def agree(self, executor: str = "") -> None:
        import torch

        starts = [np.random.default_rng(1).normal(size=s) for s in self.shapes]
        ours, theirs = [Tensor(x) for x in starts], [torch.tensor(x) for x in starts]
        optimizer = getattr(optim, self.name)(ours, **self.options)
        reference = getattr(torch.optim, self.name)(theirs, **self.options)

        def step(*gradients: Any) -> None:
            for p, g in zip(ours, gradients, strict=True):
                p.grad = g
            optimizer.step()

        run = compile(step, executor=executor) if executor else step
        near = np.finfo(np.float32 if self.name in SINGLE else np.float64).eps * 200
        for gradients in self.gradients():
            run(*gradients)
            for q, g in zip(theirs, gradients, strict=True):
                q.grad = torch.tensor(g).to_sparse() if self.name == "SparseAdam" else torch.tensor(g)
            with unrounded():
                reference.step()
            for p, q in zip(ours, theirs, strict=True):
                scale = np.abs(q.numpy()).max() + 1
                np.testing.assert_allclose(p.value, q.numpy(), rtol=0, atol=near * scale)
        same_keys(optimizer.state_dict(), reference.state_dict())


@contextmanager
def unrounded() -> Iterator[None]:
    """Inside the block PyTorch's Muon turns matrices in their own dtype: it rounds them to bfloat16 otherwise.

    Where the gradient has a low rank, such rounding is most of what comes out: steps differ by their length.
    """
    from torch.optim import _muon

    original = _muon._zeropower_via_newtonschulz
    text = inspect.getsource(original)
    assert text.count(".bfloat16()") == 1
    space = dict(vars(_muon))
    exec(text.replace(".bfloat16()", ".clone()"), space)
    _muon._zeropower_via_newtonschulz = space[original.__name__]
    try:
        yield
    finally:
        _muon._zeropower_via_newtonschulz = original


def same_keys(ours: Any, theirs: Any) -> None:
    """Assert that two states have the same entries, whatever their order."""
    for mine, other in zip(ours["param_groups"], theirs["param_groups"], strict=True):
        assert set(mine) == set(other)
        for name in ("foreach", "fused", "capturable", "differentiable", "decoupled_weight_decay"):
            assert mine.get(name) == other.get(name), name
    kept = {i: {k for k, v in memory.items() if v is not None} for i, memory in theirs["state"].items()}
    assert {i: set(memory) for i, memory in ours["state"].items()} == {i: m for i, m in kept.items() if m}


@dataclass
class Closure:
    """`LBFGS`, which asks for the loss itself: on Rosenbrock's valley every step ends where PyTorch's does."""

    options: dict[str, Any]
    name: str = "LBFGS"
    called: str = "optim.LBFGS"

    def __str__(self) -> str:
        return f"{self.name} {self.options}"

    def agree(self, executor: str = "") -> None:
        import torch

        def asked(t: Any, valley: Any, optimizer: Any) -> Callable[[], Any]:
            def closure() -> Any:
                optimizer.zero_grad()
                loss = valley()
                loss.backward()
                return loss

            return closure

        start = np.array([-1.2, 1.0, 0.7])
        ours, theirs = Tensor(start), torch.tensor(start, requires_grad=True)
        sides = [(t, m.LBFGS([t], **self.options)) for t, m in ((ours, optim), (theirs, torch.optim))]
        first, second = (asked(t, lambda t=t: valley(t), optimizer) for t, optimizer in sides)
        first = compile(first, executor=executor) if executor else first
        for _ in range(8):
            sides[0][1].step(first)
            sides[1][1].step(second)
            np.testing.assert_allclose(ours.value, theirs.detach().numpy(), rtol=1e-4)


def valley(x: Any) -> Any:
    """Return Rosenbrock's function of three numbers."""
    return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


@dataclass
class Rates:
    """A schedule and its options: at each of 200 steps the rates are PyTorch's, and so a compiled step's."""

    name: str
    make: Callable[[Any, Any], Any]  # the namespace of schedules and the optimizer
    options: dict[str, Any] = field(default_factory=dict)
    measured: bool = False  # its step wants a number: how good the training is
    steps: int = 200

    def __str__(self) -> str:
        return f"{self.name} {list(self.options)}"

    @property
    def called(self) -> str:
        return f"optim.lr_scheduler.{self.name}"

    def agree(self, executor: str = "") -> None:
        import torch

        p, q = Tensor([0.0]), torch.zeros(1, dtype=torch.float64)
        ours, theirs = (optim.SGD([p], 0.2, momentum=0.9), torch.optim.SGD([q], 0.2, momentum=0.9))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PyTorch remarks on the order of calls
            schedule, reference = self.make(optim, ours), self.make(torch.optim.lr_scheduler, theirs)
            step = compile(ours.step, executor=executor) if executor else ours.step
            for i in range(self.steps):
                np.testing.assert_allclose(
                    ours.param_groups[0]["lr"], theirs.param_groups[0]["lr"], rtol=1e-9, atol=1e-15
                )
                p.grad, q.grad = np.ones(1), torch.ones(1, dtype=torch.float64)
                step()
                theirs.step()
                given = (1 / (1 + i // 9),) if self.measured else ()
                schedule.step(*given)
                reference.step(*given)
        np.testing.assert_allclose(p.value, q.numpy(), rtol=1e-9)


@dataclass
class Drawn:
    """What is drawn at random: its moments, ends and zeros are those of PyTorch's draws."""

    name: str
    draw: Callable[[Any, Any], Any]  # the namespace `nn` and an array of zeros of that namespace
    path: str
    shape: tuple[int, ...] = (200, 50, 6)
    exact: bool = False  # nothing is random
    planned: bool = True  # a compiled step may draw it; otherwise it refuses, and names the cure

    def __str__(self) -> str:
        return self.name

    @property
    def called(self) -> str:
        return self.path

    def agree(self, executor: str = "") -> None:
        import torch

        torch.manual_seed(0)
        manual_seed(0)
        theirs = self.draw(torch.nn, torch.zeros(self.shape)).detach().numpy()
        parameter = nn.Parameter(np.zeros(self.shape, np.float32))

        def make(x: Any) -> Any:
            return self.draw(nn, parameter if "init" in self.path else x)

        if executor and not self.planned:
            with pytest.raises(RuntimeError, match="before the compiled step"):
                compile(make, executor=executor)(np.zeros(self.shape, np.float32))
            return
        result = (compile(make, executor=executor) if executor else make)(np.zeros(self.shape, np.float32))
        ours = np.asarray(result.value if isinstance(result, Tensor) else result)
        assert ours.dtype == theirs.dtype
        if self.exact:
            np.testing.assert_array_equal(ours, theirs)
            return
        spread = theirs.std()
        for power in (1, 2, 3, 4):  # the moments of 60,000 draws
            mine, other = ((x.astype(np.float64) / spread) ** power for x in (ours, theirs))
            assert abs(mine.mean() - other.mean()) < 0.03 * other.std() + 1e-3, power
        assert abs(np.mean(ours == 0) - np.mean(theirs == 0)) < 0.01
        ends = np.quantile(ours, [0.001, 0.5, 0.999]) - np.quantile(theirs, [0.001, 0.5, 0.999])
        assert np.abs(ends).max() < 0.25 * spread
