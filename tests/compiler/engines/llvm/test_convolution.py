"""Native convolutions beside NumPy's: values, which are native, threads, and what they are put together with."""

import numpy as np
import pytest

from clearprop import Tensor, compile, manual_seed, nn, optim
from clearprop.nn import functional as F
from clearprop.ops.window import Frame
from clearprop.registry import ops

llvmlite = pytest.importorskip("llvmlite")
rng = np.random.default_rng(0)

# batch, channels, units, lengths, sizes, dilations, margins: rests of every kind, three axes, a kernel like its image
CASES = [
    (3, 2, 5, (7,), (3,), (1,), ((1, 1),)),
    (2, 3, 9, (6, 7), (3, 3), (1, 1), ((1, 1), (1, 1))),
    (5, 1, 6, (12, 12), (5, 5), (1, 1), ((0, 0), (0, 0))),
    (2, 4, 17, (9, 40), (2, 3), (2, 3), ((0, 1), (2, 0))),
    (3, 5, 8, (4, 5, 6), (3, 2, 3), (1, 1, 1), ((1, 1), (0, 1), (1, 1))),
    (2, 8, 8, (5, 5), (1, 1), (1, 1), ((0, 0), (0, 0))),
    (2, 2, 3, (20,), (40,), (1,), ((20, 20),)),
    (13, 3, 4, (5, 5), (5, 5), (1, 1), ((0, 0), (0, 0))),
    (1, 1, 1, (1,), (1,), (1,), ((0, 0),)),
    (70, 2, 3, (8, 8), (3, 3), (1, 1), ((1, 1), (1, 1))),
]


