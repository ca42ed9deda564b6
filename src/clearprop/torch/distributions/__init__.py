"""`torch.distributions`: draws with gradients, logarithms of densities, entropies, divergences.

The draws come from clearprop's generator, so they are others than PyTorch's; densities are the same.
"""

from __future__ import annotations

from typing import Any

from clearprop.errors import lesson
from clearprop.torch.distributions.base import Distribution
from clearprop.torch.distributions.continuous import (
    Beta,
    Cauchy,
    Chi2,
    Dirichlet,
    Exponential,
    Gamma,
    Gumbel,
    HalfNormal,
    Laplace,
    LogNormal,
    Normal,
    StudentT,
    Uniform,
)
from clearprop.torch.distributions.discrete import (
    Bernoulli,
    Binomial,
    Categorical,
    Geometric,
    Multinomial,
    OneHotCategorical,
    Poisson,
)
from clearprop.torch.distributions.divergence import kl_divergence, register_kl
from clearprop.torch.distributions.several import (
    Independent,
    MixtureSameFamily,
    MultivariateNormal,
    RelaxedBernoulli,
    RelaxedOneHotCategorical,
)
from clearprop.torch.tensors import nearest

_WANTED = {
    "TransformedDistribution": ("is not built", "a function of base.rsample(), and its slope in log_prob"),
    "transforms": ("is not built", "the functions of torch: torch.tanh(x), log(1 - tanh(x)**2)"),
    "constraints": ("is not built", "the distributions check their own parameters"),
    "LowRankMultivariateNormal": ("is not built", "MultivariateNormal(mean, w @ w.T + torch.diag(d))"),
    "VonMises": ("is not built", "clearprop.scipy.stats"),
    "Wishart": ("is not built", "x.T @ x of rows x of a MultivariateNormal"),
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in ("kl", "normal", "categorical", "bernoulli", "distribution", "multivariate_normal"):
        import sys

        return sys.modules[__name__]  # PyTorch has a module for each of them
    wanted, hint = _WANTED.get(name, ("there is no such distribution", nearest(name, __all__)))
    raise AttributeError(lesson(f"torch.distributions.{name}", wanted, hint=hint))


__all__ = [
    "Bernoulli",
    "Beta",
    "Binomial",
    "Categorical",
    "Cauchy",
    "Chi2",
    "Dirichlet",
    "Distribution",
    "Exponential",
    "Gamma",
    "Geometric",
    "Gumbel",
    "HalfNormal",
    "Independent",
    "Laplace",
    "LogNormal",
    "MixtureSameFamily",
    "Multinomial",
    "MultivariateNormal",
    "Normal",
    "OneHotCategorical",
    "Poisson",
    "RelaxedBernoulli",
    "RelaxedOneHotCategorical",
    "StudentT",
    "Uniform",
    "kl_divergence",
    "register_kl",
]
