"""Every op of the registry as JavaScript gives what it gives here, or is refused by its name."""

import numpy as np
import pytest
from tests.compiler.js.node import many, needs_node
from tests.compiler.test_every_op import LIBRARY, integers, trials

import clearprop

REFUSED = """
argpartition argument attention attention_gradient attention_kept attention_shares beta betainc betaincc
betaincinv betaln binom boxcox cholesky cofactor cosdg cosm1 cotdg count_nonzero counted cumprod dawsn det
digamma digitize eig eigh eigvals eigvalsh ellipe ellipk erfcinv erfcx erfi erfinv eval_chebyt eval_chebyu
eval_genlaguerre eval_hermite eval_hermitenorm eval_legendre exp1 expi exponent_of exprel fft finite_norm
gamma gammainc gammaincc gammainccinv gammaincinv gammaln huber hyp0f1 hyp1f1 hyp2f1 i0 i0e i1 i1e ifft
imaginary_part inv irfft isclose isin iv ive j0 j1 jv k0 k0e k1 k1e kv kve ldexp log_ndtr logabsdet loggamma
margin_of_whole matrix_exp mirrored nanargmax nanargmin ndtri nextafter occupied of_full_rank owens_t pdtr
pinv poch pseudo_huber qr rank_of real_part resample rfft rgamma roots scatter searchsorted settled
sign_of_det sindg solve spacing spence stdtr sum_of_weights svd svdvals tandg window_argmax window_spread
winners_mean winners_share wrightomega written_last y0 y1 yv zeta
"""
"""Ops of which at least one case has no translation; `scatter` by a mask, whose count is known only then."""


@needs_node
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_an_op_gives_what_numpy_does_or_is_refused_by_name(dtype, tmp_path):
    modules, wanted, refused = [], [], set()
    for op in LIBRARY:
        for f, xs, label in trials(op, dtype):
            if integers(op, dtype):
                xs = tuple(np.asarray(np.abs(x) * 3).astype(np.int64)[()] for x in xs)
            step = clearprop.compile(f, executor="numpy", prove="never")
            step(*xs)
            try:
                modules.append((step.javascript(), [[np.asarray(x) for x in xs]]))
                wanted.append((label, f(*xs)))
            except TypeError as error:
                if "has no translation to JavaScript" not in str(error):
                    raise
                refused.add(op.name)

    assert sorted(refused) == REFUSED.split()
    for (label, z), ((error, got, _),) in zip(wanted, many(modules, tmp_path), strict=True):
        assert not error, label
        for a, b in zip(got, z if isinstance(z, list) else [z], strict=True):
            _same(a, np.asarray(getattr(b, "value", b)), label)


def _same(got, wanted, label):
    assert (got.dtype, got.shape) == (wanted.dtype, wanted.shape), label
    if wanted.dtype.kind != "f":
        np.testing.assert_array_equal(got, wanted, err_msg=label)
        return
    unit = 64 * np.finfo(wanted.dtype).eps
    scale = np.abs(wanted[np.isfinite(wanted)]).max(initial=0)
    np.testing.assert_allclose(got, wanted, rtol=unit, atol=unit * scale, err_msg=label)
