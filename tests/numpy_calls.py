"""Calls of every NumPy function that meets a Tensor: shapes, dtypes, axes, and arguments that are wrong."""

import itertools
import warnings

import numpy as np

KINDS = ("f8", "f4", "f2", "i8", "i4", "b1", "c16", "c8")
SHAPES = ((), (1,), (4,), (0,), (3, 4), (1, 1), (3, 1), (0, 3), (2, 0), (2, 3, 4))
PAIRS = (
    ((), ()), ((3,), (3,)), ((2, 3), (3,)), ((2, 1), (1, 3)), ((), (2, 3)), ((1,), (4,)), ((0,), (0,)), ((0,), (1,)),
    ((2, 0), (1,)), ((3,), (4,)), ((2, 3), (2,)),
)  # fmt: skip
MIXED = (("f8", "f4"), ("f4", "i8"), ("f2", "f4"), ("i4", "i8"), ("b1", "f4"), ("i8", "b1"), ("u1", "i1"))
NUMBERS = (2, 0.5, True)


def array(shape, dtype="f8", seed=0):
    """Return numbers with ties, zeros and both signs among them."""
    rng = np.random.default_rng(seed)
    numbers = rng.integers(-3, 4, shape) / (1 if dtype[0] not in "fc" else 2)
    if dtype[0] == "c":
        numbers = numbers + 1j * rng.integers(-3, 4, shape)
    return np.asarray(numbers).astype(dtype)


def turned(shape, seed=0):
    """Return an array that is not contiguous."""
    return array((*shape[::-1], 2), seed=seed)[..., 0].T


def ufunc_calls(ufunc):
    if ufunc.nin == 1:
        for shape in SHAPES:
            yield (array(shape),), {}
        for dtype in KINDS:
            yield (array((3, 4), dtype),), {}
        yield (turned((3, 4)),), {}
        yield (np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0, 1e300, -1e300, 1e-310]),), {}
    else:
        for left, right in PAIRS:
            yield (array(left), array(right, seed=1)), {}
        for dtype in KINDS:
            yield (array((2, 3), dtype), array((3,), dtype, 1)), {}
        for one, two in MIXED:
            yield (array((2, 3), one), array((3,), two, 1)), {}
        for dtype, number in itertools.product(("f4", "f2", "i4", "b1"), NUMBERS):
            yield (array((3,), dtype), number), {}
            yield (number, array((3,), dtype)), {}
        edge = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -2.5])
        yield (edge[:, None], edge), {}
        yield (turned((3, 4)), array((3, 4), seed=1)), {}
        yield (array((3,)), [1.0, 2.0, 3.0]), {}
    yield (array((3,)),) * ufunc.nin, {"casting": "nothing"}
    yield (array((3,)),) * ufunc.nin, {"axs": 0}
    yield (array((3,)),) * (ufunc.nin + 3), {}


ROW, WHOLE = (
    np.array([True, False, True, True]),
    np.array([[True, False, True, False], [False] * 4, [True] * 4]),
)
OF_MASKS = tuple(
    ({"where": m} | axis)
    for m in (ROW, WHOLE, WHOLE[:, :1], True, np.array([1, 0, 1, 1]))
    for axis in ({}, {"axis": 0}, {"axis": 1, "keepdims": True})
)
STARTS = (
    {"initial": 2.5},
    {"initial": 0, "axis": 0},
    {"initial": -1, "axis": (0, 1), "keepdims": True},
    {"initial": 1.5, "axis": 1, "where": ROW},
)
TYPES = ({"dtype": "f4"}, {"dtype": "f8", "axis": 0}, {"dtype": None}, {"out": None})


def keyword_calls(*keywords):
    for how in keywords:
        for dtype in ("f8", "f4", "i8", "b1"):
            yield (array((3, 4), dtype),), how
        yield (array((0, 4)),), how
        yield (array((2, 3, 4)),), how


def reduction_calls(**more):
    axes = (None, 0, -1, 1, 2, 5, -4, (0,), (0, 1), (-1, 0), (0, 0), (), 1.5, "x")
    for shape in SHAPES:
        for axis in axes:
            yield (array(shape),), {"axis": axis, **more}
        yield (array(shape),), {"keepdims": True, **more}
        yield (array(shape),), {"axis": -1, "keepdims": True, **more}
    for dtype in KINDS:
        yield (array((3, 4), dtype),), {**more}
        yield (array((3, 4), dtype),), {"axis": 0, **more}
    yield (turned((3, 4)),), {"axis": 1, **more}
    yield (np.array([[1.0, np.nan], [np.inf, 2.0]]),), {"axis": 1, **more}
    yield (np.array([[1.0, np.nan], [np.inf, 2.0]]),), {**more}
    yield (array((3,)),), {"axs": 0, **more}


def one_array(*calls, shapes=SHAPES, kinds=KINDS):
    """Yield each `(args, kwargs)` after an array of every shape, and of every dtype."""
    for args, kwargs in calls:
        for shape in shapes:
            yield (array(shape), *args), kwargs
        for dtype in kinds:
            yield (array((3, 4), dtype), *args), kwargs
        yield (turned((3, 4)), *args), kwargs
        yield (array((3, 4)), *args), kwargs | {"keyword_that_nobody_knows": 1}


def two_arrays(*calls, shapes=None, kinds=MIXED):
    lengths = (
        (),
        (1,),
        (3,),
        (4,),
        (0,),
        (1, 3),
        (3, 1),
        (2, 3),
        (3, 2),
        (3, 3),
        (2, 0),
        (0, 2),
        (2, 3, 4),
        (2, 4, 3),
        (1, 4, 2),
    )
    shapes = lengths if shapes is None else shapes
    for args, kwargs in calls:
        for left, right in itertools.product(shapes, shapes):
            yield (array(left), array(right, seed=1), *args), kwargs
        for one, two in kinds:
            yield (array((3, 3), one), array((3, 3), two, 1), *args), kwargs
        for dtype in KINDS:
            yield (array((3, 3), dtype), array((3, 3), dtype, 1), *args), kwargs
        yield (turned((3, 3)), turned((3, 3), 1), *args), kwargs
        yield (array((3, 3)), array((3, 3)), *args), kwargs | {"keyword_that_nobody_knows": 1}
    yield (array((3,)), 2), {}
    yield (2, array((3,))), {}
    yield ([1.0, 2.0, 3.0], array((3,))), {}


def _(*args, **kwargs):
    return args, kwargs


def sequences(*calls):
    groups = [
        [(3,), (3,)], [(3,), (2,)], [(2, 3), (2, 3)], [(2, 3), (4, 3)], [(2, 3), (2, 1)], [(), ()], [(), (3,)], [(3,), (2, 3)],
        [(0,), (3,)], [(2, 0), (2, 3)], [(1,)], [(2, 3, 4), (2, 3, 4)], [(2, 3), (3,)],
    ]  # fmt: skip
    for args, kwargs in calls:
        for shapes in groups:
            yield ([array(s, seed=i) for i, s in enumerate(shapes)], *args), kwargs
            yield (tuple(array(s, seed=i) for i, s in enumerate(shapes)), *args), kwargs
        for one, two in MIXED:
            yield ([array((3,), one), array((3,), two)], *args), kwargs
        yield ([array((3,)), 2.0], *args), kwargs
        yield ([array((3,)), [1, 2]], *args), kwargs
        yield ([array((3,)), array((3,))], *args), kwargs | {"keyword_that_nobody_knows": 1}
        yield (array((2, 3)), *args), kwargs
        yield (array((2, 3, 4)), *args), kwargs
        yield (array(()), *args), kwargs


