"""Values and gradients of every op beside PyTorch's, one line per op."""

import numpy as np
import pytest

import clearprop as cp
from clearprop import Tensor

torch = pytest.importorskip("torch")
F = torch.nn.functional

rng = np.random.default_rng(3)
ANY, POSITIVE, UNIT = (-2.0, 2.0), (0.3, 3.0), (-0.9, 0.9)

# fmt: off
ELEMENTWISE = [
    # name,          ours,                              theirs,                                domains
    ("add",          lambda x, y: x + y,                lambda x, y: x + y,                    ANY, ANY),
    ("subtract",     lambda x, y: x - y,                lambda x, y: x - y,                    ANY, ANY),
    ("multiply",     lambda x, y: x * y,                lambda x, y: x * y,                    ANY, ANY),
    ("divide",       lambda x, y: x / y,                lambda x, y: x / y,                    ANY, POSITIVE),
    ("remainder",    lambda x, y: x % y,                lambda x, y: x % y,                    ANY, POSITIVE),
    ("power",        lambda x, y: x**y,                 lambda x, y: x**y,                     POSITIVE, ANY),
    ("cube",         lambda x: x**3,                    lambda x: x**3,                        ANY),
    ("inverse",      lambda x: 2 / x,                   lambda x: 2 / x,                       POSITIVE),
    ("exponential",  lambda x: 2.0**x,                  lambda x: 2.0**x,                      ANY),
    ("square",       np.square,                         torch.square,                          ANY),
    ("sqrt",         np.sqrt,                           torch.sqrt,                            POSITIVE),
    ("reciprocal",   np.reciprocal,                     torch.reciprocal,                      POSITIVE),
    ("absolute",     np.abs,                            torch.abs,                             ANY),
    ("sign",         np.sign,                           torch.sign,                            ANY),
    ("exp",          np.exp,                            torch.exp,                             ANY),
    ("exp2",         np.exp2,                           torch.exp2,                            ANY),
    ("expm1",        np.expm1,                          torch.expm1,                           ANY),
    ("log",          np.log,                            torch.log,                             POSITIVE),
    ("log2",         np.log2,                           torch.log2,                            POSITIVE),
    ("log10",        np.log10,                          torch.log10,                           POSITIVE),
    ("log1p",        np.log1p,                          torch.log1p,                           POSITIVE),
    ("logaddexp",    np.logaddexp,                      torch.logaddexp,                       ANY, ANY),
    ("sin",          np.sin,                            torch.sin,                             ANY),
    ("cos",          np.cos,                            torch.cos,                             ANY),
    ("tan",          np.tan,                            torch.tan,                             (-1.2, 1.2)),
    ("arcsin",       np.arcsin,                         torch.arcsin,                          UNIT),
    ("arccos",       np.arccos,                         torch.arccos,                          UNIT),
    ("arctan",       np.arctan,                         torch.arctan,                          ANY),
    ("arctan2",      np.arctan2,                        torch.arctan2,                         ANY, ANY),
    ("sinh",         np.sinh,                           torch.sinh,                            ANY),
    ("cosh",         np.cosh,                           torch.cosh,                            ANY),
    ("tanh",         np.tanh,                           torch.tanh,                            ANY),
    ("arcsinh",      np.arcsinh,                        torch.arcsinh,                         ANY),
    ("arccosh",      np.arccosh,                        torch.arccosh,                         (1.1, 3.0)),
    ("arctanh",      np.arctanh,                        torch.arctanh,                         UNIT),
    ("hypot",        np.hypot,                          torch.hypot,                           ANY, ANY),
    ("sigmoid",      cp.sigmoid,                        torch.sigmoid,                         ANY),
    ("erf",          cp.erf,                            torch.erf,                             ANY),
    ("erfc",         cp.erfc,                           torch.erfc,                            ANY),
    ("ndtr",         cp.ndtr,                           torch.special.ndtr,                    ANY),
    ("gaussian",     cp.gaussian,                       lambda x: torch.exp(-x * x / 2),       ANY),
    ("relu",         cp.relu,                           torch.relu,                            ANY),
    ("softplus",     cp.softplus,                       F.softplus,                            ANY),
    ("logsigmoid",   cp.logsigmoid,                     F.logsigmoid,                          ANY),
    ("maximum",      np.maximum,                        torch.maximum,                         ANY, ANY),
    ("minimum",      np.minimum,                        torch.minimum,                         ANY, ANY),
    ("where",        lambda x, y: np.where(x > 0, x, y), lambda x, y: torch.where(x > 0, x, y), ANY, ANY),
    ("clip",         lambda x: np.clip(x, -1, 1),       lambda x: torch.clip(x, -1, 1),        ANY),
]
ARRAYS = [
    # name,               ours,                                            theirs,                                         shapes
    ("sum",               lambda x: np.sum(x, axis=1),                     lambda x: x.sum(1),                             (3, 4)),
    ("mean",              lambda x: np.mean(x, axis=(0, 2)),               lambda x: x.mean((0, 2)),                       (2, 3, 4)),
    ("max",               lambda x: np.max(x, axis=1, keepdims=True),      lambda x: x.amax(1, keepdim=True),              (3, 4)),
    ("min",               lambda x: np.min(x),                             lambda x: x.amin(),                             (3, 4)),
    ("prod",              lambda x: np.prod(x, axis=1),                    lambda x: x.prod(1),                            (3, 4)),
    ("var",               lambda x: np.var(x, axis=0),                     lambda x: x.var(0, correction=0),               (3, 4)),
    ("std",               lambda x: np.std(x, axis=1, ddof=1),             lambda x: x.std(1),                             (3, 4)),
    ("logsumexp",         lambda x: cp.logsumexp(x, axis=1),               lambda x: x.logsumexp(1),                       (3, 4)),
    ("softmax",           lambda x: cp.softmax(x, axis=0),                 lambda x: x.softmax(0),                         (3, 4)),
    ("log_softmax",       lambda x: cp.log_softmax(x),                     lambda x: x.log_softmax(-1),                    (3, 4)),
    ("norm",              lambda x: np.linalg.norm(x, axis=1),             lambda x: torch.linalg.norm(x, dim=1),          (3, 4)),
    ("norm of order 3",   lambda x: np.linalg.norm(x, 3, axis=1),          lambda x: torch.linalg.norm(x, 3, dim=1),       (3, 4)),
    ("triu",              lambda x: np.triu(x, 1),                         lambda x: x.triu(1),                            (3, 4)),
    ("tril",              lambda x: np.tril(x, -1),                        lambda x: x.tril(-1),                           (2, 3, 4)),
    ("sort",              lambda x: np.sort(x, axis=0),                    lambda x: x.sort(0)[0],                         (3, 4)),
    ("median",            lambda x: np.median(x, axis=0),                  lambda x: x.median(0)[0],                       (3, 4)),
    ("inv",               lambda x: np.linalg.inv(x),                      lambda x: torch.linalg.inv(x),                  (2, 3, 3)),
    ("det",               lambda x: np.linalg.det(x),                      lambda x: torch.linalg.det(x),                  (2, 3, 3)),
    ("slogdet",           lambda x: np.linalg.slogdet(x)[1],               lambda x: torch.linalg.slogdet(x)[1],           (2, 3, 3)),
    ("solve",             lambda x, y: np.linalg.solve(x, y),              lambda x, y: torch.linalg.solve(x, y),          (3, 3), (3, 2)),
    ("solve a vector",    lambda x, y: np.linalg.solve(x, y),              lambda x, y: torch.linalg.solve(x, y),          (3, 3), (3,)),
    ("average",           lambda x: np.average(x, axis=0, weights=[1, 2, 3]), lambda x: (x * torch.tensor([[1.0], [2], [3]])).sum(0) / 6, (3, 4)),
    ("atleast_2d",        lambda x: np.atleast_2d(x),                      lambda x: torch.atleast_2d(x),                  (3,)),
    ("column_stack",      lambda x, y: np.column_stack([x, y]),            lambda x, y: torch.column_stack([x, y]),        (3,), (3,)),
    ("meshgrid",          lambda x, y: sum(np.meshgrid(x, y)),             lambda x, y: sum(torch.meshgrid(x, y, indexing="xy")), (3,), (4,)),
    ("flipud",            lambda x: np.flipud(x),                          lambda x: x.flipud(),                           (3, 4)),
    ("fliplr",            lambda x: np.fliplr(x),                          lambda x: x.fliplr(),                           (3, 4)),
    ("matrix_transpose",  lambda x: np.matrix_transpose(x),                lambda x: x.mT,                                 (2, 3, 4)),
    ("diag of a matrix",  lambda x: np.diag(x, 1),                         lambda x: torch.diag(x, 1),                     (3, 4)),
    ("diag of a vector",  lambda x: np.diag(x, -1),                        lambda x: torch.diag(x, -1),                    (3,)),
    ("ptp",               lambda x: np.ptp(x, axis=1),                     lambda x: x.amax(1) - x.amin(1),                (3, 4)),
    ("nan_to_num",        lambda x: np.nan_to_num(x),                      lambda x: torch.nan_to_num(x),                  (3, 4)),
    ("nansum",            lambda x: np.nansum(x, axis=0),                  lambda x: x.nansum(0),                          (3, 4)),
    ("nanmean",           lambda x: np.nanmean(x, axis=0),                 lambda x: x.nanmean(0),                         (3, 4)),
    ("cross",             lambda x, y: np.cross(x, y),                     lambda x, y: torch.linalg.cross(x, y),          (2, 3), (2, 3)),
    ("kron",              lambda x, y: np.kron(x, y),                      lambda x, y: torch.kron(x, y),                  (2, 3), (3, 2)),
    ("vdot",              lambda x, y: np.vdot(x, y),                      lambda x, y: torch.vdot(x, y),                  (3,), (3,)),
    ("trapezoid",         lambda x: np.trapezoid(x, dx=0.5),               lambda x: torch.trapezoid(x, dx=0.5),           (2, 4)),
    ("copy",              lambda x: np.copy(x),                            lambda x: x.clone(),                            (3,)),
    ("radians",           lambda x: np.radians(x) + np.rad2deg(x),         lambda x: x.deg2rad() + x.rad2deg(),            (3,)),
    ("inner product",     lambda x, y: x @ y,                              lambda x, y: x @ y,                             (3,), (3,)),
    ("matrix, vector",    lambda x, y: x @ y,                              lambda x, y: x @ y,                             (2, 3), (3,)),
    ("vector, matrix",    lambda x, y: x @ y,                              lambda x, y: x @ y,                             (3,), (3, 4)),
    ("matrices",          lambda x, y: x @ y,                              lambda x, y: x @ y,                             (2, 3), (3, 4)),
    ("batch, shared",     lambda x, y: x @ y,                              lambda x, y: x @ y,                             (5, 2, 3), (3, 4)),
    ("batch, vector",     lambda x, y: x @ y,                              lambda x, y: x @ y,                             (5, 2, 3), (3,)),
    ("batches broadcast", lambda x, y: x @ y,                              lambda x, y: x @ y,                             (6, 1, 2, 3), (5, 3, 4)),
    ("dot",               np.dot,                                          torch.dot,                                      (3,), (3,)),
    ("outer",             np.outer,                                        torch.outer,                                    (3,), (4,)),
    ("tensordot",         lambda x, y: np.tensordot(x, y, 1),              lambda x, y: torch.tensordot(x, y, 1),          (2, 3), (3, 4)),
    ("einsum",            lambda x, y: np.einsum("bij,bkj->bik", x, y),    lambda x, y: torch.einsum("bij,bkj->bik", x, y), (2, 3, 4), (2, 5, 4)),
    ("trace",             np.trace,                                        torch.trace,                                    (3, 3)),
    ("reshape",           lambda x: x.reshape(2, 6),                       lambda x: x.reshape(2, 6),                      (3, 4)),
    ("transpose",         lambda x: np.transpose(x, (2, 0, 1)),            lambda x: x.permute(2, 0, 1),                   (2, 3, 4)),
    ("swapaxes",          lambda x: x.swapaxes(0, 1),                      lambda x: x.swapaxes(0, 1),                     (2, 3)),
    ("moveaxis",          lambda x: np.moveaxis(x, 0, -1),                 lambda x: x.moveaxis(0, -1),                    (2, 3, 4)),
    ("squeeze",           lambda x: np.squeeze(x, 1),                      lambda x: x.squeeze(1),                         (3, 1, 4)),
    ("expand_dims",       lambda x: np.expand_dims(x, 1),                  lambda x: x.unsqueeze(1),                       (3, 4)),
    ("broadcast_to",      lambda x: np.broadcast_to(x, (2, 3, 4)),         lambda x: x.broadcast_to((2, 3, 4)),            (3, 1)),
    ("concatenate",       lambda x, y: np.concatenate([x, y], 1),          lambda x, y: torch.cat([x, y], 1),              (3, 2), (3, 4)),
    ("stack",             lambda x, y: np.stack([x, y], 1),                lambda x, y: torch.stack([x, y], 1),            (3, 2), (3, 2)),
    ("split",             lambda x: np.split(x, 2)[1],                     lambda x: x.chunk(2)[1],                        (4, 3)),
    ("flip",              lambda x: np.flip(x, 1),                         lambda x: x.flip(1),                            (3, 4)),
    ("roll",              lambda x: np.roll(x, 2, 0),                      lambda x: x.roll(2, 0),                         (3, 4)),
    ("pad",               lambda x: np.pad(x, ((0, 1), (2, 0))),           lambda x: F.pad(x, (2, 0, 0, 1)),               (3, 4)),
    ("repeat",            lambda x: np.repeat(x, 2, 1),                    lambda x: x.repeat_interleave(2, 1),            (3, 4)),
    ("tile",              lambda x: np.tile(x, (2, 1, 3)),                 lambda x: x.tile((2, 1, 3)),                    (3, 4)),
    ("vstack",            lambda x, y: np.vstack([x, y]),                  lambda x, y: torch.vstack([x, y]),              (4,), (3, 4)),
    ("hstack",            lambda x, y: np.hstack([x, y]),                  lambda x, y: torch.hstack([x, y]),              (3, 2), (3, 4)),
    ("diff",              lambda x: np.diff(x, 2, axis=0),                 lambda x: torch.diff(x, 2, dim=0),              (4, 3)),
    ("cumsum",            lambda x: np.cumsum(x, axis=1),                  lambda x: x.cumsum(1),                          (3, 4)),
    ("slice",             lambda x: x[1:, ::2],                            lambda x: x[1:, ::2],                           (3, 4)),
    ("ellipsis and None", lambda x: x[..., None, 1],                       lambda x: x[..., None, 1],                      (3, 4)),
    ("integer array",     lambda x: x[[0, 2, 2]],                          lambda x: x[[0, 2, 2]],                         (3, 4)),
    ("boolean array",     lambda x: x[x > 0],                              lambda x: x[x > 0],                             (3, 4)),
    ("take",              lambda x: np.take(x, [1, 1, 0], axis=1),         lambda x: x[:, [1, 1, 0]],                      (3, 4)),
    ("take_along_axis",   lambda x: np.take_along_axis(x, np.array([[1], [0], [3]]), 1),
                          lambda x: torch.take_along_dim(x, torch.tensor([[1], [0], [3]]), 1),                                     (3, 4)),
]
# fmt: on