def calls(batch, channels, units, lengths, sizes, dilations, margins, dtype, steps=None, groups=1):
    """Return the three ops of one convolution with their inputs."""
    frame = Frame(sizes, steps or (1,) * len(sizes), dilations, margins)
    x = rng.normal(size=(batch, channels, *lengths)).astype(dtype)
    w = rng.normal(size=(units, channels // groups, *sizes)).astype(dtype)
    how = {"frame": frame, "groups": groups}
    g = rng.normal(size=ops["convolution"](x, w, **how).shape).astype(dtype)
    return {
        "convolution": (lambda x, w: ops["convolution"](x, w, **how), x, w),
        "transposed_convolution": (
            lambda g, w: ops["transposed_convolution"](g, w, lengths=lengths, **how),
            g,
            w,
        ),
        "convolution_kernel": (lambda x, g: ops["convolution_kernel"](x, g, **how), x, g),
    }


def has_long_vectors(dtype):
    """Whether a vector of this processor holds eight numbers: others have NumPy compute a convolution."""
    from clearprop.compiler.engines.llvm.language.engine import lanes_of

    return lanes_of(np.dtype(dtype)) >= 8


def compiled(f):
    return compile(lambda a, b: f(Tensor(a), Tensor(b)), executor="llvm")


def close(a, b):
    eps = np.finfo(b.dtype).eps
    np.testing.assert_allclose(a, b, rtol=0, atol=100 * eps * np.max(np.abs(b)))


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_native_code_computes_what_numpy_does(case, dtype):
    for name, (f, *inputs) in calls(*case, dtype).items():
        step = compiled(f)
        for _ in range(3):
            close(step(*inputs).numpy(), f(*inputs))
        by = "convolution" if has_long_vectors(dtype) else "call"
        assert f"{by} over {f(*inputs).shape}: {name}" in step.explain()


def test_what_has_no_native_code_is_a_call_of_numpy():
    how = {"steps": (2, 2)}
    for name, (f, *inputs) in calls(2, 4, 6, (9, 8), (3, 3), (2, 2), ((2, 2), (1, 1)), "f4", **how).items():
        step = compiled(f)
        close(step(*inputs).numpy(), f(*inputs))
        assert f"call over {f(*inputs).shape}: {name}" in step.explain()


# a convolution, its steps, its groups: steps beyond the kernel, rests that nobody sees, kernels of a channel's own
PARTED = [
    ((3, 2, 5, (7, 8), (3, 3), (1, 1), ((1, 1), (1, 1))), (2, 2), 1),
    ((3, 2, 5, (7, 8), (1, 1), (1, 1), ((0, 0), (0, 0))), (2, 2), 1),
    ((3, 2, 5, (9, 8), (2, 2), (1, 1), ((0, 0), (0, 0))), (3, 2), 1),
    ((3, 2, 5, (30,), (5,), (1,), ((2, 2),)), (2,), 1),
    ((2, 3, 4, (13, 14), (4, 5), (1, 1), ((0, 3), (2, 1))), (4, 3), 1),
    ((2, 3, 4, (5, 6, 7), (3, 3, 3), (1, 1, 1), ((1, 1), (1, 1), (1, 1))), (2, 1, 2), 1),
    ((2, 2, 3, (8, 9), (3, 3), (1, 1), ((0, 0), (0, 0))), (2, 2), 1),
    ((3, 4, 6, (7, 8), (3, 3), (1, 1), ((1, 1), (1, 1))), None, 2),
    ((3, 4, 6, (7, 8), (3, 3), (1, 1), ((1, 1), (1, 1))), (2, 2), 2),
    ((3, 4, 4, (7, 8), (3, 3), (1, 1), ((1, 1), (1, 1))), None, 4),
    ((3, 4, 4, (7, 8), (3, 3), (1, 1), ((1, 1), (1, 1))), (2, 2), 4),
    ((3, 4, 12, (7, 8), (3, 2), (1, 1), ((2, 1), (0, 1))), (2, 3), 4),
    ((3, 4, 4, (9, 10), (3, 3), (2, 1), ((2, 2), (1, 1))), None, 4),
    ((3, 4, 4, (50,), (7,), (1,), ((3, 3),)), None, 4),
    ((1, 1, 1, (1,), (1,), (1,), ((0, 0),)), (2,), 1),
]


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize(("case", "steps", "groups"), PARTED, ids=str)
def test_steps_groups_and_a_kernel_for_each_channel_are_native(case, steps, groups, dtype):
    for f, *inputs in calls(*case, dtype, steps=steps, groups=groups).values():
        step = compiled(f)
        for _ in range(2):
            close(step(*inputs).numpy(), f(*inputs))
        of_each_channel = groups > 1 and groups == case[1]
        assert ("by NumPy" not in step.explain()) == (of_each_channel or has_long_vectors(dtype))


@pytest.mark.parametrize("case", CASES[1:9:3], ids=str)
def test_the_bits_are_the_same_for_one_thread_and_several(monkeypatch, case):
    for f, *inputs in calls(*case, "f4").values():
        found = []
        for threads in (1, 2, 5):
            monkeypatch.setenv("CLEARPROP_THREADS", str(threads))
            monkeypatch.setattr("clearprop.compiler.engines.llvm.plan.regions.WORTH", 0.0)
            found.append(compiled(f)(*inputs).numpy().tobytes())
        assert found[0] == found[1] == found[2]


def test_inputs_that_are_views_are_read_as_they_are():
    f, x, w = calls(2, 3, 5, (6, 7), (3, 3), (1, 1), ((1, 1), (1, 1)), "f4")["convolution"]
    step = compile(
        lambda x, w: f(Tensor(x).transpose(0, 1, 3, 2)[:, :, ::-1], Tensor(w)[1:4]), executor="llvm"
    )

    close(step(x, w).numpy(), f(x.transpose(0, 1, 3, 2)[:, :, ::-1], w[1:4]))


@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize(
    "pool", [nn.MaxPool2d(2), nn.AvgPool2d(2), nn.MaxPool2d(3, 2, 1), nn.AvgPool2d(3, 2, 1)], ids=str
)
def test_a_net_trains_as_it_does_eagerly(padding, pool):
    x = rng.normal(size=(6, 2, 11, 11)).astype(np.float32)
    y = np.arange(6) % 3
    found = []
    for executor in ("", "numpy", "llvm"):
        manual_seed(1)
        model = nn.Sequential(
            nn.Conv2d(2, 5, 3, padding=padding), nn.ReLU(), pool, nn.Conv2d(5, 7, 2), nn.Tanh(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(7, 3)
        )  # fmt: skip
        optimizer = optim.SGD(model.parameters(), lr=0.2, momentum=0.9)

        def step(x, y, model=model, optimizer=optimizer):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            return loss

        run = compile(step, executor=executor) if executor else step
        losses = [float(run(x, y)) for _ in range(8)]
        found.append([*losses, *model.state_dict().values()])

    for other in found[1:]:
        for a, b in zip(other, found[0], strict=True):
            np.testing.assert_allclose(a, b, rtol=2e-3, atol=2e-5)
    assert found[0][7] < found[0][0]