SYSTEM = np.array([[3.0, 1.0, -0.5], [0.5, 2.0, 1.0], [-1.0, 0.3, 2.5]])
SYSTEMS = (SYSTEM, np.stack([SYSTEM, SYSTEM.T]), SYSTEM[:2], SYSTEM[0], SYSTEM[0, 0], np.zeros((0, 0)), np.zeros((2, 0, 0)),
           np.zeros((0, 3, 3)), np.zeros((3, 3)), np.ones((2, 2)), np.array([[2.0]]), SYSTEM.astype("f4"), SYSTEM.astype("i8") + 2,
           SYSTEM.astype("f2"), SYSTEM.T, np.zeros((3, 0)), SYSTEM > 0)  # fmt: skip


def matrices():
    for x in SYSTEMS:
        yield (x,), {}
    yield (SYSTEM,), {"keyword_that_nobody_knows": 1}


def systems():
    for x in SYSTEMS:
        for shape in ((3,), (3, 2), (2, 3), (2, 3, 1), (0,), (), (2,), (1, 3, 2), (0, 0), (3, 0)):
            yield (x, array(shape)), {}
    yield (SYSTEM.astype("f4"), array((3,), "f4")), {}
    yield (SYSTEM, array((3,), "i8")), {}


SYMMETRIC = SYSTEM @ SYSTEM.T + np.eye(3)
POSITIVE = (SYMMETRIC, np.stack([SYMMETRIC, 2 * SYMMETRIC]), SYMMETRIC + np.triu(np.ones((3, 3)), 1), SYMMETRIC.astype("f4"), np.eye(2, dtype=int),
            np.array([[2.0]]), np.zeros((0, 0)), np.zeros((2, 0, 0)), np.zeros((2, 2)), SYSTEM[:2], SYSTEM[0], SYMMETRIC.astype("f2"),
            SYMMETRIC > 0, -SYMMETRIC)  # fmt: skip
LADDER = np.array([[1.0, 0.4, 0.2], [0.3, 2.0, 0.1], [0.2, 0.3, 4.0]])
RECTANGLES = (SYSTEM, SYSTEM[:2], SYSTEM[:, :2], np.stack([SYSTEM[:2], SYSTEM[1:]]), SYSTEM.astype("f4"), SYSTEM.astype("i8") + 2, SYSTEM[0],
              np.array(2.0), np.ones((3, 2)), SYSTEM.astype("f2"), np.array([[2.0]]), np.zeros((2, 2)))  # fmt: skip


def each(arrays, *calls):
    for x in arrays:
        for args, kwargs in calls:
            yield (x, *args), kwargs
    yield (arrays[0],), {"keyword_that_nobody_knows": 1}


def least_squares():
    for a in (SYSTEM, SYSTEM[:, :2], SYSTEM[:2], np.ones((3, 2)), SYSTEM[0], np.stack([SYSTEM] * 2)):
        for shape in ((3,), (3, 2), (2,), (4,), (), (2, 1)):
            yield (a, array(shape)), {}
            yield (a, array(shape), 1e-3), {}
    yield (SYSTEM, array((3,))), {"rcond": -1}
    yield (SYSTEM.astype("f4"), array((3,), "f4")), {}
    yield (SYSTEM.astype("i8") + 2, array((3,), "i8")), {}


def chains():
    for shapes in (
        ((2, 3), (3, 4)), ((3,), (3, 4)), ((2, 3), (3,)), ((3,), (3,)), ((2, 3), (3, 4), (4, 5)), ((3,), (3, 4), (4, 2), (2,)), ((5, 1), (1, 6), (6, 2)),
        ((2, 3), (4, 5)), ((2, 3),), ((2, 3), (3,), (3, 2)), ((2, 3, 3), (3, 2)), ((2, 3), (3, 4), (5, 2)), ((), (2, 3)),
    ):  # fmt: skip
        yield ([array(s, seed=i) for i, s in enumerate(shapes)],), {}
    yield ([array((2, 3), "f4"), array((3, 2), "i8")],), {}


def tensor_systems():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 3, 6)), rng.normal(size=(6, 2, 3))
    yield from (
        ((x, array((2, 3))), {}),
        ((x, array((2, 3)), (0, 2)), {}),
        ((x, array((3, 2))), {"axes": (0,)}),
        ((x, array((2,))), {}),
    )
    yield from (
        ((SYSTEM, array((3,))), {}),
        ((SYSTEM, array((2,))), {}),
        ((y, array((6,))), {}),
        ((y, array((2, 6))), {"axes": (5,)}),
    )


def norms():
    for ord in (None, 2, 1, 0, 3, 0.5, -1, -2, np.inf, -np.inf, "fro", "nuc", "x"):
        for shape in SHAPES:
            yield (array(shape),), {"ord": ord}
            yield (array(shape),), {"ord": ord, "keepdims": True}
        for axis in (0, -1, (0, 1), (1, 0), 5, (0, 0), (0,), (0, 1, 2), ()):
            yield (array((3, 4)),), {"ord": ord, "axis": axis}
            yield (array((2, 3, 4)), ord, axis, True), {}
            yield (array((2, 3, 4)), ord, axis), {}
            yield (array((4,)), ord, axis), {}
        for dtype in KINDS:
            yield (array((5,), dtype), ord), {}
    yield (array((3, 4)),), {"keyword_that_nobody_knows": 1}
    yield (np.array([3e200, 4e200]),), {}
    yield (np.array([np.nan, 1.0]), np.inf), {}


def trapezoids():
    y, x = np.arange(9.0).reshape(3, 3), np.array([[0.0, 1, 5], [2, 3, 7], [4, 9, 8]])
    for axis in (0, 1, -1, 2):
        yield (y, x), {"axis": axis}
        yield (y, np.array([0.0, 1, 5])), {"axis": axis}
        yield (y,), {"axis": axis, "dx": 0.5}
        yield (array((2, 3, 4)), array((4,))), {"axis": axis}
        yield (array((2, 3, 4)), array((3,))), {"axis": axis}
        yield (array((2, 3, 4)), array((2, 3, 4), seed=1)), {"axis": axis}
        yield (y, x, 2.0, axis), {}
    yield from one_array(_(), _(dx=2), _(None, 0.5, 0), _(array((4,))), _(axis=()))
    yield (y, [0, 1, 5]), {}
    yield ([1.0, 2.0, 3.0], array((3,))), {}


def averages():
    yield from reduction_calls()
    for shape, axis, weights in (
        ((3, 4), None, (3, 4)), ((3, 4), 0, (3,)), ((3, 4), 1, (4,)), ((3, 4), -1, (4,)), ((3, 4), 0, (4,)), ((3, 4), None, (3,)),
        ((3, 4), (0, 1), (3, 4)), ((2, 3, 4), (0, 1), (2, 3)), ((2, 3, 4), (1, 0), (3, 2)), ((2, 3, 4), (1, 0), (2, 3)), ((4,), None, (4,)),
        ((4,), 0, (1,)), ((3, 4), 0, (1, 4)), ((0,), None, (0,)), ((), None, ()), ((2, 3, 4), (0, 2), (2, 4)), ((3, 4), 5, (3,)),
    ):  # fmt: skip
        for dtype in ("f8", "f4", "i8"):
            w = np.abs(array(weights, dtype, 1)) + 1
            yield (array(shape), axis, w), {}
            yield (array(shape, "f4"), axis, w), {"keepdims": True}
            yield (array(shape, "i8"), axis), {"weights": w}
    yield (array((2,)),), {"weights": [1.0, -1.0]}
    yield (array((2, 2)), 0), {"weights": [1.0, -1.0]}
    yield ([1.0, 2.0],), {"weights": array((2,)) + 2}
    yield (array((2, 2)), 0, [0.25, 0.75], True), {}


