"""`MLPClassifier` and `MLPRegressor` beside scikit-learn's, on each of its bundled sets: scores, time to fit.

    python benchmarks/perceptrons.py --solver adam --repeats 5

Both have the same options, begin with the same weights and see the same batches; the seconds are the
process's and hold everything that `fit` does. The least of some alternating repeats counts.
"""

from __future__ import annotations

import argparse
import time
import warnings
from typing import Any

SETS = ("iris", "wine", "breast_cancer", "digits", "diabetes", "linnerud")


def fitted(kind: Any, options: dict[str, Any], parts: list[Any]) -> tuple[float, float, int]:
    """Return the seconds of a fit, its score on the rows held out, and its epochs."""
    model = kind(**options)
    began = time.process_time()
    model.fit(parts[0], parts[2])
    seconds = time.process_time() - began
    return seconds, float(model.score(parts[1], parts[3])), int(model.n_iter_)


def row(name: str, options: dict[str, Any], repeats: int) -> str:
    """Return the line of a set."""
    import sklearn.datasets as bundled
    from sklearn.model_selection import train_test_split
    from sklearn.preprocessing import scale

    from clearprop import sklearn as own
    from sklearn import neural_network

    x, y = getattr(bundled, f"load_{name}")(return_X_y=True)
    numbers = name in ("diabetes", "linnerud")
    parts = train_test_split(scale(x), scale(y) if numbers else y, random_state=0)
    kind = "MLPRegressor" if numbers else "MLPClassifier"
    found: dict[str, list[tuple[float, float, int]]] = {"ours": [], "theirs": []}
    for _ in range(repeats):
        found["ours"].append(fitted(getattr(own, kind), options, parts))
        found["theirs"].append(fitted(getattr(neural_network, kind), options, parts))
    ours, theirs = min(found["ours"]), min(found["theirs"])
    return (
        f"{name:<14} {len(x):>5} {ours[2]:>6} {theirs[2]:>6} {ours[1]:>9.4f} {theirs[1]:>9.4f} "
        f"{ours[0] * 1e3:>8.1f} {theirs[0] * 1e3:>8.1f} {theirs[0] / ours[0]:>6.2f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--solver", default="adam", choices=("adam", "sgd", "lbfgs"))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--early-stopping", action="store_true")
    args = parser.parse_args()
    options = {"random_state": 0, "solver": args.solver, "early_stopping": args.early_stopping}
    print("set             rows epochs theirs     score    theirs       ms   theirs theirs / ours")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in SETS:
            print(row(name, options, args.repeats), flush=True)


if __name__ == "__main__":
    main()
