"""Attention by blocks beside its plain formula, and the cache of keys and values."""

import importlib
import tracemalloc

import numpy as np
import pytest

from clearprop import Tensor, compile, manual_seed, nn, no_grad
from clearprop.nn import functional as F
from clearprop.ops import attention as op

attention_module = importlib.import_module("clearprop.nn.functional.attention")

EXECUTORS = ["", "numpy", "llvm"]
rng = np.random.default_rng(2)
Q, K, V = (rng.normal(size=(2, 4, n, m)) for n, m in ((9, 3), (7, 3), (7, 5)))
SEEN = rng.uniform(size=(9, 7)) < 0.6
SEEN[4] = False
SEEN[0, 0] = True
CASES = {
    "plain": {},
    "causal": {"is_causal": True},
    "mask": {"attn_mask": SEEN},
    "mask of each head": {"attn_mask": rng.uniform(size=(2, 4, 9, 7)) < 0.7},
    "added": {"attn_mask": np.where(SEEN, 0.0, -np.inf)},
    "numbers added": {"attn_mask": rng.normal(size=(4, 9, 7))},
    "scale": {"scale": 0.3},
    "grouped": {"enable_gqa": True},
}


def differentiated(f, *arrays):
    """Return the value, the gradients, and the gradients of a sum of these."""
    tensors = [Tensor(x) for x in arrays]
    z = f(*tensors)
    (z * z + z).sum().backward(create_graph=True)
    first = [t.grad for t in tensors]
    for t in tensors:
        t.grad = None
    sum((g * g).sum() for g in first).backward()
    return [z.detach(), *(g.detach() for g in first), *(t.grad for t in tensors)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.by_turns("executor")
@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("case", CASES)
def test_like_the_plain_formula(case, executor, dtype, monkeypatch):
    options = CASES[case]
    arrays = [x[:, :2] if case == "grouped" and x is not Q else x for x in (Q, K, V)]
    arrays = [x.astype(dtype) for x in arrays]
    mask = options.get("attn_mask")
    if mask is not None and mask.dtype == np.float64:
        options = options | {"attn_mask": mask.astype(dtype)}

    def f(q, k, v):
        return F.scaled_dot_product_attention(q, k, v, **options)

    expected = differentiated(f, *arrays)
    monkeypatch.setattr(attention_module, "WHOLE", 0)
    monkeypatch.setattr(op, "BLOCK", 28)  # blocks of four queries, and a rest
    run = (
        (lambda *xs: differentiated(f, *xs))
        if not executor
        else compile(lambda *xs: differentiated(f, *xs), executor=executor)
    )
    found = run(*arrays)
    for a, b in zip(found, expected, strict=True):
        a, b = (np.asarray(x.detach() if isinstance(x, Tensor) else x) for x in (a, b))
        tolerance = 1e-9 if dtype == np.float64 else 2e-4
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)
        assert a.dtype == dtype
    if case == "mask":
        assert not np.any(np.asarray(found[0])[:, :, 4])
        assert not np.any(np.asarray(found[1])[:, :, 4])


@pytest.mark.by_turns("executor")
@pytest.mark.parametrize("executor", EXECUTORS)
def test_dropout_draws_the_same_on_the_way_back_and_anew_in_each_call(executor, monkeypatch):
    """With v the identity the output is the dropped softmax itself, so dv says what the way back kept."""
    monkeypatch.setattr(attention_module, "WHOLE", 0)
    monkeypatch.setattr(op, "BLOCK", 80)
    q, k, v = rng.normal(size=(40, 3)), rng.normal(size=(40, 3)), np.eye(40)

    def f(q, k, v):
        t = Tensor(v)
        z = F.scaled_dot_product_attention(q, k, t, dropout_p=0.3)
        z.sum().backward()
        return z.detach(), t.grad

    run = compile(f, executor=executor) if executor else f
    manual_seed(1)
    results = [[np.asarray(x) for x in run(q, k, v)] for _ in range(3)]
    for z, dv in results:
        np.testing.assert_allclose(dv, np.tile(z.sum(axis=0)[:, None], 40), rtol=1e-9)
        assert 0.25 < np.mean(z == 0) < 0.35
    assert not np.array_equal(results[0][0], results[1][0])
    assert np.all(F.scaled_dot_product_attention(q, k, v, dropout_p=1.0).value == 0)


@pytest.mark.by_turns("executor")
@pytest.mark.parametrize("executor", EXECUTORS)
def test_no_array_of_all_scores_is_made(executor):
    """At 2,048 places one such array of float32 is 16 MiB a head."""
    arrays = [rng.normal(size=(2, 2048, 16)).astype(np.float32) for _ in range(3)]

    def f(q, k, v):
        tensors = [Tensor(x) for x in (q, k, v)]
        F.scaled_dot_product_attention(*tensors, is_causal=True).sum().backward()
        return [t.grad for t in tensors]

    run = compile(f, executor=executor) if executor else f
    run(*arrays)
    tracemalloc.start()
    run(*arrays)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 14 * 2**20


def test_multihead_attention_uses_it_where_no_weights_are_wanted(monkeypatch):
    model, x = nn.MultiheadAttention(8, 2, batch_first=True), rng.normal(size=(2, 6, 8)).astype(np.float32)
    expected = model(x, x, x)[0].value
    monkeypatch.setattr(attention_module, "WHOLE", 0)
    calls = []
    monkeypatch.setitem(op.__dict__, "_softmax", lambda *a, made=op._softmax: calls.append(1) or made(*a))
    np.testing.assert_allclose(model(x, x, x, need_weights=False)[0].value, expected, atol=1e-6)
    assert calls


# --- one place at a time ------------------------------------------------------------------------------------
def test_a_cache_gives_what_all_places_at_once_give():
    whole = F.scaled_dot_product_attention(Q[:, :, :7], K, V, is_causal=True)
    cache, rows = nn.KeyValueCache(), []
    for at in (slice(0, 3), slice(3, 4), slice(4, 7)):
        keys, values = cache.extended(K[:, :, at], V[:, :, at])
        mask = cache.mask(at.stop - at.start)
        rows.append(F.scaled_dot_product_attention(Q[:, :, at], keys, values, mask))
    np.testing.assert_allclose(np.concatenate(rows, axis=2), whole, rtol=1e-12)
    cache.clear()
    assert len(cache) == 0


@pytest.mark.parametrize("length", [6, 600])
def test_a_mask_of_another_shape_and_whole_numbers(length):
    x = np.ones((1, length, 4))
    with pytest.raises(ValueError, match=rf"wants a mask \(..., {length}, {length}\): \(5, 5\)"):
        F.scaled_dot_product_attention(x, x, x, np.ones((5, 5), bool))
    whole = x.astype(int)
    np.testing.assert_allclose(F.scaled_dot_product_attention(whole, whole, whole, is_causal=True), x)
    with pytest.raises(ValueError, match="wants a probability"):
        F.scaled_dot_product_attention(x, x, x, dropout_p=1.5)


def test_what_a_cache_refuses():
    cache = nn.KeyValueCache()
    with pytest.raises(TypeError, match=r"with no_grad\(\)"):
        cache.extended(Tensor(K), Tensor(V))
    with no_grad():
        cache.extended(Tensor(K) * 1, Tensor(V) * 1)
    with pytest.raises(ValueError, match="places like those before"):
        cache.extended(K[:1], V[:1])
    with pytest.raises(RuntimeError, match="grows in each call"):
        compile(lambda k, v: cache.extended(k, v))(K, V)
