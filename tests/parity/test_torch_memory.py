"""Views share memory and writes reach it: random programs of views and writes, in PyTorch and here."""

import random

import numpy as np
import pytest

import clearprop.torch as ours

theirs = pytest.importorskip("torch")

VIEWS = [
    "{x}[{i}]", "{x}[1:]", "{x}[:, 1:]", "{x}[::2]", "{x}[..., 0]", "{x}.t()", "{x}.T", "{x}.view(-1)",
    "{x}.reshape(-1)", "{x}.view(2, -1)", "{x}.unsqueeze(0)", "{x}.squeeze()", "{x}.transpose(0, 1)",
    "{x}.detach()", "{x}.data", "{x}.flatten()", "{x}.narrow(0, 0, 1)", "{x}.select(0, 0)", "{x}.chunk(2)[0]",
    "{x}.split(1)[-1]", "{x}.unbind(0)[0]", "{x}.diagonal()", "{x}.permute(1, 0)", "{x}.contiguous()",
    "{x}.expand(2, *{x}.shape)", "{x}.view_as({x})", "{x}.to(torch.float64)", "{x}.cpu()", "{x}.clone()",
    "{x} + 0", "{x}[[0]]", "{x}[{x} > 0]", "{x}.mT",
]  # fmt: skip
WRITES = [
    "{x}.add_({n})", "{x}.mul_({n})", "{x} += {n}", "{x} *= {n}", "{x} -= {y}.clone()", "{x}[0] = {n}", "{x}[...] = {n}",
    "{x}[{x} > 0] = {n}", "{x}.zero_()", "{x}.fill_({n})", "{x}.copy_({y}.clone())", "{x}[:, 0] = {n}", "{x}[1:] += {n}",
    "{x}.clamp_(-1, 1)", "{x}.neg_()", "{x}.abs_()", "{x}[[0]] = {n}", "{x}.masked_fill_({x} < 0, {n})",
    "{x}.data.add_({n})", "{x}.detach().mul_({n})", "{x}.view(-1)[0] = {n}", "{x}.t().add_({n})", "{x}[0].mul_({n})",
    "{x}.index_fill_(0, torch.tensor([0]), {n})", "{x}.sub_({n}, alpha=2)", "{x}.exp_()", "{x}.sigmoid_()",
    "{x}.index_add_(0, torch.tensor([0]), {x}[:1] * {n})", "{x}.T.copy_({y}.clone())", "{x}.fill_diagonal_({n})",
    "{x}.scatter_(0, torch.zeros(1, 1, dtype=torch.long), {n})", "{x}[-1].copy_({x}[0].clone())", "{x}[0] = {x}[-1].clone()",
    "{x}[0:1, 0:1] = {n}", "{x}.pow_(2)", "{x}.round_()", "{x}.data = {y}.clone()",
]  # fmt: skip


def program(seed: int) -> list[str]:
    """Some lines about tensors w, v0, v1, ... that share memory in some way."""
    draw = random.Random(seed)
    known, lines = ["w", "u"], []
    for n in range(draw.randint(3, 9)):
        x, y = draw.choice(known), draw.choice(known)
        words = {"x": x, "y": y, "n": draw.choice(["2", "0.5", "-1.5"]), "i": draw.randint(-1, 1)}
        if draw.random() < 0.5:
            lines.append(f"v{n} = " + draw.choice(VIEWS).format(**words))
            known.append(f"v{n}")
        else:
            lines.append(draw.choice(WRITES).format(**words))
    return lines


def run(lines, library, trained):
    """What every name holds in the end, and the gradient of the leaf behind all of it; 'raised' stops a line."""
    leaf = library.tensor(np.linspace(-1, 2, 12).reshape(3, 4), requires_grad=trained)
    known = {"torch": library, "w": leaf * 1.0, "u": library.ones(4, 3, dtype=library.float64)}
    raised = []
    for i, line in enumerate(lines):
        try:
            exec(line, known)
        except (RuntimeError, IndexError, TypeError, ValueError, AttributeError, NameError):
            raised.append(i)
            if trained:
                break
    values = {k: v.detach().numpy().copy() for k, v in known.items() if k[0] in "wuv"}
    gradient = None
    if trained and not raised:
        try:
            total = sum((known[k].double() * (1 + i)).sum() for i, k in enumerate(values))
            total.backward()
            gradient = leaf.grad
        except RuntimeError:
            raised.append(-1)
    return values, raised, None if gradient is None else gradient.numpy()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("seed", range(300))
def test_views_and_writes_reach_what_they_reach_in_pytorch(seed):
    lines = program(seed)
    values, raised, _ = run(lines, theirs, False)
    found, refused, _ = run(lines, ours, False)

    assert refused == raised, [lines[i] for i in {*refused} ^ {*raised}]
    for name, value in values.items():
        np.testing.assert_allclose(found[name], value, err_msg="\n".join(lines))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("seed", range(300, 600))
def test_gradients_pass_through_writes_as_in_pytorch(seed):
    lines = program(seed)
    values, raised, gradient = run(lines, theirs, True)
    found, refused, own = run(lines, ours, True)

    ends = min(raised, default=len(lines)) if -1 not in raised else len(lines)
    ours_alone = [i for i in refused if 0 <= i < ends]
    text = "\n".join(lines)
    # What is not taken over: `t.data = new` of a tensor that was computed, and a write to one place twice.
    assert all(".data = " in lines[i] or "]" in lines[i] or "index_fill_" in lines[i] for i in ours_alone), (
        text
    )
    if (not raised and not refused) or raised == refused or (raised == [-1] and not refused):
        for name, value in values.items():
            np.testing.assert_allclose(found[name], value, err_msg=text)
    if gradient is not None and own is not None:  # PyTorch refuses more: what was written over is gone there
        np.testing.assert_allclose(own, gradient, rtol=1e-9, atol=1e-12, err_msg=text)