WRONG_AXES = (0, -1, 1, 2, 5, -4)
UNARY = (np.array([[1.0, np.nan, 2.0], [3.0, 1.0, np.inf]]), np.array([1.0, np.nan, 2.0]))


def with_nan(*calls):
    return [((x, *args), kwargs) for x in UNARY for args, kwargs in calls]


def crosses():
    shapes = ((3,), (2,), (4,), (5, 3), (5, 2), (1, 3), (3, 3), (), (0, 3), (5, 4), (3, 5))
    yield from two_arrays(_(), shapes=shapes)
    yield (array((3, 5)), array((3, 5), seed=1)), {"axis": 0}
    yield (array((3, 5)), array((5, 3), seed=1)), {"axisa": 0}
    yield (array((3, 5)), array((5, 3), seed=1), 0, -1, 0), {}
    yield (array((3, 5)), array((5, 3), seed=1)), {"axisb": 4}


def crosses_of_linalg():
    yield from two_arrays(_(), _(axis=0), _(axis=5), shapes=((3,), (2,), (5, 3), (3, 3), (0, 3), (3, 5)))


def indices():
    for index in (
        0,
        -1,
        [0, 2],
        [[0, 1], [1, 0]],
        [],
        np.array([1, -1]),
        np.array([], int),
        7,
        [-9],
        1.5,
        [True, False],
        np.array(1),
    ):
        for axis in (None, 0, -1, 5):
            for shape in ((3, 4), (4,), (2, 3, 4), (), (3, 0)):
                yield (array(shape), index), {"axis": axis}
    for mode in ("clip", "wrap", "raise", "nonsense"):
        yield (array((4,)), [1, 9]), {"mode": mode}
        yield (array((4,)), [1, -1]), {"mode": mode}
        for axis in (None, 0, -1):
            for shape in ((3, 4), (), (0, 4)):
                for index in ([1, -9, 30], [[5], [-2]], 7, [], np.array([250], "u1"), [1.5], [True]):
                    yield (array(shape), index, axis), {"mode": mode}


def places():
    for shape in ((3, 4), (4,), (2, 3, 4), (), (3, 0), (1,)):
        for dtype in KINDS:
            yield (array(shape, dtype),), {}
            yield (array(shape, dtype) > 0,), {}
    yield (array((3,)),), {"keyword_that_nobody_knows": 1}


def along():
    x = array((3, 4))
    for i, axis in (
        ([[0], [1], [2]], 1), ([[0, 1, 2, 0]], 0), ([0, 5], None), ([[0], [9], [2]], 1), ([0, 1], 1), ([[0]], 1), ([[1, 0, 3, 2]], -2),
        ([[0], [1], [2]], -1), ([[0], [1], [2]], 5), ([[0, 1]], 0), ([[0, 1]], 1), ([[0.0]], 1), ([[0, 1]], None),
    ):  # fmt: skip
        yield (x, np.array(i), axis), {}
        yield (x, np.array(i)), {"axis": axis}
    yield (x, np.array([[0], [1], [2]])), {}
    yield (array((4,)), np.array([0, 1])), {}


def wheres():
    c = array((2, 3), "b1")
    for left, right in PAIRS:
        yield (array(left, "b1"), array(left), array(right)), {}
        yield (c, array(left), array(right)), {}
    for one, two in MIXED:
        yield (c, array((3,), one), array((3,), two)), {}
    for dtype, number in itertools.product(("f4", "f2", "i4", "b1"), NUMBERS):
        yield (c, array((3,), dtype), number), {}
        yield (c, number, array((3,), dtype)), {}
    yield (array((3,)), array((3,)), 0), {}
    for shape in ((3,), (2, 3), (), (0, 2)):
        yield (array(shape),), {}
        yield (array(shape, "b1"),), {}
    yield (array((3,)), array((3,))), {}
    yield ([True, False, True], array((3,)), 0.0), {}


def clips():
    for args in (
        (-0.5, 0.5),
        (None, 0.5),
        (-0.5, None),
        (0, 1),
        (1, -1),
        (None, None),
        (np.array([0.0, 1.0, 0.0, 1.0]), 2),
        ([-1] * 4, [1] * 4),
        ("a", 1),
    ):
        yield from one_array(_(*args), shapes=((), (4,), (3, 4), (0, 4), (3, 1)))
    yield (array((3,)),), {"a_min": 0, "a_max": 1}
    yield (array((3,)),), {"min": 0, "max": 1}
    yield (array((3,)), 0), {"max": 1}
    yield (array((3,)), 0, 1), {"max": 1}
    yield (array((3,)),), {}
    yield (array((3,)), 0), {}
    yield (np.array([np.nan, 2.0]), 0, 1), {}
    yield (array((3,)), np.nan, 1), {}
    yield (array((3,), "i8"), 0.5, 1.5), {}
    yield (array((3,), "u1"), 0, 300), {}
    yield (array((3,), "f4"), np.float64(0), np.float64(1)), {}


def einsums():
    for s, *shapes in (
        ("ij,jk->ik", (2, 3), (3, 4)), ("ij,jk", (2, 3), (3, 4)), ("ij,jk->ik", (2, 3), (2, 4)), ("ii", (3, 3)), ("ii", (3, 4)), ("ij->ji", (2, 3)),
        ("ij->", (0, 3)), ("ij,ij->j", (1, 3), (2, 3)), ("i,i", (1,), (3,)), ("i,i->i", (1,), (3,)), ("...", (2, 3)), ("...i,...i", (2, 3), (3,)),
        ("...i,...i", (2, 3), (1, 3)), ("i...->...", (2, 3)), ("ij,jk->il", (2, 3), (3, 4)), ("ij->ii", (2, 3)), ("i", (2, 3)), ("ijk", (2, 3)), ("", ()),
        (",", (), (3,)), ("i,j->ij", (2,), (3,)), ("ij,ij", (2, 3), (2, 3)), ("i1,j", (2, 3), (3,)), ("ij,jk,kl->il", (2, 3), (3, 4), (4, 2)), ("ba", (2, 3)),
        ("i->", ()), ("ij,j", (2, 3), (4,)), ("ii->i", (1, 3)), ("...ij,jk...->...ik", (2, 3, 4), (4, 5)), ("ij->i->j", (2, 3)), ("ij,->ij", (2, 3), ()),
        ("...,...->...", (3,), (2, 3)), ("i...,i...->i...", (2,), (2, 3)), ("i.j", (2, 3)), ("ij->i...", (2, 3)), ("a...b->b...a", (2, 3, 4)),
    ):  # fmt: skip
        yield (s, *(array(x, seed=i) for i, x in enumerate(shapes))), {}
        yield (s, *(array(x, "f4", seed=i) for i, x in enumerate(shapes))), {"optimize": True}
        yield (s, *(array(x, "i8", seed=i) for i, x in enumerate(shapes))), {}
    x, y = array((2, 3)), array((3, 4), seed=1)
    for args in (
        (x, [0, 1]),
        (x, [0, 1], []),
        (x, [0, 1], y, [1, 2]),
        (x, [0, 1], y, [1, 2], [2, 0]),
        (x, [30, 2]),
        (x, [..., 1], y, [1, 2]),
        (x, [0, 0]),
        (x, [0], y, [1]),
    ):
        yield args, {}
    yield ("ij,jk", x, y), {"dtype": "f8", "optimize": "greedy"}
    yield ("ij", array((2, 3))), {"keyword_that_nobody_knows": 1}
    yield ("ij,jk->ik", array((2, 3), "i8"), array((3, 2), "f4")), {}


