"""How far values and local derivatives of the elementwise ops are from the exact ones, beside PyTorch's.

    python benchmarks/accuracy.py [--points 4000] [--op tanh] [--json FILE]
    python benchmarks/accuracy.py --costs    # of the formulas that are right where ours are not

Every op is evaluated at points spread over all of its domain (log-uniformly over the magnitudes of the dtype
as well as uniformly near 0). The exact numbers come from mpmath. Errors are in units in the last place (ulp)
of the exact result: the largest and the 99th percentile; exact results that are subnormal or too large are left
out. Local derivatives are what `backward` sends for an arriving 1. tanh and logaddexp say in their docs what
they lose in their tails.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import clearprop
from clearprop import Tensor
from clearprop.nn import functional

try:
    import torch
except ImportError:
    torch = None
try:
    import mpmath as mp
except ImportError:
    raise SystemExit("benchmarks/accuracy.py: needs mpmath. Try pip install mpmath.") from None

mp.mp.prec = 1400  # 1 - tanh(x)^2 and the like lose hundreds of digits in the tails
ANY, POSITIVE, UNIT, ABOVE = (-math.inf, math.inf), (0.0, math.inf), (-1.0, 1.0), (1.0, math.inf)


def _logistic(x: Any) -> Any:
    return 1 / (1 + mp.exp(-x))


def _share(x: Any) -> Any:
    return mp.erfc(-x / mp.sqrt(2)) / 2


def _density(x: Any) -> Any:
    return mp.exp(-x * x / 2) / mp.sqrt(2 * mp.pi)


# fmt: off
# name: domain, exact value, exact derivatives, PyTorch's name
TABLE: dict[str, tuple[Any, Callable, tuple[Callable, ...], str]] = {
    "divide":     ((POSITIVE, POSITIVE), lambda x, y: x / y, (lambda x, y: 1 / y, lambda x, y: -x / y**2),    "divide"),
    "power":      ((POSITIVE, (-3.0, 3.0)), lambda x, y: x**y, (lambda x, y: y * x ** (y - 1), lambda x, y: x**y * mp.log(x)), "pow"),
    "sqrt":       ((POSITIVE,), mp.sqrt,             (lambda x: 1 / (2 * mp.sqrt(x)),),                       "sqrt"),
    "cbrt":       ((POSITIVE,), mp.cbrt,             (lambda x: mp.cbrt(x) / (3 * x),),                       ""),
    "reciprocal": ((ANY,),      lambda x: 1 / x,     (lambda x: -1 / x**2,),                                  "reciprocal"),
    "exp":        (((-800.0, 800.0),), mp.exp,       (mp.exp,),                                               "exp"),
    "exp2":       (((-1000.0, 1000.0),), lambda x: mp.mpf(2) ** x, (lambda x: mp.mpf(2) ** x * mp.log(2),),   "exp2"),
    "expm1":      (((-800.0, 800.0),), mp.expm1,     (mp.exp,),                                               "expm1"),
    "log":        ((POSITIVE,), mp.log,              (lambda x: 1 / x,),                                      "log"),
    "log2":       ((POSITIVE,), lambda x: mp.log(x) / mp.log(2),  (lambda x: 1 / (x * mp.log(2)),),           "log2"),
    "log10":      ((POSITIVE,), mp.log10,            (lambda x: 1 / (x * mp.log(10)),),                       "log10"),
    "log1p":      (((-1.0, math.inf),), lambda x: mp.log(1 + x), (lambda x: 1 / (1 + x),),                    "log1p"),
    "logaddexp":  (((-800.0, 800.0),) * 2, lambda x, y: mp.log(mp.exp(x) + mp.exp(y)), (lambda x, y: _logistic(x - y), lambda x, y: _logistic(y - x)), "logaddexp"),
    "sin":        (((-1e4, 1e4),), mp.sin,           (mp.cos,),                                               "sin"),
    "cos":        (((-1e4, 1e4),), mp.cos,           (lambda x: -mp.sin(x),),                                 "cos"),
    "tan":        (((-1e4, 1e4),), mp.tan,           (lambda x: 1 + mp.tan(x) ** 2,),                         "tan"),
    "arcsin":     ((UNIT,),     mp.asin,             (lambda x: 1 / mp.sqrt(1 - x * x),),                     "arcsin"),
    "arccos":     ((UNIT,),     mp.acos,             (lambda x: -1 / mp.sqrt(1 - x * x),),                    "arccos"),
    "arctan":     ((ANY,),      mp.atan,             (lambda x: 1 / (1 + x * x),),                            "arctan"),
    "arctan2":    ((POSITIVE, POSITIVE), mp.atan2,   (lambda y, x: x / (x * x + y * y), lambda y, x: -y / (x * x + y * y)), "arctan2"),
    "sinh":       (((-700.0, 700.0),), mp.sinh,      (mp.cosh,),                                              "sinh"),
    "cosh":       (((-700.0, 700.0),), mp.cosh,      (mp.sinh,),                                              "cosh"),
    "tanh":       (((-300.0, 300.0),), mp.tanh,      (lambda x: mp.sech(x) ** 2,),                            "tanh"),
    "arcsinh":    ((ANY,),      mp.asinh,            (lambda x: 1 / mp.sqrt(1 + x * x),),                     "arcsinh"),
    "arccosh":    ((ABOVE,),    mp.acosh,            (lambda x: 1 / mp.sqrt(x * x - 1),),                     "arccosh"),
    "arctanh":    ((UNIT,),     mp.atanh,            (lambda x: 1 / (1 - x * x),),                            "arctanh"),
    "hypot":      ((POSITIVE, POSITIVE), mp.hypot,   (lambda x, y: x / mp.hypot(x, y), lambda x, y: y / mp.hypot(x, y)), "hypot"),
    "sigmoid":    (((-700.0, 700.0),), _logistic,    (lambda x: _logistic(x) * _logistic(-x),),               "sigmoid"),
    "erf":        ((ANY,),      mp.erf,              (lambda x: 2 / mp.sqrt(mp.pi) * mp.exp(-x * x),),        "erf"),
    "erfc":       (((-40.0, 40.0),), mp.erfc,        (lambda x: -2 / mp.sqrt(mp.pi) * mp.exp(-x * x),),       "erfc"),
    "ndtr":       (((-60.0, 60.0),), _share,         (_density,),                                             "special.ndtr"),
    "gaussian":   (((-60.0, 60.0),), lambda x: mp.exp(-x * x / 2), (lambda x: -x * mp.exp(-x * x / 2),),      ""),
    "gelu":       (((-60.0, 60.0),), lambda x: x * _share(x), (lambda x: _share(x) + x * _density(x),),       "nn.functional.gelu"),
    "softplus":   (((-700.0, 700.0),), lambda x: mp.log(1 + mp.exp(x)), (_logistic,),                         "nn.functional.softplus"),
    "logsigmoid": (((-700.0, 700.0),), lambda x: -mp.log(1 + mp.exp(-x)), (lambda x: _logistic(-x),),         "nn.functional.logsigmoid"),
}
# fmt: on


def _tanh_gelu(x: Any) -> Any:
    return x * _logistic(2 * mp.sqrt(2 / mp.pi) * (x + mp.mpf(44715) / 10**6 * x**3))


def _tanh_gelu_slope(x: Any) -> Any:
    c, k = 2 * mp.sqrt(2 / mp.pi), mp.mpf(44715) / 10**6
    share = _logistic(c * (x + k * x**3))
    return share + x * share * (1 - share) * c * (1 + 3 * k * x**2)


# What is called where it is no op of that name; `'` is the derivative, whose own derivative is the second.
CALLED: dict[str, Callable[..., Any]] = {
    "x ** 0.1": lambda x: x**0.1,
    "softplus(beta=3)": lambda x: functional.softplus(x, beta=3),
    "gelu tanh": lambda x: functional.gelu(x, "tanh"),
    "silu'": clearprop.elementwise_grad(functional.silu),
    "gelu'": clearprop.elementwise_grad(functional.gelu),
    "cbrt'": clearprop.elementwise_grad(np.cbrt),
    "log_softmax": lambda x: clearprop.log_softmax(np.stack([x, 0 * x], axis=-1), axis=-1)[..., 0],
}
_TENTH = mp.mpf(0.1)
# fmt: off
TABLE |= {
    "x ** 0.1":   ((POSITIVE,), lambda x: x**_TENTH, (lambda x: _TENTH * x ** (_TENTH - 1),),                 ""),
    "softplus(beta=3)": (((-200.0, 200.0),), lambda x: mp.log(1 + mp.exp(3 * x)) / 3, (lambda x: _logistic(3 * x),), ""),
    "gelu tanh":  (((-5.0, 9.0),), _tanh_gelu,        (_tanh_gelu_slope,),                                   ""),
    "silu":       (((-700.0, 700.0),), lambda x: x * _logistic(x), (lambda x: _logistic(x) * (1 + x * _logistic(-x)),), "nn.functional.silu"),
    "silu'":      (((-300.0, 300.0),), lambda x: _logistic(x) * (1 + x * _logistic(-x)), (lambda x: _logistic(x) * _logistic(-x) * (2 + x * (_logistic(-x) - _logistic(x))),), ""),
    "gelu'":      (((-30.0, 30.0),), lambda x: _share(x) + x * _density(x), (lambda x: (2 - x * x) * _density(x),), ""),
    "cbrt'":      ((POSITIVE,), lambda x: mp.cbrt(x) / (3 * x), (lambda x: -2 * mp.cbrt(x) / (9 * x * x),),   ""),
    "log_softmax": (((-700.0, 700.0),), lambda x: -mp.log(1 + mp.exp(-x)), (lambda x: _logistic(-x),),        ""),
}
# fmt: on


# --- what it would cost to be right everywhere --------------------------------------------------------------
def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def _tails(x: np.ndarray) -> np.ndarray:
    np.tanh(x)  # the value is wanted in any case
    e = np.exp(-2 * np.abs(x))
    return 4 * e / np.square(1 + e)


def _whole_argument(x: np.ndarray) -> np.ndarray:
    """gelu's tanh form, its argument in two numbers."""
    wide = x.astype(np.longdouble)
    wide = 2 * np.sqrt(np.longdouble(2) / np.longdouble(mp.nstr(mp.pi, 30))) * (
        wide + np.longdouble("0.044715") * wide * wide * wide
    )  # fmt: skip
    u = wide.astype(np.float64)
    return x * _sigmoid(u) * (1 + (wide - u).astype(np.float64) * _sigmoid(-u))


