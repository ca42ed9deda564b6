"""Complex parameters: to an optimizer each is two real ones, as in PyTorch; or they are refused."""

import numpy as np
import pytest

from clearprop import Tensor, compile, optim

KINDS = [
    ("SGD", {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.1}), ("AdamW", {}),
    ("Adam", {"weight_decay": 0.1, "amsgrad": True}),
    ("RMSprop", {"centered": True, "momentum": 0.5}), ("Adadelta", {}),
    ("Adagrad", {"initial_accumulator_value": 0.3}),
    ("Adamax", {}), ("NAdam", {}), ("RAdam", {}), ("ASGD", {"t0": 3.0}), ("Rprop", {}),
]  # fmt: skip


def drawn(seed, shape, dtype=np.complex128):
    rng = np.random.default_rng(seed)
    return (rng.normal(size=shape) + 1j * rng.normal(size=shape)).astype(dtype)


@pytest.mark.parametrize("executor", [None, "numpy", "auto"])
@pytest.mark.parametrize(("name", "options"), KINDS)
def test_a_complex_parameter_moves_as_two_real_ones(name, options, executor):
    start = drawn(0, (3, 2))
    whole, real, imag = Tensor(start), Tensor(start.real.copy()), Tensor(start.imag.copy())
    one, two = getattr(optim, name)([whole], **options), getattr(optim, name)([real, imag], **options)

    def step(g):
        whole.grad = g
        one.step()

    run = compile(step, executor=executor) if executor else step
    for i in range(12):
        g = drawn(i + 1, (3, 2))
        real.grad, imag.grad = g.real.copy(), g.imag.copy()
        run(g)
        two.step()

    np.testing.assert_allclose(whole.value, real.value + 1j * imag.value, rtol=1e-13)
    assert all(t.dtype == np.complex128 or k == "step" for k, t in one.state[whole].items())


@pytest.mark.parametrize(("name", "options"), KINDS)
def test_as_pytorch_and_on_with_its_state(name, options):
    torch = pytest.importorskip("torch")
    start = [drawn(0, (3, 2), np.complex64), drawn(1, (), np.complex64)]
    ours, theirs = [Tensor(x) for x in start], [torch.tensor(x) for x in start]
    mine, reference = getattr(optim, name)(ours, **options), getattr(torch.optim, name)(theirs, **options)
    for i in range(8):
        if i == 4:
            mine.load_state_dict(reference.state_dict())
        for p, q in zip(ours, theirs, strict=True):
            p.grad = drawn(i + 2, p.shape, np.complex64)
            q.grad = torch.tensor(p.grad)
        mine.step()
        reference.step()

    for p, q in zip(ours, theirs, strict=True):
        assert p.dtype == np.complex64
        np.testing.assert_allclose(p.value, q.numpy(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["Adafactor", "Muon", "SparseAdam", "LBFGS"])
def test_others_take_none(name):
    with pytest.raises(TypeError, match="takes no complex parameters"):
        getattr(optim, name)([Tensor(drawn(0, (3, 2)))])


def test_native_code_refuses_them():
    p = Tensor(drawn(0, 3))
    optimizer = optim.SGD([p], lr=0.1)

    def step(g):
        p.grad = g
        optimizer.step()

    pytest.importorskip("llvmlite")
    with pytest.raises(RuntimeError, match="keeps no complex Tensors"):
        compile(step, executor="llvm")(drawn(1, 3))


@pytest.mark.parametrize("name", ["ASGD", "NAdam"])
def test_pytorch_takes_up_the_state_of_complex_parameters(name):
    torch = pytest.importorskip("torch")
    start, gradients = drawn(0, (3, 2)), [drawn(i, (3, 2)) for i in (1, 2, 3)]
    mine = Tensor(start, requires_grad=True)
    optimizer = getattr(optim, name)([mine], lr=0.1)
    for g in gradients[:2]:
        mine.grad = g.copy()
        optimizer.step()
    theirs = torch.nn.Parameter(torch.tensor(mine.value.copy()))
    other = getattr(torch.optim, name)([theirs], lr=0.1)
    saved = optimizer.state_dict()
    tensors = {k: torch.as_tensor(np.asarray(t)) for k, t in saved["state"][0].items()}
    other.load_state_dict({"state": {0: tensors}, "param_groups": saved["param_groups"]})
    theirs.grad, mine.grad = torch.tensor(gradients[2]), gradients[2].copy()
    other.step()
    optimizer.step()
    np.testing.assert_allclose(theirs.detach().numpy(), mine.value, rtol=1e-12)
    again = getattr(optim, name)([Tensor(start, requires_grad=True)], lr=0.1)
    again.load_state_dict(saved)
    assert all(t.dtype == np.complex128 or k == "step" for k, t in next(iter(again.state.values())).items())