def fits():
    x, y = np.array([-2.0, -1.0, 0.5, 1.0, 2.5]), np.array([1.0, -0.5, 2.0, 0.3, 1.7])
    for deg in (0, 1, 2, -1, [1]):
        yield (x, y, deg), {}
    for how in (
        {"w": np.array([1.0, 2.0, 0.5, 1.5, 1.0])},
        {"cov": True},
        {"cov": "unscaled"},
        {"full": True},
        {"rcond": 1e-3},
        {"w": x[:2]},
    ):
        yield (x, y, 1), how
    yield (x, np.stack([y, x * y], axis=1), 1), {"w": y}
    yield (x, np.stack([y, x * y], axis=1), 1), {"cov": True}
    for wrong in ((x[:3], y, 1), (x[:, None], y, 1), (x[:0], y[:0], 1), (x, np.zeros((5, 2, 2)), 1)):
        yield wrong, {}
    yield (x.astype("f4"), y.astype("f4"), 1), {}
    yield (np.arange(5), np.array([3, -1, 2, 5, -4]), 1), {}


def tensordots():
    for axes in (
        0,
        1,
        2,
        3,
        -1,
        (0, 0),
        ((0,), (0,)),
        ((-1,), (-2,)),
        ((0, 1), (1, 0)),
        ((0, 1), (0,)),
        ([1], [0]),
        ((5,), (0,)),
        ((0, 0), (0, 0)),
        ((), ()),
    ):
        shapes = ((3,), (1,), (2, 3), (3, 2), (3, 3), (2, 3, 4), (), (0, 3), (1, 3))
        for left, right in itertools.product(shapes, shapes):
            yield (array(left), array(right, seed=1)), {"axes": axes}
    yield (array((3, 3), "f4"), array((3, 3), "i8"), 1), {}


STEPWISE = ("inverted_cdf", "averaged_inverted_cdf", "closest_observation")


def plain_calls():
    """The functions without a gradient: each with what it is usually asked."""
    x, y, whole = array((3, 4)), array((3, 4), seed=1), array((6,), "i8") + 3
    ascending = np.array([-1.0, 0.0, 0.5, 1.0])
    two = ((array((4,)), array((4,), seed=1)), {})
    sets = (two, ((x, y), {}))
    same = [((x, y), {}), ((x, x.copy()), {}), ((x, 1.0), {}), ((x, array((4,))), {}), ((x, array((3,))), {})]
    rows = one_array(_(), shapes=((4,), (3, 4), ()), kinds=("f8", "f4", "i8"))
    index = (np.array([1, 2]), np.array([0, 1]))
    square = [((array((3, 3)),), {}), ((array((2, 3)),), {})]
    return {
        np.allclose: same[:4], np.array_equal: same, np.array_equiv: same, np.isclose: same,
        np.unique: [((x,), {}), ((x,), {"return_counts": True}), ((x, True), {})],
        **dict.fromkeys((np.unique_all, np.unique_counts, np.unique_inverse, np.unique_values), (((x,), {}),)),
        **dict.fromkeys((np.union1d, np.intersect1d, np.setdiff1d, np.setxor1d), sets),
        np.bincount: [((whole,), {}), ((whole,), {"minlength": 9}), ((whole, array((6,))), {}), ((x,), {})],
        np.histogram: [((x,), {}), ((x, 3), {}), ((x, ascending), {}), ((x, 3), {"range": (-1, 1)})], np.histogram2d: [two, ((*two[0], 3), {})],
        np.histogramdd: [((x,), {}), ((x, 2), {})], np.histogram_bin_edges: [((x, 3), {})], np.ix_: [(index, {})],
        np.array2string: [((x,), {})], np.array_repr: [((x,), {})], np.array_str: [((x,), {})], np.lexsort: [((x,), {}), (((x[0], y[0]),), {})],
        np.ravel_multi_index: [((index, (3, 4)), {})], np.unravel_index: [((index[0], (3, 4)), {})], np.packbits: [((x > 0,), {})],
        np.unpackbits: [((whole.astype("u1"),), {})], np.argpartition: [((x, 1), {}), ((x, 1, 0), {}), ((x, 9), {})],
        np.partition: [((x, 1), {}), ((x, (0, 2)), {}), ((x, 1, 0), {}), ((x, 9), {}), ((x, 2, None), {}), ((x, 1.5), {}), ((x, 1), {"order": "a"}), ((x, 1), {"kind": "quicksort"})], np.min_scalar_type: [((array(()),), {})],
        np.result_type: [((x, 1.0), {}), ((x, y.astype("f4")), {})], np.can_cast: [((x.dtype, "f4"), {})], np.common_type: [((x, whole), {})],
        np.iscomplexobj: rows, np.isrealobj: one_array(_()), np.may_share_memory: [((x, y), {})], np.shares_memory: [((x, y), {})],
        np.einsum_path: [(("ij,jk", x, y.T), {})], **dict.fromkeys((np.diag_indices_from, np.tril_indices_from, np.triu_indices_from), square),
        np.empty_like: [((np.zeros((0, 3)),), {}), ((np.zeros((3, 0)), "f4"), {})], np.count_nonzero: reduction_calls(),
        np.searchsorted: [((ascending, x), {}), ((ascending, 0.2), {}), ((ascending, x, "right"), {}), ((ascending[::-1].copy(), x), {"sorter": [3, 2, 1, 0]}), ((x, x), {})],
        np.digitize: [((x, ascending), {}), ((x, ascending, True), {}), ((x, x), {}), ((0.2, ascending), {})],
        np.isin: [((x, [0.5, 1]), {}), ((x, y), {"invert": True}), ((1.0, x), {})],
        np.nanargmax: [*one_array(_(), _(0), _(5), _(axis=-1, keepdims=True)), *with_nan(_())],
        np.nanargmin: [*one_array(_(), _(0), _(5), _(axis=-1, keepdims=True)), *with_nan(_())],
        **{f: one_array(_()) for f in (np.isneginf, np.isposinf, np.isreal, np.iscomplex)},
        np.full_like: one_array(_(2.0), _(7, "f4"), _(1.5, dtype=int), _(2, shape=(2,)), _([1, 2, 3, 4])),
    }  # fmt: skip