def _whole_product(x: np.ndarray) -> np.ndarray:
    u = x * 3.0
    lost = (x.astype(np.longdouble) * 3 - u).astype(np.float64)
    return (np.logaddexp(u, 0) + lost * _sigmoid(u)) / 3


def _largest_apart(x: np.ndarray) -> np.ndarray:
    """log_softmax whose sum leaves out the largest entry's 1."""
    at = np.argmax(x, axis=-1)[..., None]
    shifted = x - np.take_along_axis(x, at, -1)
    e = np.exp(shifted)
    np.put_along_axis(e, at, 0.0, -1)
    return shifted - np.log1p(e.sum(axis=-1, keepdims=True))


def _by_its_zero(f: Callable, exact: Callable, start: float) -> Callable:
    """`f`, within 1/4 of a zero the zero's distance times a polynomial."""
    zero = mp.findroot(exact, start)
    high = float(zero)
    low, c = float(zero - high), [float(v) for v in mp.taylor(exact, zero, 15)[1:]]

    def right(x: np.ndarray) -> np.ndarray:
        d = (x - high) - low
        z = c[-1] * d
        for k in reversed(c[1:-1]):
            z = (z + k) * d
        return np.where(np.abs(d) < 0.25, d * (z + c[0]), f(x))

    return right


