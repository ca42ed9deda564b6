"""Attention and transformers beside PyTorch's."""

import re

import numpy as np
import pytest
from tests.parity.compare import Row, agree

from clearprop import Tensor, compile, nn
from clearprop.nn import functional as F

torch = pytest.importorskip("torch")
rng = np.random.default_rng(11)
Q, K, V = rng.normal(size=(2, 4, 3, 6)), rng.normal(size=(2, 4, 5, 6)), rng.normal(size=(2, 4, 5, 2))
MASK = rng.uniform(size=(3, 5)) < 0.6
MASK[0] = False  # this query may look at nothing
MASK[1, 2] = True
ADDED = rng.normal(size=(4, 3, 5))
X, MEMORY = rng.normal(size=(5, 2, 8)), rng.normal(size=(3, 2, 8))
HIDDEN = rng.uniform(size=(5, 5)) < 0.4
np.fill_diagonal(HIDDEN, False)
PADDED = np.array([[False] * 5, [False, False, False, True, True]])
CAUSAL = np.where(np.tri(5, dtype=bool), 0.0, -np.inf)


def attention(*inputs, **options):
    shapes = [x.shape for x in inputs]
    path = "nn.functional.scaled_dot_product_attention"
    return Row(f"attention {shapes} {options}", F.scaled_dot_product_attention, path, inputs, (), options)


def layer(name, inputs, *args, fixed=(), **options):
    shapes = [x.shape for x in inputs if isinstance(x, np.ndarray)]
    named = f"{name} {shapes} {args} {options}"
    return Row(
        named, getattr(nn, name), f"nn.{name}", inputs, args, options, evaluate=True, fixed=fixed, rtol=1e-8
    )


W, U, MAPS, BIASES = (rng.normal(size=s) for s in ((24, 8), (8, 8), (3, 8, 8), (2, 1, 1, 8)))
STATIC = rng.normal(size=(2, 4, 3, 4))


def by_hand(said, *inputs, maps=(W, None), biases=(None, None), zero=False, out=(U, None), **options):
    """Return the row of the function, whose weights are inputs like the rest."""
    path, count = "nn.functional.multi_head_attention_forward", len(inputs)

    def arranged(space):
        class Called(space.Module):
            def forward(self, *xs):
                q, k, v, w, *more = xs
                named = dict(zip(keys, more, strict=True))
                learned = named.pop("bias_k", None), named.pop("bias_v", None)
                bias, last = named.pop("in_proj_bias", None), named.pop("out_proj_bias", None)
                output = named.pop("out_proj_weight")
                function = space.functional.multi_head_attention_forward
                return function(q, k, v, 8, 2, w, bias, *learned, zero, 0.0, output, last, **named, **options)

        return Called()

    given = {"out_proj_weight": out[0], "out_proj_bias": out[1], "in_proj_bias": maps[1]}
    given |= {"bias_k": biases[0], "bias_v": biases[1]}
    given |= {k: options.pop(k) for k in list(options) if isinstance(options[k], np.ndarray)}
    keys = [k for k, x in given.items() if x is not None]
    arrays = (*inputs[:count], maps[0], *(given[k] for k in keys))
    return Row(f"multi_head_attention_forward {said}", None, path, arrays, build=arranged, rtol=1e-8)


SELF = (X, X, X)
BY_HAND = [
    *(by_hand("plain", *SELF), by_hand("biased", *SELF, maps=(W, W[:, 0]), out=(U, U[0]))),
    by_hand("longer", *SELF, biases=tuple(BIASES), zero=True, key_padding_mask=PADDED, attn_mask=HIDDEN),
    by_hand("alone", X[:, 0], X[:, 1], X[:, 0], key_padding_mask=PADDED[1], average_attn_weights=False),
    by_hand("separate", X, MEMORY, MEMORY, maps=(None, None), use_separate_proj_weight=True, q_proj_weight=MAPS[0], k_proj_weight=MAPS[1], v_proj_weight=MAPS[2]),
    by_hand("static", *SELF, static_k=STATIC[0], static_v=STATIC[1], need_weights=False),
    by_hand("causal", *SELF, attn_mask=CAUSAL > -1, need_weights=False),
]  # fmt: skip
LONGER = {"add_bias_kv": True, "add_zero_attn": True}
OPTIONS = ("bias", "batch_first", "add_zero_attn")
SMALL = {"dim_feedforward": 6, "dropout": 0.3}
ROWS = [
    *BY_HAND,
    *(attention(Q, K, V), attention(Q, K, V, is_causal=True), attention(Q, K, V, scale=0.3)),
    *(attention(Q, K, V, MASK), attention(Q, K, V, ADDED), attention(Q[0, 0], K[0, 0], V[0, 0])),
    attention(Q, K[:, :2], V[:, :2], enable_gqa=True),
    *(layer("MultiheadAttention", SELF, 8, h) for h in (1, 2)),
    *(layer("MultiheadAttention", SELF, 8, 2, **{o: o != "bias"}) for o in OPTIONS),
    layer("MultiheadAttention", SELF, 8, 2, add_bias_kv=True),
    layer("MultiheadAttention", (X, MEMORY[..., :3], MEMORY[..., :5]), 8, 2, kdim=3, vdim=5),
    layer("MultiheadAttention", (X[:, 0], MEMORY[:, 0], MEMORY[:, 0]), 8, 2),
    layer("MultiheadAttention", (*SELF, PADDED), 8, 2),
    layer("MultiheadAttention", (*SELF, None, True, HIDDEN), 8, 2),
    layer("MultiheadAttention", (*SELF, None, False, HIDDEN), 8, 2),
    layer("MultiheadAttention", (*SELF, None, True, CAUSAL, False), 8, 2, fixed=(5,)),
    layer("MultiheadAttention", (*SELF, PADDED, True, np.tile(HIDDEN, (4, 1, 1))), 8, 2, **LONGER),
    *(layer("TransformerEncoderLayer", (X,), 8, 2, norm_first=n, **SMALL) for n in (False, True)),
    layer("TransformerEncoderLayer", (X, CAUSAL), 8, 2, activation="gelu", bias=False, fixed=(1,), **SMALL),
    *(layer("TransformerDecoderLayer", (X, MEMORY), 8, 2, norm_first=n, **SMALL) for n in (False, True)),
    layer("Transformer", (MEMORY, X), 8, 2, 2, 1, **SMALL),
    layer("Transformer", (MEMORY, X, None, CAUSAL), 8, 2, 1, 2, fixed=(3,), **SMALL),
]  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("row", ROWS, ids=str)
def test_like_pytorch(row):
    agree(row)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("executor", ["numpy", "llvm"])