def rearranged_calls():
    x, v = array((3, 4)), array((4,))
    mask, which = np.array([True, False, True]), np.array([[0, 1], [1, 0]])
    two, three = array((2, 2)), array((2, 2), seed=1)
    return {
        np.sinc: one_array(_()), np.fix: one_array(_()),
        np.ldexp: [((x, 2), {}), ((x, which[0]), {}), ((v, array((4,), "i8")), {}), ((x.astype("f4"), np.array([1, -2, 0, 3])), {}), ((x, 1.5), {})],
        **{getattr(np, n): two_arrays(_(), shapes=((), (3,), (4,), (0,), (3, 3), (2, 3), (3, 2), (2, 3, 3)), kinds=MIXED) for n in ("matvec", "vecmat", "vecdot") if hasattr(np, n)},
        np.append: two_arrays(_(), _(0), _(axis=-1), _(axis=5)), np.atleast_3d: one_array(_()), np.dstack: sequences(_()),
        np.block: [(([[two, three], [three, two]],), {}), ((v,), {}), (([v, v],), {}), (([v, 1.0],), {}), (([[two, v]],), {}), (([[two], three],), {}), (([],), {}), (([[v[:2]], [v[2:]]],), {})],
        np.broadcast_arrays: two_arrays(_()), np.diagflat: one_array(_(), _(1), _(k=-2)), np.rollaxis: one_array(_(0), _(1), _(-1, 0), _(1, 2), _(0, -1), _(5), _(0, 9)),
        np.choose: [((which, [two, three]), {}), ((which, [two, 5.0]), {}), ((which + 1, [two, three]), {}), ((which + 3, [two, three]), {"mode": "wrap"}), ((which - 3, [two, three]), {"mode": "clip"}), ((which, two), {})],
        np.compress: [((mask, x, 0), {}), ((mask, x), {}), ((mask, v), {}), ((mask, x), {"axis": 1}), ((two, x), {}), ((mask, x, 5), {})],
        np.extract: [((x > 0, x), {}), ((mask, v), {})],
        np.delete: one_array(_(0), _(1, 0), _([0, 2]), _(-1, -1), _(slice(None, None, 2), 0), _(9), _([True, False, True], 0), _(0, 5), shapes=((4,), (3, 4), (3, 0))),
        np.insert: [*one_array(_(0, 5.0), _(1, 2.0, 0), _([0, 2], [1.0, 2.0]), _(-1, 7, -1), _([2, 0, 2], [1, 2, 3]), _(9, 1.0), _(1, 1.0, 5), _(slice(0, 2), 3.0), shapes=((4,), (3, 4))),
                    ((x, 1, array((4,))), {"axis": 0}), ((x, 1, array((3,))), {"axis": 1}), ((x, [1], array((3, 1))), {"axis": 1}), ((x, [1, 2], array((3, 2))), {"axis": 1}), ((v, 1, array((3,))), {})],
        np.select: [(([x > 0, x < -1], [x, x * 2]), {}), (([x > 0, x < -1], [x, x * 2], 7.0), {}), (([x > 0], [v]), {}), (([x > 0], [x, x]), {}), (([], []), {}), (([x], [x]), {})],
        np.piecewise: [((v, [v < 0, v > 0], [lambda t: -t, lambda t: 2 * t]), {}), ((v, [v < 0], [-1.0, lambda t: t * t]), {}), ((v, v < 0, [1.0]), {}), ((v, [v < 0], [1, 2, 3]), {})],
        np.trim_zeros: [((np.array([0.0, 0, 1, 0, 2, 0]), *more), {}) for more in ((), ("f",), ("b",), ("x",))] + [((np.zeros(3),), {}), ((np.zeros(0),), {})],
        np.rot90: one_array(_(), _(2), _(3), _(-1), _(4), _(1, (1, 0)), _(1, (0, 0)), _(1, (0, 5)), _(k=1, axes=(-2, -1))),
        np.resize: one_array(_((2, 3)), _(5), _(0), _((-1, 2)), _([2, 2, 2])), **{f: one_array(_()) for f in (np.real, np.imag, np.real_if_close)},
        np.angle: one_array(_(), _(True), _(deg=True)), **({np.astype: one_array(_("f4"), _(int), _(np.float64, copy=False))} if hasattr(np, "astype") else {}),
        np.apply_along_axis: [((np.sum, a, x), {}) for a in (0, 1, -1, 5)] + [((np.cumsum, 0, x), {}), ((np.outer, 0, v, v), {})],
        np.apply_over_axes: [((np.sum, x, 0), {}), ((np.sum, array((2, 3, 4)), [0, 2]), {}), ((np.cumsum, x, [0, 1]), {}), ((np.sum, x, 5), {})],
    }  # fmt: skip


def series_calls():
    x, v, w = array((3, 4)), array((5,)), array((3,), seed=1) + 0.25
    gaps = np.array([[1.0, np.nan, 2.0, 0.5], [np.nan, np.nan, np.nan, np.nan], [3.0, 1.0, -2.0, 0.0]])
    nan = [
        ((gaps,), {}),
        ((gaps, 1), {}),
        ((gaps[::2], 0), {}),
        ((gaps,), {"axis": -1, "keepdims": True}),
        ((x, 5), {}),
        ((v.astype("f4"),), {}),
        ((array((4,), "i8"),), {}),
    ]
    heavy = {"weights": np.array([1.0, 0.0, 2.0, 0.5]), "method": "inverted_cdf"}
    weighed = [
        ((array(shape, dtype), q), heavy | how)
        for shape, dtype, how in (((4,), "f8", {}), ((3, 4), "f8", {"axis": 1}), ((3, 4), "f4", {"axis": -1, "keepdims": True}), ((4,), "i8", {}), ((3, 4), "f8", {}), ((4,), "f8", {"method": "linear"}))
        for q in (0.0, 0.3, 1.0, [0.1, 0.9], 1.5)
    ]  # fmt: skip
    share = [
        ((a, q, *more), {**kw, **end})
        for a in (x, v, array((3, 4), "f4"), array((4,), "i8"), array((2, 3, 4)))
        for q in (0.3, [0.0, 0.5, 1.0])
        for more in ((), (0,), (-1,), (7,))
        for kw in ({}, {"method": "lower"}, {"method": "hazen"}, *({"method": m} for m in STEPWISE))
        for end in ({}, {"keepdims": True})
    ]
    share += [
        ((x, 1.5), {}),
        ((x, 0.3), {"method": "midpoint"}),
        ((x, 0.5), {"method": "nearest"}),
        ((gaps, 0.5, 1), {}),
        ((x, 0.3), {"method": "x"}),
        ((x, 0.25, (0, 1)), {}),
    ]
    points = (
        np.array([0.5, 2.25, -1.0, 9.0, 2.0, 0.0, 3.0, np.nan]),
        np.array([0.0, 1.0, 2.0, 3.0]),
        np.array([1.0, 4.0, 2.0, 8.0]),
    )
    pairs = [
        ((a, b, *more), {})
        for a, b in (
            (v, w),
            (w, v),
            (v, v),
            (v, 2.0),
            (v[:1], w),
            (v.astype("f4"), w.astype("f4")),
            (v, v[:0]),
            (x, v),
        )
        for more in ((), ("same",), ("valid",), ("full",), ("x",))
    ]
    return {
        np.cumprod: one_array(_(), *(_(a) for a in WRONG_AXES)),
        **({f: one_array(_(), _(axis=0), _(axis=-1, include_initial=True), _(axis=5)) for f in (np.cumulative_sum, np.cumulative_prod)} if hasattr(np, "cumulative_sum") else {}),
        np.ediff1d: one_array(_(), _(9.0, 7.0), shapes=((4,), (3, 4), (1,)), kinds=("f8", "f4")),
        np.gradient: [((v,), {}), ((x,), {}), ((x, 0.5), {}), ((x, 0.5, 2.0), {}), ((v, np.array([0.0, 1, 3, 4, 7])), {}), ((x,), {"axis": 0}), ((x, 2.0), {"axis": (0, 1), "edge_order": 2}), ((v,), {"edge_order": 3}),
                      ((v[:1],), {}), ((v, 1, 2), {}), ((v, w), {}), ((v.astype("f4"),), {}), ((array((4,), "i8"),), {}), ((v, np.array([0.0, 1, 3, 4, 7])), {"edge_order": 2})],
        np.unwrap: [((v * 4,), {}), ((x * 5, None, 0), {}), ((v * 4,), {"period": 5.0}), ((v * 4, 7.0), {}), ((v.astype("f4") * 4,), {})],
        np.convolve: pairs, np.correlate: pairs,
        np.interp: [(points, {}), (points, {"left": -7.0, "right": 7.0}), ((0.5, *points[1:]), {}), ((points[0][:7], *points[1:]), {"period": 3.5}), ((points[0], points[1], v), {}), ((x, [0.0, 1.0], [1.0, 2.0]), {}), ((x, [0.0], [1.0]), {})],
        np.polyval: [((v, x), {}), ((v, 2.0), {}), ((w.astype("f4"), v), {}), ((v[:0], w), {})], np.polyadd: [((v, w), {}), ((w, v), {})], np.polysub: [((v, w), {}), ((w, v), {})], np.polymul: [((v, w), {}), ((w, 2.0), {})],
        np.polyder: [((v,), {}), ((v, 2), {}), ((v, 0), {}), ((v, -1), {}), ((v, 5), {})], np.polyint: [((v,), {}), ((v, 2, [1.0, 2.0]), {}), ((v, 1), {"k": 3.0}), ((v, -1), {}), ((v, 0), {})],
        np.vander: [((v,), {}), ((v, 3), {}), ((v, 2, True), {}), ((x,), {}), ((v, 0), {}), ((array((3,), "i8"),), {}), ((v.astype("f4"), 3), {}), ((v, -1), {})],
        np.linspace: [((array(()), 2.0, 5), {}), ((w, 2.0, 4), {}), ((w, v[:3], 4, False), {}), ((w, 2.0, 4), {"axis": -1}), ((w, 3.0, 3), {"retstep": True}), ((w, 1.0, 1), {}), ((w, 1.0, 0), {}), ((w, 1.0, -1), {}), ((w, 9.0, 5), {"dtype": "f4"})],
        np.logspace: [((w, 2.0, 4), {}), ((w, 2.0, 4), {"base": 2.0})], np.geomspace: [((np.abs(w) + 1, 9.0, 4), {}), ((-np.abs(w) - 1, -9.0, 4), {})],
        np.quantile: share + weighed, np.percentile: [((a, np.multiply(q, 100), *more), kw) for (a, q, *more), kw in share], np.nanquantile: [((a[0], 0.3, *a[1:]), kw) for a, kw in nan], np.nanpercentile: [((a[0], 30, *a[1:]), kw) for a, kw in nan],
        **dict.fromkeys((np.nanmax, np.nanmin, np.nanprod, np.nanmedian), tuple(nan)), **dict.fromkeys((np.nancumsum, np.nancumprod), (nan[0], nan[1], nan[2], nan[4], nan[5])),
        **dict.fromkeys((np.nanvar, np.nanstd), (*nan, ((gaps, 1), {"ddof": 1}))),
        np.cov: [((x,), {}), ((v,), {}), ((x,), {"rowvar": False}), ((v, v[::-1]), {}), ((x,), {"bias": True}), ((x,), {"ddof": 0}), ((array((2, 3, 4)),), {}), ((x.astype("f4"),), {})],
        np.corrcoef: [((x,), {}), ((v,), {}), ((v, v[::-1] + v * v), {}), ((x,), {"rowvar": False})],
    }  # fmt: skip