def compare(ours, theirs, arrays, rtol):
    xs = [Tensor(a) for a in arrays]
    ts = [torch.tensor(a, requires_grad=True) for a in arrays]
    z, w = ours(*xs), theirs(*ts)
    np.testing.assert_allclose(z.value, w.detach().numpy(), rtol=rtol, atol=rtol)
    g = rng.normal(size=z.shape).astype(z.dtype)
    z.backward(g)
    w.backward(torch.tensor(g))
    for x, t in zip(xs, ts, strict=True):
        assert x.grad.dtype == x.dtype
        np.testing.assert_allclose(x.grad, t.grad.numpy(), rtol=rtol, atol=rtol)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("name", "ours", "theirs", "domains"), [(n, o, t, d) for n, o, t, *d in ELEMENTWISE])
def test_elementwise(name, ours, theirs, domains, dtype):
    shapes = [(3, 4), (4,)] if len(domains) == 2 else [(3, 4)]
    arrays = [rng.uniform(*d, s).astype(dtype) for d, s in zip(domains, shapes, strict=True)]
    compare(ours, theirs, arrays, 1e-12 if dtype == np.float64 else 2e-5)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("name", "ours", "theirs", "shapes"), [(n, o, t, s) for n, o, t, *s in ARRAYS])
def test_arrays(name, ours, theirs, shapes, dtype):
    compare(
        ours,
        theirs,
        [rng.normal(size=s).astype(dtype) for s in shapes],
        1e-12 if dtype == np.float64 else 2e-4,
    )