@pytest.mark.parametrize("row", [*ROWS[:5], *ROWS[6:8], ROWS[12], *ROWS[15:17], ROWS[20]], ids=str)
def test_compiled_like_pytorch(row, executor):
    agree(row, np.float64, executor)


@pytest.mark.parametrize("options", [{}, {"batch_first": True}, LONGER], ids=str)
def test_no_rows_at_all_give_none(options):
    x = np.zeros((0, 5, 8) if options.get("batch_first") else (5, 0, 8), np.float32)
    model, theirs = nn.MultiheadAttention(8, 2, **options), torch.nn.MultiheadAttention(8, 2, **options)
    found = [t.shape for t in model(x, x, x)]

    assert found == [tuple(t.shape) for t in theirs(*[torch.tensor(x)] * 3)]


@pytest.mark.parametrize("executor", [None, "numpy", "llvm"])
def test_a_query_that_may_look_at_nothing_gives_0_and_passes_no_gradient(executor):
    def f(q, k, v):
        q, k, v = Tensor(q), Tensor(k), Tensor(v)
        out = F.scaled_dot_product_attention(q, k, v, MASK)
        (out * out + out).sum().backward()
        return out.detach(), q.grad, k.grad, v.grad

    out, dq, dk, dv = (np.asarray(x) for x in (compile(f, executor=executor) if executor else f)(Q, K, V))
    assert not np.any(out[..., 0, :])
    assert not np.any(dq[..., 0, :])
    assert all(np.all(np.isfinite(g)) for g in (dq, dk, dv))


def test_dropout_drops_weights_while_training():
    x = X.astype(np.float32)
    model = nn.MultiheadAttention(8, 2, dropout=0.9)
    assert np.any(model(x, x, x)[1].value.sum(axis=-1) < 0.5)
    np.testing.assert_allclose(model.eval()(x, x, x)[1].value.sum(axis=-1), 1, rtol=1e-5)


def test_rotated_products_depend_on_distances_alone():
    q, k = F.rotary(np.tile(Q[0, 0, :1], (9, 1))), F.rotary(np.tile(K[0, 0, :1], (9, 1)))
    scores = q @ k.T
    for d in range(-3, 4):
        np.testing.assert_allclose(np.diagonal(scores, d), scores[4, 4 + d], rtol=1e-12)
    np.testing.assert_allclose(
        F.rotary(np.tile(Q[0, 0, :1], (9, 1)))[5], F.rotary(Q[0, 0, :1], np.array([5]))[0]
    )


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: F.scaled_dot_product_attention(Q, K[..., :3], V), "queries and keys of one size"),
        (lambda: F.scaled_dot_product_attention(Q, K, V[..., :3, :]), "5 values, one for each key"),
        (lambda: F.scaled_dot_product_attention(Q, K, V, MASK, is_causal=True), "takes one mask"),
        (
            lambda: F.scaled_dot_product_attention(Q, K[:, :3], V[:, :3], enable_gqa=True),
            "a divisor of the 4 heads",
        ),
        (lambda: nn.MultiheadAttention(8, 3), "an embed_dim that the heads divide"),
        (lambda: nn.MultiheadAttention(8, 2)(X[..., :4], X, X), "queries of 8 features"),
        (lambda: nn.MultiheadAttention(8, 2)(X, X, X, attn_mask=MASK), "wants (5, 5) or (4, 5, 5)"),
        (lambda: nn.MultiheadAttention(8, 2)(X, X, X, key_padding_mask=MASK), "wants (2, 5)"),
        (lambda: nn.MultiheadAttention(8, 2)(X, X, X, is_causal=True), "wants attn_mask as well"),
        (lambda: nn.TransformerEncoderLayer(8, 2, activation="tanh"), "is 'relu', 'gelu' or a function"),
        (lambda: F.rotary(Q[..., :3]), "an even last axis"),
    ],
)
def test_refused(call, text):
    with pytest.raises(ValueError, match=re.escape(text)):
        call()