MARGINS = tuple(
    _(width, mode, **how)
    for width in (1, 0, (1, 2), ((1, 0), (0, 3)), 4, -1, 1.5)
    for mode, how in (
        ("edge", {}), ("reflect", {}), ("reflect", {"reflect_type": "odd"}), ("symmetric", {}), ("symmetric", {"reflect_type": "odd"}), ("wrap", {}), ("linear_ramp", {}),
        ("linear_ramp", {"end_values": 2}), ("linear_ramp", {"end_values": ((1, 2), (3, 4))}), ("mean", {}), ("mean", {"stat_length": 2}), ("mean", {"stat_length": ((1, 2), (2, 1))}),
        ("maximum", {}), ("minimum", {"stat_length": 2}), ("median", {}), ("median", {"stat_length": 3}), ("nonsense", {}), ("edge", {"constant_values": 2}), ("wrap", {"stat_length": 1}),
    )
)  # fmt: skip
TRANSFORM = (
    _(), _(4), _(3), _(1), _(0), _(-1), _(2.5), _(4, 0), _(None, -1), _(None, 1), _(axis=2), _(axis=-3), _(norm="ortho"), _(norm="forward", n=5),
    _(norm="backward"), _(norm="x"), _(axis=0, n=3, norm="ortho"),
)  # fmt: skip
TRANSFORMS = (
    _(), _((4, 3), (0, 1)), _((2,), (0,)), _((-1, 3), (0, 1)), _((3, 3), (0,)), _(axes=(0,)), _(axes=(1, 0)), _(axes=(-1,)), _(axes=(0, 0)), _(axes=()), _(axes=(5,)),
    _(norm="ortho"), _((5, 5), (-2, -1), "forward"), _(norm="x"), _((0, 2), (0, 1)), _((2, 3)),
)  # fmt: skip
SHIFTS = (_(), _(0), _(axes=1), _(axes=(0, 1)), _(axes=(0, 0)), _(axes=5), _(axes=()), _((-1,)))

