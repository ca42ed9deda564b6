"""Layouts beside Graphviz: arrow crossings, edge length and time on ten graphs, `python
benchmarks/layout.py`.

Both get the same boxes and edges and lay them out from left to right. Crossings and lengths are measured on
the drawn curves, by the same code for both. Without `dot` only our own figures are printed. Times of `dot`
include its start.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise

import numpy as np

import clearprop
from clearprop import Tensor
from clearprop.see.drawing.arrange import arrange
from clearprop.see.drawing.boxing import boxes_of

Curve = list[tuple[float, float]]
Graph = tuple[list[tuple[float, float]], list[tuple[int, int]]]


def of_tensor(output: Tensor) -> Graph:
    """Return the box sizes and edges of a computation graph."""
    boxes, links = boxes_of(output)
    place = {box.id: i for i, box in enumerate(boxes)}
    return [(box.w, box.h) for box in boxes], [(place[e.source], place[e.target]) for e in links]


def lecture() -> Tensor:
    a, b = Tensor(7.0, name="a"), Tensor(3.0, name="b")
    return (a + b) * b**3


def regression() -> Tensor:
    X, w, y = (
        Tensor(np.ones((3, 2)), name="X"),
        Tensor([1.0, -1.0], name="w"),
        Tensor(np.arange(3.0), name="y"),
    )
    return np.mean((X @ w - y) ** 2)


def network(layers: int, residual: bool = False) -> Tensor:
    h = Tensor(np.ones((4, 8)), name="x")
    for _ in range(layers):
        z = np.tanh(h @ Tensor(np.ones((8, 8))) + Tensor(np.ones(8)))
        h = h + z if residual else z
    return np.mean((h - Tensor(np.ones((4, 8)))) ** 2)


def recurrent(steps: int) -> Tensor:
    U, W, b = Tensor(np.ones((8, 8))), Tensor(np.ones((8, 8))), Tensor(np.ones(8))
    h, loss = Tensor(np.zeros((4, 8))), Tensor(0.0)
    for _ in range(steps):
        h = np.tanh(Tensor(np.ones((4, 8))) @ U + h @ W + b)
        loss = loss + np.sum(h)
    return loss


def attention(blocks: int) -> Tensor:
    x = Tensor(np.ones((5, 8)))
    for _ in range(blocks):
        q, k, v = (x @ Tensor(np.ones((8, 8))) for _ in range(3))
        x = x + clearprop.softmax(q @ k.T / math.sqrt(8)) @ v
        x = x + np.tanh(x @ Tensor(np.ones((8, 32)))) @ Tensor(np.ones((32, 8)))
    return np.mean(x)


def butterfly(levels: int) -> Graph:
    """The wiring of a fast Fourier transform: every level combines entries 1, 2, 4, ... apart."""
    width = 2**levels
    edges = [
        (level * width + j, (level + 1) * width + (i ^ (s * 2**level)))
        for level in range(levels)
        for i in range(width)
        for s in (0, 1)
        for j in (i,)
    ]
    return [(90.0, 40.0)] * (width * (levels + 1)), edges


def layered(columns: int, width: int, inputs: int, seed: int) -> Graph:
    draw = random.Random(seed)
    edges = [
        (c * width + j, (c + 1) * width + i)
        for c in range(columns - 1)
        for i in range(width)
        for j in sorted(draw.sample(range(max(0, i - 4), min(width, i + 5)), inputs))
    ]
    return [(90.0, 40.0)] * (columns * width), edges


def scattered(count: int, reach: int, seed: int) -> Graph:
    """A random graph of ops with one or two inputs from among the `reach` boxes before."""
    draw = random.Random(seed)
    edges = {(draw.randrange(max(0, v - reach), v), v) for v in range(1, count) for _ in range(2)}
    return [
        (draw.choice((80.0, 120.0, 160.0)), draw.choice((25.0, 50.0, 70.0))) for _ in range(count)
    ], sorted(edges)


GRAPHS: dict[str, Callable[[], Graph]] = {
    "lecture (a+b)*b**3": lambda: of_tensor(lecture()),
    "regression mean((Xw-y)^2)": lambda: of_tensor(regression()),
    "network, 2 layers": lambda: of_tensor(network(2)),
    "network, 20 residual layers": lambda: of_tensor(network(20, residual=True)),
    "recurrent, 12 steps": lambda: of_tensor(recurrent(12)),
    "attention, 4 blocks": lambda: of_tensor(attention(4)),
    "butterfly 16 x 5": lambda: butterfly(4),
    "layered 8 x 10": lambda: layered(8, 10, 2, seed=1),
    "scattered, 200 boxes": lambda: scattered(200, 12, seed=2),
    "network, 1,000 boxes": lambda: of_tensor(network(199)),
}


def ours(graph: Graph) -> tuple[list[Curve], float]:
    """Return our curves and the seconds they took."""
    start = time.perf_counter()
    found = arrange(*graph, uniform=False)
    seconds = time.perf_counter() - start
    curves = [
        [(found.x[u], found.y[u]), *_smooth(route), (found.x[v], found.y[v])]
        for (u, v), route in zip(graph[1], found.routes, strict=True)
    ]
    return curves, seconds


def _smooth(route: Curve) -> Curve:
    """Sample an arrow as it is drawn: level stretches and S-shaped steps."""
    curve = [route[0]]
    for (x, y), (a, b) in pairwise(route):
        if abs(y - b) < 0.5:
            curve.append((a, b))
            continue
        curve += [
            (x + (a - x) * (1.5 * t * (1 - t) + t**3), y + (b - y) * (3 - 2 * t) * t * t) for t in _STEPS
        ]
    return curve


_STEPS = [(k + 1) / 10 for k in range(10)]


def dots(graph: Graph) -> tuple[list[Curve], float]:
    """Return Graphviz's curves and the seconds they took, the start of the program included."""
    sizes, edges = graph
    lines = ['digraph{rankdir=LR;nodesep=0.3;ranksep=0.6;node[shape=box,fixedsize=true,label=""]']
    lines += [f"{v}[width={w / 72:.3f},height={h / 72:.3f}]" for v, (w, h) in enumerate(sizes)]
    lines += [f"{u}->{v}" for u, v in edges] + ["}"]
    start = time.perf_counter()
    shown = subprocess.run(
        ["dot", "-Tplain"], input="\n".join(lines), capture_output=True, text=True, check=True
    )
    seconds = time.perf_counter() - start
    found: dict[tuple[int, int], list[Curve]] = {}
    middle: dict[int, tuple[float, float]] = {}
    for line in shown.stdout.replace("\\\n", "").splitlines():
        words = line.split()
        if words[0] == "node":
            middle[int(words[1])] = (float(words[2]) * 72, float(words[3]) * 72)
        if words[0] == "edge":
            numbers = [float(t) * 72 for t in words[4 : 4 + 2 * int(words[3])]]
            points = list(zip(numbers[::2], numbers[1::2], strict=True))
            u, v = int(words[1]), int(words[2])
            found.setdefault((u, v), []).append([middle[u], *_bezier(points), middle[v]])
    return [found[edge].pop() for edge in edges], seconds


