"""The names of clearprop.numpy.random for tools that read and do not run; written by tools/stubs.py with NumPy 2.4."""

import builtins
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias, overload

import numpy
from numpy.typing import ArrayLike, DTypeLike, NDArray

from clearprop import Tensor


_Tensors: TypeAlias = Tensor | Sequence[Tensor] | Sequence[Sequence[Tensor]]
_Entry: TypeAlias = Tensor | complex | numpy.generic | NDArray[Any]
_Mixed: TypeAlias = Sequence[_Entry | Sequence[_Entry | Sequence[_Entry]]]
_Input: TypeAlias = Tensor | ArrayLike | _Mixed
_Inputs: TypeAlias = Tensor | Sequence[_Input]


class Generator(numpy.random.Generator):
    normal: Any
    uniform: Any
    lognormal: Any
    exponential: Any
    laplace: Any
    logistic: Any
    gumbel: Any
    rayleigh: Any
    gamma: Any
    weibull: Any
    pareto: Any
    power: Any
    triangular: Any
    multivariate_normal: Any
    choice: Any
    permutation: Any

class RandomState(numpy.random.RandomState):
    normal: Any
    uniform: Any
    lognormal: Any
    exponential: Any
    laplace: Any
    logistic: Any
    gumbel: Any
    rayleigh: Any
    gamma: Any
    weibull: Any
    pareto: Any
    power: Any
    triangular: Any
    multivariate_normal: Any
    choice: Any
    permutation: Any

def default_rng(seed: Any = ...) -> Generator: ...
from numpy.random import BitGenerator as BitGenerator
from numpy.random import MT19937 as MT19937
from numpy.random import PCG64 as PCG64
from numpy.random import PCG64DXSM as PCG64DXSM
from numpy.random import Philox as Philox
from numpy.random import SFC64 as SFC64
from numpy.random import SeedSequence as SeedSequence
beta: Any
binomial: Any
from numpy.random import bytes as bytes
chisquare: Any
@overload
def choice(a: _Tensors, size: Any = ..., replace: Any = ..., p: _Input = ..., axis: Any = ..., **how: Any) -> Tensor: ...
@overload
def choice(a: _Input, size: Any, replace: Any, p: _Tensors, axis: Any = ..., **how: Any) -> Tensor: ...
@overload
def choice(a: _Input, size: Any = ..., replace: Any = ..., p: _Input = ..., axis: Any = ..., **how: Any) -> Any: ...
dirichlet: Any
@overload
def exponential(scale: _Tensors, size: Any = ...) -> Tensor: ...
@overload
def exponential(scale: _Input = ..., size: Any = ...) -> Any: ...
f: Any
@overload
def gamma(shape: _Tensors, scale: _Input = ..., size: Any = ...) -> Tensor: ...
@overload
def gamma(shape: _Input, scale: _Tensors, size: Any = ...) -> Tensor: ...
@overload
def gamma(shape: _Input, scale: _Input = ..., size: Any = ...) -> Any: ...
geometric: Any
from numpy.random import get_state as get_state
@overload
def gumbel(loc: _Tensors, scale: _Input = ..., size: Any = ...) -> Tensor: ...
@overload
def gumbel(loc: _Input, scale: _Tensors, size: Any = ...) -> Tensor: ...
@overload
def gumbel(loc: _Input = ..., scale: _Input = ..., size: Any = ...) -> Any: ...
hypergeometric: Any
@overload
def laplace(loc: _Tensors, scale: _Input = ..., size: Any = ...) -> Tensor: ...
@overload
def laplace(loc: _Input, scale: _Tensors, size: Any = ...) -> Tensor: ...
@overload
def laplace(loc: _Input = ..., scale: _Input = ..., size: Any = ...) -> Any: ...
@overload
def logistic(loc: _Tensors, scale: _Input = ..., size: Any = ...) -> Tensor: ...
@overload
def logistic(loc: _Input, scale: _Tensors, size: Any = ...) -> Tensor: ...
@overload
def logistic(loc: _Input = ..., scale: _Input = ..., size: Any = ...) -> Any: ...
@overload
def lognormal(mean: _Tensors, sigma: _Input = ..., size: Any = ...) -> Tensor: ...
@overload
def lognormal(mean: _Input, sigma: _Tensors, size: Any = ...) -> Tensor: ...
@overload
def lognormal(mean: _Input = ..., sigma: _Input = ..., size: Any = ...) -> Any: ...
logseries: Any
multinomial: Any
@overload
def multivariate_normal(mean: _Tensors, cov: _Input, size: Any = ..., *args: Any, **kwargs: Any) -> Tensor: ...
@overload
def multivariate_normal(mean: _Input, cov: _Tensors, size: Any = ..., *args: Any, **kwargs: Any) -> Tensor: ...
@overload
def multivariate_normal(mean: _Input, cov: _Input, size: Any = ..., *args: Any, **kwargs: Any) -> Any: ...
negative_binomial: Any
noncentral_chisquare: Any
noncentral_f: Any
@overload
def normal(loc: _Tensors, scale: _Input = ..., size: Any = ...) -> Tensor: ...
@overload
def normal(loc: _Input, scale: _Tensors, size: Any = ...) -> Tensor: ...
@overload
def normal(loc: _Input = ..., scale: _Input = ..., size: Any = ...) -> Any: ...
@overload
def pareto(a: _Tensors, size: Any = ...) -> Tensor: ...
@overload
def pareto(a: _Input, size: Any = ...) -> Any: ...
@overload
def permutation(x: _Tensors, axis: Any = ...) -> Tensor: ...
@overload
def permutation(x: _Input, axis: Any = ...) -> Any: ...
poisson: Any
@overload
def power(a: _Tensors, size: Any = ...) -> Tensor: ...
@overload
def power(a: _Input, size: Any = ...) -> Any: ...
from numpy.random import rand as rand
randint: Any
from numpy.random import randn as randn
from numpy.random import random as random
from numpy.random import random_integers as random_integers
from numpy.random import random_sample as random_sample
from numpy.random import ranf as ranf
@overload
def rayleigh(scale: _Tensors, size: Any = ...) -> Tensor: ...
@overload
def rayleigh(scale: _Input = ..., size: Any = ...) -> Any: ...
from numpy.random import sample as sample
from numpy.random import seed as seed
from numpy.random import set_state as set_state
shuffle: Any
from numpy.random import standard_cauchy as standard_cauchy
from numpy.random import standard_exponential as standard_exponential
standard_gamma: Any
from numpy.random import standard_normal as standard_normal
standard_t: Any
@overload
def triangular(left: _Tensors, mode: _Input, right: _Input, size: Any = ...) -> Tensor: ...
@overload
def triangular(left: _Input, mode: _Tensors, right: _Input, size: Any = ...) -> Tensor: ...
@overload
def triangular(left: _Input, mode: _Input, right: _Tensors, size: Any = ...) -> Tensor: ...
@overload
def triangular(left: _Input, mode: _Input, right: _Input, size: Any = ...) -> Any: ...
@overload
def uniform(low: _Tensors, high: _Input = ..., size: Any = ...) -> Tensor: ...
@overload
def uniform(low: _Input, high: _Tensors, size: Any = ...) -> Tensor: ...
@overload
def uniform(low: _Input = ..., high: _Input = ..., size: Any = ...) -> Any: ...
vonmises: Any
wald: Any
@overload
def weibull(a: _Tensors, size: Any = ...) -> Tensor: ...
@overload
def weibull(a: _Input, size: Any = ...) -> Any: ...
zipf: Any