def costs() -> None:
    """Print the time of each right formula in that of ours, and where ours was wrong how wrong both are."""
    rng = np.random.default_rng(0)
    rows: list[tuple[str, Callable, Callable, Callable, np.ndarray]] = [
        ("tanh'", lambda x: 1 - np.square(np.tanh(x)), _tails, lambda x: mp.sech(x) ** 2, rng.uniform(5, 17, 10**5)),
        ("gelu tanh", CALLED["gelu tanh"], _whole_argument, TABLE["gelu tanh"][1], rng.uniform(-5, -3, 10**5)),
        ("softplus(beta=3)", CALLED["softplus(beta=3)"], _whole_product, TABLE["softplus(beta=3)"][1], rng.uniform(-200, 0, 10**5)),
    ]  # fmt: skip
    for name, start in (("silu'", -1.28), ("gelu'", -0.75)):
        _, value, slopes, _ = TABLE[name]
        second = clearprop.elementwise_grad(CALLED[name])
        for f, exact, at in (
            (CALLED[name], value, start),
            (second, slopes[0], {"silu'": -2.4, "gelu'": -1.41}[name]),
        ):
            x = rng.uniform(at - 0.01, at + 0.01, 10**5)
            rows.append((name + "'" * (f is second), f, _by_its_zero(f, exact, at), exact, x))  # fmt: skip
    print(f"{'':18}{'time':>8}{'ours: ulp':>12}{'right: ulp':>12}")
    for name, ours, right, exact, x in rows:
        few = [exact(mp.mpf(float(v))) for v in x[:500]]
        errors = (ulps(np.asarray(f(x[:500])), few, np.float64).max() for f in (ours, right))
        print(f"{name:18}{_ratio(right, ours, x):>8.2f}" + "".join(f"{e:>12.3g}" for e in errors))
    gap = rng.uniform(0, 40, (10**4, 1))
    x = np.concatenate([gap, np.zeros((10**4, 9))], axis=1)
    few = [-mp.log1p(9 * mp.exp(-mp.mpf(float(v)))) for v in gap[:500, 0]]
    errors = (ulps(f(x[:500])[:, 0], few, np.float64).max() for f in (clearprop.log_softmax, _largest_apart))
    print(f"{'log_softmax':18}{_ratio(_largest_apart, clearprop.log_softmax, x):>8.2f}" + "".join(f"{e:>12.3g}" for e in errors))  # fmt: skip