def _bezier(points: Curve) -> Curve:
    curve = [points[0]]
    for i in range(0, len(points) - 1, 3):
        p = [np.array(q) for q in points[i : i + 4]]
        for t in _STEPS:
            s = 1 - t
            x, y = s**3 * p[0] + 3 * s * s * t * p[1] + 3 * s * t * t * p[2] + t**3 * p[3]
            curve.append((float(x), float(y)))
    return curve


def crossings(curves: list[Curve], edges: list[tuple[int, int]]) -> int:
    """Count the places where arrows cross; those of arrows that share a box are left out.

    Arrows are followed to the middles of their boxes, since one that ends under a corner hides a crossing.

    Arrows from one box that are drawn on top of each other (we do that, Graphviz seldom) cross another one
    once: places within three pixels are one if both pairs of arrows come from the same two boxes.
    """
    owner, starts, ends = [], [], []
    for e, curve in enumerate(curves):
        for p, q in pairwise(curve):
            owner.append(e)
            starts.append(p)
            ends.append(q)
    who = np.array(owner)
    jitter = np.random.default_rng(0).normal(scale=1e-3, size=(len(curves), 2))  # no two corners coincide
    p, q = np.array(starts) + jitter[who], np.array(ends) + jitter[who]
    order = np.argsort(np.minimum(p[:, 0], q[:, 0]), kind="stable")
    p, q, who = p[order], q[order], who[order]
    left, right = np.minimum(p[:, 0], q[:, 0]), np.maximum(p[:, 0], q[:, 0])
    places: set[tuple[int, ...]] = set()
    for i in range(len(p)):
        rivals = slice(i + 1, int(np.searchsorted(left, right[i], side="right")))
        a, b, others = p[rivals], q[rivals], who[rivals]
        for k in np.flatnonzero(_cross(p[i], q[i], a, b) & (others != who[i])):
            if {*edges[who[i]]} & {*edges[others[k]]}:
                continue
            x, y = _meeting(p[i], q[i], a[k], b[k])
            pair = sorted((edges[who[i]][0], edges[others[k]][0]))
            cell = (round(x / 3), round(y / 3))
            around = ((*pair, cell[0] + dx, cell[1] + dy) for dx in (-1, 0, 1) for dy in (-1, 0, 1))
            if places.isdisjoint(around):
                places.add((*pair, *cell))
    return len(places)


