"""What few programs call: functions that SciPy computes, parts of numbers, counts, layers by old names."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable
from typing import Any

import numpy as np

from clearprop.errors import lesson
from clearprop.torch.names import FUNCTIONS, METHODS, PLAIN, function, plain
from clearprop.torch.pointwise import alike, real
from clearprop.torch.reducing import norm, returned
from clearprop.torch.tensors import cast, kept, lift

_Parts = namedtuple("_Parts", ("mantissa", "exponent"))
_Counted = namedtuple("_Counted", ("hist", "bin_edges"))


# --- what SciPy's chapter computes -------------------------------------------------------------------------
def _computed(name: str, *nodes: Any) -> Any:
    """Return a function of `clearprop.scipy.special` of nodes, in the dtype that the last of them has."""
    from clearprop.scipy import special

    found = getattr(special, name)(*nodes)
    return lift(cast(found, nodes[-1].dtype), f"special_{name}")


def _of_one(name: str) -> Callable[..., Any]:
    return lambda x: _computed(name, real(x))


def _of_two(name: str) -> Callable[..., Any]:
    def of_two(x: Any, y: Any) -> Any:
        nodes = alike(x, y, real=True)
        dtype = next(v.dtype for v in nodes if hasattr(v, "dtype"))
        return _computed(name, *(v if hasattr(v, "dtype") else np.asarray(v, dtype) for v in nodes))

    return of_two


def _degree(n: Any) -> Any:
    """Return degrees as whole numbers, of which PyTorch takes what is before the point."""
    return np.asarray(kept(n)._value if hasattr(n, "node") else n).astype(np.int64)


def _polynomial(name: str) -> Callable[..., Any]:
    """Return a polynomial of x by its degree n, 0 where that is below 0."""

    def polynomial(x: Any, n: Any) -> Any:
        degree = _degree(n)
        found = _computed(name, np.maximum(degree, 0), real(x))
        return found if (degree >= 0).all() else FUNCTIONS["where"](lift(degree >= 0), found, 0.0)

    return polynomial


def _chebyshev(sign: int) -> Callable[..., Any]:
    """Return Chebyshev's polynomials of the third kind (U_n - U_(n-1)) or the fourth (U_n + U_(n-1))."""
    second = _polynomial("eval_chebyu")
    return lambda x, n: second(x, n) + sign * second(x, lift(_degree(n) - 1))


def _shifted(polynomial: Callable[..., Any]) -> Callable[..., Any]:
    """Return the polynomial on [0, 1] that one on [-1, 1] becomes."""
    return lambda x, n: polynomial(2 * lift(real(x)) - 1, n)


def _airy(x: Any) -> Any:
    from clearprop.scipy import special

    return lift(special.airy(real(x))[0], "special_airy_ai")


def _spherical(x: Any) -> Any:
    return FUNCTIONS["sinc"](lift(real(x)) / np.pi)


def _polygamma(n: int, input: Any) -> Any:
    if n < 0:
        wanted, hint = "wants an order of 0 or more", "torch.polygamma(1, x)"
        raise RuntimeError(lesson("torch.polygamma(n, x)", wanted, f"{n}", hint=hint))
    return _computed("polygamma", np.asarray(n), real(input))


def _multigammaln(x: Any, p: int) -> Any:
    if p < 1:
        raise RuntimeError(lesson("torch.mvlgamma(x, p)", "wants p of 1 or more", f"p={p}", hint="p=1"))
    terms = [FUNCTIONS["lgamma"](lift(real(x)) - j / 2) for j in range(p)]
    return sum(terms, p * (p - 1) / 4 * np.log(np.pi))


