"""Recurrent cells, layers and packed sequences beside PyTorch's."""

import re

import numpy as np
import pytest
from tests.parity.compare import Row, agree

from clearprop import Tensor, compile, nn, optim
from clearprop.nn import functional as F

torch = pytest.importorskip("torch")
rng = np.random.default_rng(7)
X, BATCH = rng.normal(size=(5, 3, 4)), rng.normal(size=(3, 4))
KINDS = ("RNN", "LSTM", "GRU")


def layer(name, *args, inputs=(X,), second=True, **options):
    sizes = args or (4, 6)
    shapes = "".join(str(x.shape) for x in inputs if hasattr(x, "shape"))
    return Row(
        f"{name} {shapes} {options}", getattr(nn, name), f"nn.{name}", inputs, sizes, options, second=second
    )


def state(name, count, size=6, rows=(3,)):
    made = np.random.default_rng(1).normal(size=(2, count, *rows, size))
    return (made[0], made[1]) if name == "LSTM" else made[0]


CELLS = [
    *(layer(f"{k}Cell", inputs=i) for k in KINDS for i in ((BATCH,), (BATCH[0],))),
    layer("RNNCell", inputs=(BATCH, BATCH @ rng.normal(size=(4, 6))), nonlinearity="relu"),
    layer("GRUCell", inputs=(BATCH,), bias=False),
]
LAYERS = [
    *(layer(k) for k in KINDS),
    *(layer(k, inputs=(X[:, 0],)) for k in KINDS),
    *(layer(k, batch_first=True, num_layers=2, bidirectional=True) for k in KINDS),
    *(layer(k, bias=False, bidirectional=True) for k in KINDS),
    *(layer("LSTM", proj_size=3, num_layers=2), layer("LSTM", proj_size=2, bidirectional=True)),
    layer("RNN", nonlinearity="relu", num_layers=2),
]


@pytest.mark.parametrize("row", [*CELLS, *LAYERS], ids=str)
def test_like_pytorch(row):
    agree(row)


@pytest.mark.parametrize("executor", ["numpy", "llvm"])
@pytest.mark.parametrize("row", [*CELLS[:3], *LAYERS[:9], *LAYERS[-3:-1]], ids=str)
def test_compiled_like_pytorch(row, executor):
    agree(row, np.float64, executor)


def both(name, *sizes, **options):
    """Return our layer and PyTorch's with the same weights."""
    theirs = getattr(torch.nn, name)(*sizes, **options).double()
    ours = getattr(nn, name)(*sizes, **options).double()
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


def tree(value):
    """Return the arrays of a nested result."""
    if isinstance(value, tuple):
        return [leaf for part in value for leaf in tree(part)]
    if value is None:
        return []
    return [np.asarray(value.detach() if hasattr(value, "detach") else value)]


def equal(ours, theirs):
    for a, b in zip(tree(ours), tree(theirs), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


def torched(value):
    return tuple(map(torched, value)) if isinstance(value, tuple) else torch.tensor(value)


@pytest.mark.parametrize("name", KINDS)
def test_a_state_comes_in(name):
    ours, theirs = both(name, 4, 6, num_layers=2, bidirectional=True)
    start = state(name, 4)
    equal(ours(X, start), theirs(torch.tensor(X), torched(start)))
    alone = tuple(s[:, 0] for s in start) if isinstance(start, tuple) else start[:, 0]
    equal(ours(X[:, 0], alone), theirs(torch.tensor(X[:, 0]), torched(alone)))


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize(
    ("lengths", "sorted_"), [([5, 3, 1], True), ([2, 5, 3], False), ([5, 5, 5], True), ([1, 1, 4], False)]
)
@pytest.mark.parametrize("with_state", [False, True])
def test_packed_sequences(name, lengths, sorted_, with_state):
    ours, theirs = both(name, 4, 6, num_layers=2, bidirectional=True)
    given = state(name, 4) if with_state else None
    packed = nn.pack_padded_sequence(Tensor(X), lengths, enforce_sorted=sorted_)
    other = torch.nn.utils.rnn.pack_padded_sequence(
        torch.tensor(X, requires_grad=True), lengths, enforce_sorted=sorted_
    )
    output, end = ours(packed, given)
    expected, last = theirs(other, None if given is None else torched(given))
    equal(output.data, expected.data)
    assert list(output.batch_sizes) == expected.batch_sizes.tolist()
    equal(end, last)
    padded, counts = nn.pad_packed_sequence(output, batch_first=True, padding_value=-1.0, total_length=6)
    wanted, there = torch.nn.utils.rnn.pad_packed_sequence(
        expected, batch_first=True, padding_value=-1.0, total_length=6
    )
    equal(padded, wanted)
    assert counts.tolist() == there.tolist()
    padded.sum().backward()
    wanted.sum().backward()
    for (key, p), q in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(p.grad, q.grad, rtol=1e-8, atol=1e-12, err_msg=key)


def test_packing_computes_no_padding():
    """NaN in the padding reaches neither the output nor the gradients."""
    x = X.copy()
    x[3:, 1] = x[1:, 2] = np.nan
    model = nn.LSTM(4, 6, bidirectional=True).double()
    output, _ = model(nn.pack_padded_sequence(x, [5, 3, 1]))
    output.data.sum().backward()
    assert not any(np.isnan(p.grad).any() for p in model.parameters())


@pytest.mark.parametrize("executor", ["numpy", "llvm"])
def test_packed_training_compiled(executor):
    """A step over packed sequences of other lengths is another plan, with the numbers of eager mode."""
    losses = []
    for how in (None, executor):
        from clearprop import manual_seed

        manual_seed(0)
        model = nn.GRU(4, 6).double()
        optimizer = optim.SGD(model.parameters(), lr=0.1)

        def step(x, lengths, model=model, optimizer=optimizer):
            optimizer.zero_grad()
            output, _ = model(nn.pack_padded_sequence(x, lengths))
            loss = (output.data**2).mean()
            loss.backward()
            optimizer.step()
            return loss

        call = compile(step, executor=how) if how else step
        losses.append(
            [float(call(X, lengths)) for lengths in ([5, 3, 1], [5, 3, 1], [4, 4, 2], [5, 3, 1], [4, 4, 2])]
        )
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-12)