def _cross(p: np.ndarray, q: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    def side(u: np.ndarray, v: np.ndarray, w: np.ndarray) -> np.ndarray:
        return (v[..., 0] - u[..., 0]) * (w[..., 1] - u[..., 1]) - (v[..., 1] - u[..., 1]) * (
            w[..., 0] - u[..., 0]
        )

    return (side(p, q, a) * side(p, q, b) < 0) & (side(a, b, p) * side(a, b, q) < 0)


def _meeting(p: np.ndarray, q: np.ndarray, a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    d, e, f = q - p, b - a, a - p
    t = (f[0] * e[1] - f[1] * e[0]) / (d[0] * e[1] - d[1] * e[0])
    return float(p[0] + t * d[0]), float(p[1] + t * d[1])


def length(curves: list[Curve]) -> float:
    """Return the length of all arrows."""
    return sum(math.dist(p, q) for curve in curves for p, q in pairwise(curve))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeat", type=int, default=3, help="runs of which the median time is shown")
    parser.add_argument("--json", metavar="FILE", help="write the figures to FILE as well")
    args = parser.parse_args()
    with_dot = shutil.which("dot") is not None
    if not with_dot:
        print("Graphviz is not installed (apt-get install graphviz): only our own figures.\n")
    print(f"{'graph':28}{'boxes':>6}{'edges':>6}  {'crossings':>15}{'edge length':>16}{'milliseconds':>16}")
    print(f"{'':40}  {'ours    dot':>15}{'ours / dot':>16}{'ours    dot':>16}")
    rows = []
    for name, make in GRAPHS.items():
        graph = make()
        timed = [(ours(graph), dots(graph) if with_dot else None) for _ in range(args.repeat)]
        curves, theirs = timed[0]
        row = {
            "graph": name,
            "boxes": len(graph[0]),
            "edges": len(graph[1]),
            "crossings": crossings(curves[0], graph[1]),
            "milliseconds": 1e3 * statistics.median(t[0][1] for t in timed),
            "length": length(curves[0]),
        }
        if theirs is not None:
            row["dot_crossings"] = crossings(theirs[0], graph[1])
            row["dot_length"] = length(theirs[0])
            row["dot_milliseconds"] = 1e3 * statistics.median(t[1][1] for t in timed if t[1])
        rows.append(row)
        print(_line(row), flush=True)
    if with_dot:
        print(f"{'sum':40}  {sum(r['crossings'] for r in rows):8}{sum(r['dot_crossings'] for r in rows):7}")
    if args.json:
        with open(args.json, "w") as file:
            json.dump(rows, file, indent=1)
    return 0


def _line(row: dict) -> str:
    line = f"{row['graph']:28}{row['boxes']:6}{row['edges']:6}  {row['crossings']:8}"
    if "dot_crossings" in row:
        ratio = row["length"] / row["dot_length"]
        line += f"{row['dot_crossings']:7}{ratio:16.2f}"
        return f"{line}{row['milliseconds']:9.1f}{row['dot_milliseconds']:7.1f}"
    return f"{line}{'-':>7}{'-':>16}{row['milliseconds']:9.1f}{'-':>7}"


if __name__ == "__main__":
    sys.exit(main())