_NAMES = {
    "bessel_j0": "j0", "bessel_j1": "j1", "bessel_y0": "y0", "bessel_y1": "y1", "modified_bessel_i0": "i0",
    "modified_bessel_i1": "i1", "modified_bessel_k0": "k0", "modified_bessel_k1": "k1",
    "scaled_modified_bessel_k0": "k0e", "scaled_modified_bessel_k1": "k1e",
    **{name: name for name in ("i0e", "i1", "i1e", "entr", "erfcx", "log_ndtr", "ndtr", "ndtri")},
}  # fmt: skip
_KINDS = {"t": _polynomial("eval_chebyt"), "u": _polynomial("eval_chebyu")}
_KINDS |= {"v": _chebyshev(-1), "w": _chebyshev(1)}
COMPUTED: dict[str, Callable[..., Any]] = {
    **{name: _of_one(ours) for name, ours in _NAMES.items()},
    **{name: _of_two(name) for name in ("gammainc", "gammaincc", "xlog1py", "zeta")},
    **{f"chebyshev_polynomial_{kind}": f for kind, f in _KINDS.items()},
    **{f"shifted_chebyshev_polynomial_{kind}": _shifted(f) for kind, f in _KINDS.items()},
    "hermite_polynomial_h": _polynomial("eval_hermite"),
    "hermite_polynomial_he": _polynomial("eval_hermitenorm"),
    "laguerre_polynomial_l": _polynomial("eval_laguerre"),
    "legendre_polynomial_p": _polynomial("eval_legendre"),
    "airy_ai": _airy,
    "spherical_bessel_j0": _spherical,
    "multigammaln": _multigammaln,
    "polygamma": _polygamma,
}
"""Functions of `torch.special` by their names there."""

PLAIN["polygamma"] = _polygamma
METHODS["polygamma"] = lambda x, n: _polygamma(n, x)
FUNCTIONS["mvlgamma"] = _multigammaln
FUNCTIONS["igamma"], FUNCTIONS["igammac"] = COMPUTED["gammainc"], COMPUTED["gammaincc"]


# --- what NumPy computes -----------------------------------------------------------------------------------
@function
def logcumsumexp(x: Any, dim: int) -> Any:
    """Return the logarithms of the running sums of exp(x) along an axis, none of which overflows."""
    if not x.ndim:
        return FUNCTIONS["clone"](x)
    pieces = FUNCTIONS["unbind"](lift(real(x)), dim)
    found = list(pieces[:1])
    for piece in pieces[1:]:
        found.append(FUNCTIONS["logaddexp"](found[-1], piece))
    return PLAIN["stack"](found, dim) if found else FUNCTIONS["clone"](x)


@function
def frexp(x: Any) -> Any:
    """Return mantissas from 1/2 to 1 and exponents: x is mantissa times 2 to the exponent."""
    node = kept(x)
    if node.dtype.kind != "f":
        raise RuntimeError(
            lesson("torch.frexp(x)", "wants floating-point numbers", f"{x.dtype}", hint="x.float()")
        )
    exponent = np.frexp(node._value)[1]
    half = exponent // 2  # in two steps: 2 to the exponent of the smallest numbers is infinite
    scales = (np.exp2(-n.astype(node.dtype)) for n in (half, exponent - half))
    mantissa = node * next(scales) * next(scales)
    return _Parts(lift(mantissa, "frexp"), lift(np.asarray(exponent, np.int32)))


@function
def renorm(x: Any, p: float, dim: int, maxnorm: float) -> Any:
    """Return x, its slices along an axis made shorter where their p-norm is above a number."""
    others = tuple(i for i in range(x.ndim) if i != dim % x.ndim)
    lengths = norm(x, p, others, True)
    shorter = FUNCTIONS["where"](lengths > maxnorm, maxnorm / (lengths + 1e-7), 1.0)
    return x * shorter


@function
def histogram(
    x: Any, bins: Any = 100, *, range: Any = None, weight: Any = None, density: bool = False
) -> Any:
    """Return how many entries lie in each interval, or the sums of their weights, and where intervals end."""
    array = real(x)._value.reshape(-1)
    ends = lift(bins).node._value if hasattr(bins, "node") else bins
    weights = None if weight is None else weight.node._value.reshape(-1)
    found = np.histogram(array, ends, range, density, weights)
    return _Counted(*(lift(v.astype(array.dtype)) for v in found))


@plain
def dropout(input: Any, p: float, train: bool) -> Any:
    """Return the input with a share p of its entries 0 and the others larger, where `train` says so."""
    from clearprop.torch.nn import functional

    return functional.KNOWN["dropout"](input, p, train)


@plain
def group_norm(
    input: Any,
    num_groups: int,
    weight: Any = None,
    bias: Any = None,
    eps: float = 1e-5,
    cudnn_enabled: bool = True,
) -> Any:
    """Return the input, each of some groups of channels of mean 0 and variance 1, times weight plus bias."""
    from clearprop.torch.nn import functional

    return functional.KNOWN["group_norm"](input, num_groups, weight, bias, eps)


FUNCTIONS["frexp"], FUNCTIONS["histogram"] = returned("frexp", frexp), returned("histogram", histogram)