def test_dropout_between_layers_only_while_training():
    model = nn.LSTM(4, 6, num_layers=2, dropout=1.0)
    x = X.astype(np.float32)
    alone = model.eval()(x)[0].value
    dropped = model.train()(x)[0].value
    assert not np.allclose(alone, dropped)
    assert np.any(dropped)  # nothing comes after the last layer


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("batch_first", [False, True])
def test_pad_sequence(side, batch_first):
    parts = [X[:3, 0], X[:5, 1], X[:1, 2]]
    ours = nn.pad_sequence(parts, batch_first, 9.0, side)
    equal(ours, torch.nn.utils.rnn.pad_sequence([torch.tensor(p) for p in parts], batch_first, 9.0, side))


def test_packing_and_unpacking_gives_the_sequences():
    parts = [X[:3, 0], X[:5, 1], X[:1, 2]]
    for back, part in zip(
        nn.unpack_sequence(nn.pack_sequence(parts, enforce_sorted=False)), parts, strict=True
    ):
        np.testing.assert_array_equal(back, part)


def test_a_cell_in_a_loop_is_the_layer():
    ours = nn.LSTM(4, 6).double()
    cell = nn.LSTMCell(4, 6).double()
    cell.load_state_dict({k.removesuffix("_l0"): v for k, v in ours.state_dict().items()})
    h = None
    for t in range(5):
        h = cell(X[t], h)
    equal(h[0], ours(X)[0][-1])


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: nn.LSTM(4, 6)(X[..., :3]), "steps of 4 features"),
        (lambda: nn.LSTM(4, 6)(X, (X, X)), "a state of shapes [(1, 3, 6), (1, 3, 6)]"),
        (lambda: nn.GRU(4, 6)(X[None]), "(length, n, features)"),
        (lambda: nn.RNN(4, 6, nonlinearity="sigmoid"), "'tanh' or 'relu'"),
        (lambda: nn.LSTM(4, 6, proj_size=6), "a proj_size below hidden_size"),
        (lambda: nn.LSTM(4, 0), "hidden_size as a whole number of 1 or more"),
        (lambda: nn.GRUCell(4, 6)(X), "(n, 4) or (4,)"),
        (lambda: nn.pack_padded_sequence(X, [3, 5, 1]), "the longest sequence first"),
        (lambda: nn.pack_padded_sequence(X, [6, 5, 1]), "3 lengths from 1 to 5"),
        (lambda: nn.pad_sequence([]), "wants sequences"),
    ],
)
def test_refused(call, text):
    with pytest.raises(ValueError, match=re.escape(text)):
        call()


def test_a_character_model_learns():
    """An embedding, a GRU and a linear layer learn a cycle of letters by heart."""
    from clearprop import manual_seed

    manual_seed(0)
    text = np.tile(np.arange(7), 2)
    table, gru, out = nn.Embedding(7, 8), nn.GRU(8, 16), nn.Linear(16, 7)
    optimizer = optim.Adam([*table.parameters(), *gru.parameters(), *out.parameters()], lr=0.02)

    def step(x, y):
        optimizer.zero_grad()
        loss = F.cross_entropy(out(gru(table(x))[0]), y)
        loss.backward()
        optimizer.step()
        return loss

    call = compile(step)
    for _ in range(60):
        loss = call(text[:-1], text[1:])
    assert loss < 0.05