def _ratio(slow: Callable, fast: Callable, x: np.ndarray) -> float:
    """The least time of each of two functions, taken in turn."""
    least = [math.inf, math.inf]
    for _ in range(30):
        for i, f in enumerate((slow, fast)):
            start = time.perf_counter()
            f(x)
            least[i] = min(least[i], time.perf_counter() - start)
    return least[0] / least[1]


def points(domain: tuple[float, float], n: int, dtype: Any, rng: np.random.Generator) -> np.ndarray:
    """Return n numbers of all magnitudes inside an open interval."""
    low, high = domain
    top = min(max(abs(low), abs(high)), float(np.finfo(dtype).max) * 0.99)
    floor = max(float(np.finfo(dtype).tiny) * 4, 1e-300)
    sizes = np.exp(rng.uniform(math.log(floor), math.log(top), n))
    sizes[::2] = rng.uniform(0, min(top, 10.0), sizes[::2].size)
    if low == 1.0:
        sizes = 1 + sizes
    elif high == 1.0:  # both ends of the interval matter as much as 0 does
        sizes[::4] = 1 - np.exp(rng.uniform(math.log(1e-7), 0, sizes[::4].size))
    signs = rng.choice([-1.0, 1.0], n) if low < 0 else 1.0
    x = (sizes * signs).astype(dtype)
    keep = (x > low) & (x < high)
    return np.where(keep, x, np.asarray(0.5 if low != 1.0 else 1.5, dtype))