CALLS = {
    **dict.fromkeys((np.fft.fft, np.fft.ifft, np.fft.rfft, np.fft.irfft, np.fft.hfft, np.fft.ihfft), lambda: one_array(*TRANSFORM)),
    **dict.fromkeys((np.fft.fftn, np.fft.ifftn, np.fft.rfftn, np.fft.irfftn), lambda: one_array(*TRANSFORMS)),
    **dict.fromkeys((np.fft.fft2, np.fft.ifft2, np.fft.rfft2, np.fft.irfft2), lambda: one_array(*TRANSFORMS)),
    np.fft.fftshift: lambda: one_array(*SHIFTS), np.fft.ifftshift: lambda: one_array(*SHIFTS),
    np.sum: reduction_calls, np.prod: reduction_calls, np.mean: reduction_calls, np.max: reduction_calls, np.min: reduction_calls,
    np.amax: reduction_calls, np.amin: reduction_calls, np.all: reduction_calls, np.any: reduction_calls, np.argmax: reduction_calls,
    np.argmin: reduction_calls, np.ptp: reduction_calls, np.nansum: reduction_calls, np.nanmean: reduction_calls,
    np.var: lambda: (*reduction_calls(), *reduction_calls(ddof=1), *one_array(_(ddof=0.5), _(ddof=3), _(correction=1))),
    np.std: lambda: (*reduction_calls(), *reduction_calls(ddof=1), *one_array(_(ddof=0.5), _(ddof=3), _(correction=1))),
    np.median: lambda: (*reduction_calls(), *with_nan(_(), _(0), _(axis=-1, keepdims=True))),
    np.average: averages,
    np.cumsum: lambda: one_array(_(), *(_(a) for a in WRONG_AXES), _(axis=(0, 1))),
    np.argsort: lambda: one_array(_(), _(axis=None), *(_(a) for a in WRONG_AXES), _(kind="stable"), _(kind="nonsense")),
    np.sort: lambda: (*one_array(_(), _(axis=None), *(_(a) for a in WRONG_AXES), _(kind="stable"), _(kind="nonsense"), _(stable=True)),
                      *with_nan(_(), _(0), _(None))),
    np.sort_complex: lambda: each((array((3,)), array((2, 3), "f4"), array((3,), "i2"), array((3,), "i8"), np.array([1 + 2j, 1 - 1j, 0j])), _()),
    np.round: lambda: one_array(_(), _(1), _(decimals=-1), _(1.5)),
    np.around: lambda: one_array(_(), _(1)),
    np.copy: lambda: one_array(_()),
    np.ravel: lambda: one_array(_(), _("C"), _("F"), _(order="x")),
    np.roots: lambda: each((array((4,)), np.array([1.0, 0.0, -4.0]), np.array([0.0, 0.0, 2.0, -3.0, 0.0]), np.array([2.0]), np.zeros(3), np.zeros(0), np.array(2.0), array((2, 2)), array((3,), "i8") + 9, array((3,), "c16")), _()),
    np.poly: lambda: each((array((3,)), array((3,), "f4"), array((3,), "i8"), np.zeros(0), np.array(2.0), np.array([1j, -1j]), np.array([1j, 2.0]), LADDER, array((2, 3)), array((2, 2, 2))), _()),
    np.polydiv: lambda: ((pair, {}) for pair in ((array((4,)) + 4, array((2,)) + 4), (array((2,)) + 4, array((4,)) + 4), (np.array([1.0, -3.0, 2.0]), np.array([1.0, -1.0])), (np.array([2, 4, 6]), np.array([2])), (np.array(3.0), np.array(2.0)))),
    np.polyfit: fits, np.i0: lambda: one_array(_(), kinds=("f8", "f4", "i8", "i4", "b1", "c16")),
    np.atleast_1d: lambda: (*one_array(_(), _(array(())), _(2.0)),),
    np.atleast_2d: lambda: (*one_array(_(), _(array((3,))), _(2.0)),),
    np.column_stack: lambda: sequences(_()),
    np.vstack: lambda: sequences(_()), np.hstack: lambda: sequences(_()),
    np.concatenate: lambda: sequences(_(), *(_(a) for a in WRONG_AXES), _(axis=None), _(axis=1.0)),
    np.stack: lambda: sequences(_(), *(_(a) for a in WRONG_AXES), _(axis=None), _(axis=1.0)),
    np.meshgrid: lambda: (*two_arrays(_(), _(indexing="ij"), _(indexing="x"), shapes=((), (3,), (4,), (0,), (2, 3))), ((array((2,)), array((3,)), array((4,))), {}),
                          ((array((2,)),), {}), ((array((2,)), array((3,))), {"sparse": True}), ((array((2,)), [1, 2, 3]), {"indexing": "ij"})),
    np.flip: lambda: one_array(_(), *(_(a) for a in WRONG_AXES), _((0, 1)), _(()), _((0, 0))),
    np.flipud: lambda: one_array(_()), np.fliplr: lambda: one_array(_()),
    np.roll: lambda: one_array(_(1), _(-7), _((1, 2), (0, 1)), _(1, 0), _(1, 5), _((1, 2)), _((1, 2), 0), _(2, (0, 1)), _((1, 2, 3), (0, 1)), _(1.5), _(0)),
    np.matrix_transpose: lambda: one_array(_()), np.linalg.matrix_transpose: lambda: one_array(_()),
    np.transpose: lambda: one_array(_(), _((1, 0)), _((0, 1)), _((-1, 0)), _((0, 0)), _((0,)), _((0, 1, 2)), _((0, 5)), _([1, 0]), _(())),
    np.swapaxes: lambda: one_array(_(0, 1), _(0, -1), _(0, 0), _(0, 5), _(1.5, 0)),
    np.moveaxis: lambda: one_array(_(0, -1), _(-1, 0), _((0, 1), (1, 0)), _(0, 5), _((0, 1), (0,)), _((0, 0), (0, 1)), _([0], [1])),
    np.expand_dims: lambda: one_array(_(0), _(-1), _((0, 1)), _(1), _(9), _((0, 0)), _(axis=2), _()),
    np.squeeze: lambda: one_array(_(), _(0), _(1), _(-1), _((0, 1)), _(5), _(())),
    np.reshape: lambda: one_array(_((4, 3), "F"), _((-1, 2), order="F"), _(-1, order="x"), _(-1), _((-1,)), _((2, -1)), _((4, 3)), _(12), _((5, 5)), _((-1, -1)), _((1, -1, 1)), _(()), _((-2, 6)), _(shape=(6, 2)), _(1.5)),
    np.broadcast_to: lambda: one_array(_((3, 4)), _((2, 3, 4)), _(()), _(4), _((4, 3)), _((0, 4)), _((-1, 4)), _([3, 4])),
    np.tile: lambda: one_array(_(2), _((2, 1)), _((1, 2, 3)), _(0), _([2]), _(-1), _(1.5), _(())),
    np.repeat: lambda: one_array(_(2), _(0), _(2, 0), _(2, -1), _(2, 5), _(-1), _(1.5)),
    np.pad: lambda: one_array(*MARGINS, _(1), _(0), _((1, 2)), _(((1, 0), (0, 2))), _(-1), _(1, constant_values=2), _(1, "constant"), _(((1, 2),)), _((1, 2, 3)), _(1.5), _(1, constant_values=(1, 2)),
                              _(1, constant_values=((1, 2), (3, 4)))),
    np.split: lambda: one_array(_(2), _(3), _(1), _([1, 2]), _([2, 1]), _(2, 1), _(2, -1), _(2, 5), _(0), _(-1), _([5]), _([-1]), _(1.0), _([])),
    np.hsplit: lambda: one_array(_(2), _(3), _([1, 2]), _([5]), _(0)), np.vsplit: lambda: one_array(_(2), _(3), _([1, 2]), _([5]), _(0)),
    np.dsplit: lambda: one_array(_(2), _(3), _([1, 2]), _([5]), _(0)),
    **{getattr(np, name): lambda: one_array(_(), _(axis=0), _(axis=1), _(axis=-1), _(axis=5), _(1)) for name in ("unstack",) if hasattr(np, name)},
    np.array_split: lambda: one_array(_(2), _(3), _(1), _(7), _([1, 2]), _([2, 1]), _(2, 1), _(3, -1), _(2, 5), _(0), _(-1), _([5]), _([-1]), _(1.5), _([])),
    np.diff: lambda: one_array(_(), _(2), _(0), _(-1), _(9), _(1, 0), _(axis=5), _(1.5), _(prepend=0), _(1, -2)),
    np.triu: lambda: one_array(_(), _(1), _(-1), _(9), _(k=-9), _(1.5)),
    np.tril: lambda: one_array(_(), _(1), _(-1), _(9), _(k=-9), _(1.5)),
    np.diag: lambda: one_array(_(), _(1), _(-1), _(9), _(k=-9), _(1.5)),
    np.diagonal: lambda: one_array(_(), _(1), _(-1), _(9), _(offset=-9), _(0, 1, 0), _(axis1=0, axis2=-1), _(0, 0, 0), _(0, 0, 5), _(1.5)),
    np.trace: lambda: one_array(_(), _(1), _(-1), _(9), _(offset=-9), _(0, 1, 0), _(axis1=0, axis2=-1), _(0, 0, 0), _(0, 0, 5), _(1.5)),
    np.nan_to_num: lambda: (*one_array(_(), _(nan=7.0), _(posinf=1.0, neginf=-1.0)), *with_nan(_(), _(nan=1.5), _(posinf=3)), ((array((3,)), False), {}),
                            ((np.array([np.nan, 1], "f2"),), {}), ((np.array([np.inf, 1], "f4"),), {"nan": 1})),
    np.cross: crosses,
    np.kron: lambda: two_arrays(_()), np.vdot: lambda: two_arrays(_()), np.outer: lambda: two_arrays(_()), np.inner: lambda: two_arrays(_()),
    np.dot: lambda: two_arrays(_()), np.tensordot: tensordots, np.einsum: einsums, np.trapezoid: trapezoids,
    np.shape: lambda: one_array(_()), np.ndim: lambda: one_array(_()), np.size: lambda: one_array(_(), _(0), _(-1), _(5), _((0, 1))),
    np.zeros_like: lambda: one_array(_(), _("f4"), _(dtype=int), _(shape=(2,))), np.ones_like: lambda: one_array(_(), _("f4"), _(dtype=int), _(shape=(2,))),
    np.linalg.cholesky: lambda: each(POSITIVE, _(), _(upper=True)),
    np.linalg.eigh: lambda: each(POSITIVE, _(), _("U"), _(UPLO="l"), _("X")), np.linalg.eigvalsh: lambda: each(POSITIVE, _(), _("U"), _(UPLO="l"), _("X")),
    np.linalg.eig: lambda: each((LADDER, np.stack([LADDER, LADDER.T]), LADDER.astype("f4"), SYSTEM[:2], SYSTEM[0], np.diag([3, 2, 1]), np.zeros((0, 0))), _()),
    np.linalg.eigvals: lambda: each((LADDER, np.stack([LADDER, LADDER.T]), LADDER.astype("f4"), SYSTEM[:2], SYSTEM[0], np.diag([3, 2, 1]), np.zeros((0, 0))), _()),
    np.linalg.svd: lambda: each(RECTANGLES, _(False), _(False, False), _(compute_uv=False), _(full_matrices=False, compute_uv=True)),
    np.linalg.svdvals: lambda: each(RECTANGLES, _()),
    np.linalg.qr: lambda: each(RECTANGLES, _(), _("r"), _(mode="reduced"), _("nonsense")),
    np.linalg.pinv: lambda: each(RECTANGLES, _(), _(1e-3), _(rtol=1e-3), _(rcond=0.5), _(rcond=0.1, rtol=0.1)),
    np.linalg.matrix_rank: lambda: each(RECTANGLES, _(), _(1.0), _(rtol=0.5), _(tol=0.5, rtol=0.5)),
    np.linalg.lstsq: least_squares, np.linalg.multi_dot: chains, np.linalg.tensorsolve: tensor_systems,
    np.linalg.matrix_power: lambda: each((SYSTEM, np.stack([SYSTEM, SYSTEM.T]), SYSTEM.astype("f4"), SYSTEM.astype("i8") + 2, SYSTEM[:2], SYSTEM[0], np.zeros((2, 2))),
                                         *(_(n) for n in (0, 1, 2, 3, 7, -1, -2, 1.5))),
    np.linalg.tensorinv: lambda: each((np.eye(6).reshape(2, 3, 6) * 2, SYSTEM, np.ones((2, 2, 2))), _(), _(1), _(ind=0), _(2)),
    np.linalg.cond: lambda: each((*RECTANGLES, np.zeros((0, 0))), _(), *(_(p) for p in (2, -2, 1, -1, np.inf, -np.inf, "fro", "nuc", "x", 3))),
    np.linalg.matrix_norm: lambda: (*one_array(*(_(ord=p) for p in ("fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf, 3, "x")), _(), _(keepdims=True), _(keepdims=True, ord=2)),),
    np.linalg.vector_norm: lambda: one_array(_(), _(ord=1), _(axis=0), _(axis=(0, 1), keepdims=True), _(axis=-1, ord=3), _(ord=np.inf), _(ord=-1, axis=5), _(ord=0)),
    np.linalg.matmul: lambda: two_arrays(_()), np.linalg.vecdot: lambda: two_arrays(_(), _(axis=0), _(axis=5)),
    np.linalg.outer: lambda: two_arrays(_()), np.linalg.cross: crosses_of_linalg,
    np.linalg.tensordot: lambda: (((array((2, 3)), array((3, 4))), {"axes": a}) for a in (1, 0, 2, ((1,), (0,)), ((0,), (1,)))),
    np.linalg.diagonal: lambda: one_array(_(), _(offset=1), _(offset=-1), _(offset=9)), np.linalg.trace: lambda: one_array(_(), _(offset=1), _(offset=-1), _(dtype="f4")),
    np.linalg.inv: matrices, np.linalg.det: matrices, np.linalg.slogdet: matrices, np.linalg.solve: systems, np.linalg.norm: norms,
    np.take: indices, np.take_along_axis: along, np.where: wheres, np.clip: clips,
    np.nonzero: places, np.flatnonzero: places, np.argwhere: places,
    np.matmul: lambda: two_arrays(_()),
    np.lib.stride_tricks.sliding_window_view: lambda: one_array(
        _(2), _(1), _(0), _(3), _(-1), _((2, 2)), _((1, 1, 1)), _(2, 0), _(2, -1), _(2, 5), _((2, 1), (0, 1)), _((2, 2), (0, 0)), _((2, 2), (-1, 0)), _((2, 1), 0),
        _(()), _((), ()), _(9, 0), _(2.0), _(2, subok=True), _(2, writeable=True), _(window_shape=1, axis=None), _("x"),
    ),
    **{f: itertools.repeat(list(calls)).__next__ for f, calls in (plain_calls() | rearranged_calls() | series_calls()).items()},
    **dict.fromkeys((np.save, np.savez, np.savez_compressed, np.savetxt), lambda: ()),  # they write files
}  # fmt: skip
"""What each function is called with; what a ufunc is called with follows from how many arrays it takes."""


KEYWORDS = {
    **dict.fromkeys((np.sum, np.prod), (*OF_MASKS, *STARTS, *TYPES)), np.mean: (*OF_MASKS, *TYPES),
    **dict.fromkeys((np.max, np.min), (*OF_MASKS, *STARTS, {"initial": 0, "where": WHOLE}, {"out": None})), **dict.fromkeys((np.all, np.any), (*OF_MASKS, {"out": None})),
    **dict.fromkeys((np.var, np.std), (*OF_MASKS, *TYPES, {"ddof": 1, "where": ROW}, {"mean": np.float64(0.5)}, {"correction": 1}, {"correction": 1, "ddof": 1})),
    **dict.fromkeys((np.nanmax, np.nanmin), (*OF_MASKS, *STARTS, {"initial": 0.4}, {"initial": 0.4, "where": WHOLE}, {"initial": 0.4, "axis": 0, "keepdims": True})),
    **dict.fromkeys((np.nanvar, np.nanstd), (*OF_MASKS, *TYPES, {"ddof": 1, "where": ROW}, {"mean": np.float64(0.5)}, {"correction": 1}, {"keepdims": True, "where": WHOLE, "axis": 1})),
    **dict.fromkeys((np.cumsum, np.cumprod), TYPES), **dict.fromkeys((np.nansum, np.nanprod), (*OF_MASKS, *STARTS, *TYPES)), np.nanmean: OF_MASKS,
}  # fmt: skip
OF_UFUNCS = (
    {"dtype": "f4"},
    {"dtype": "f8"},
    {"casting": "no"},
    {"casting": "safe", "dtype": "f8"},
    {"order": "F"},
    {"order": "x"},
    {"where": True},
    {"dtype": "i4"},
    {"signature": "dd->d"},
    {"subok": True},
)


def of_a_domain(*before):
    """Calls of `np.emath`: numbers on both sides of where real ones leave the domain, and within it alone."""
    arrays = [array((2, 3), dtype) for dtype in ("f8", "f4", "i8", "c16")] + [np.abs(array((4,), "f8"))]
    return [((*before, x), {}) for x in arrays]


ALONE = (
    np.emath.sqrt,
    np.emath.log,
    np.emath.log2,
    np.emath.log10,
    np.emath.arccos,
    np.emath.arcsin,
    np.emath.arctanh,
)
CALLS |= dict.fromkeys(ALONE, of_a_domain)
CALLS |= {
    np.emath.logn: lambda: of_a_domain(2.0) + of_a_domain(-3.0),
    np.emath.power: lambda: [((x, p), how) for (x,), how in of_a_domain() for p in (2, 0.5, 3.0)],
}


def calls_of(function):
    """Return `(args, kwargs)` of every call; as lists, so that nothing is shared between two tests."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if function in CALLS:
            return [*CALLS[function](), *keyword_calls(*KEYWORDS.get(function, ()))]
        given = [(array((2, 3), dtype),) * function.nin for dtype in ("f8", "f4", "i8", "b1")]
        return [*ufunc_calls(function), *((x, how) for x in given for how in OF_UFUNCS)]