def ulps(got: np.ndarray, exact: list[Any], dtype: Any) -> np.ndarray:
    """Return the distance of each result from the exact one in units in its last place."""
    info = np.finfo(dtype)
    errors = []
    for value, right in zip(got.tolist(), exact, strict=True):
        size = abs(right)
        if not float(info.tiny) <= size <= float(info.max):
            continue
        unit = mp.ldexp(1, mp.frexp(size)[1] - info.nmant - 1)
        errors.append(float(abs(mp.mpf(value) - right) / unit) if math.isfinite(value) else math.inf)
    return np.array(errors)


def ours(name: str, xs: list[np.ndarray]) -> list[np.ndarray]:
    tensors = [Tensor(x) for x in xs]
    z = (CALLED.get(name) or clearprop.registry.ops.get(name) or getattr(functional, name))(*tensors)
    z.backward(np.ones(z.shape))
    return [z.value, *(t.grad for t in tensors)]


def theirs(path: str, xs: list[np.ndarray]) -> list[np.ndarray]:
    function = torch
    for part in path.split("."):
        function = getattr(function, part)
    tensors = [torch.from_numpy(x.copy()).requires_grad_() for x in xs]
    z = function(*tensors)
    z.backward(torch.ones_like(z))
    return [z.detach().numpy(), *(t.grad.numpy() for t in tensors)]


def measure(name: str, dtype: Any, n: int) -> list[dict[str, Any]]:
    domains, value, derivatives, path = TABLE[name]
    rng = np.random.default_rng(len(name))
    xs = [points(d, n, dtype, rng) for d in domains]
    exact_inputs = [[mp.mpf(v) for v in x.tolist()] for x in xs]
    labels = ["value", *(["dx", "dy"] if len(xs) > 1 else ["dx"])]
    with np.errstate(all="ignore"):
        mine = ours(name, xs)
        other = theirs(path, xs) if torch is not None and path else [None] * len(labels)
    rows = []
    for label, f, a, b in zip(labels, (value, *derivatives), mine, other, strict=True):
        exact = [f(*v) for v in zip(*exact_inputs, strict=True)]
        row = {"op": name, "dtype": np.dtype(dtype).name, "what": label}
        for who, got in (("ours", a), ("torch", b)):
            if got is not None:
                errors = ulps(got, exact, dtype)
                row[who] = [float(errors.max(initial=0)), float(np.percentile(errors, 99, method="higher"))]
        rows.append(row)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--points", type=int, default=4000)
    parser.add_argument("--op", choices=sorted(TABLE), help="this op alone")
    parser.add_argument("--json", type=Path)
    parser.add_argument(
        "--costs", action="store_true", help="the times of formulas that are right everywhere"
    )
    args = parser.parse_args()
    if args.costs:
        costs()
        return
    print(f"{'ulp':26}{'ours: max':>12}{'99 %':>9}{'torch: max':>14}{'99 %':>9}")
    results = []
    for name in [args.op] if args.op else TABLE:
        for dtype in (np.float64, np.float32):
            for row in measure(name, dtype, args.points):
                results.append(row)
                limit = 2 if row["what"] == "value" else 4
                mark = " *" if row["ours"][0] > limit else "  "
                peer = "".join(f"{v:>{w}.3g}" for v, w in zip(row.get("torch", []), (12, 9), strict=False))
                head = f"{name:11}{row['dtype']:9}{row['what']:6}"
                print(f"{head}{row['ours'][0]:>12.3g}{row['ours'][1]:>9.3g}{mark}{peer}")
    print("* above 2 ulp (values) or 4 ulp (derivatives)")
    if args.json:
        args.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
