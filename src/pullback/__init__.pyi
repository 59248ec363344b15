# Written by `make stubs` from the rules themselves; a test compares it. Do not edit.
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pullback.check import check as check
from pullback import errors as errors
from pullback import nn as nn
from pullback import rules as rules
from pullback import testing as testing
from pullback import train as train
from pullback.linearization import Linearization
from pullback.rule import Rule as Rule
from pullback.rules.chain import Chain as Chain
from pullback.rules.residual import Residual as Residual
from pullback.rules.scan import Scan as Scan
from pullback.handbook.explanation import explain as explain
from pullback.kernels.threads import get_threads as get_threads
from pullback.kernels.threads import set_threads as set_threads

__version__: str
Array = NDArray[np.floating[Any]]

class _sigmoid(Rule):
    """The logistic function, a probability from a score.

    x[...] -> y[...]
    """

    def __call__(self, x: ArrayLike) -> Array: ...
    def linearize(self, x: ArrayLike) -> tuple[Array, Linearization]: ...

sigmoid: _sigmoid

class _tanh(Rule):
    """The hyperbolic tangent, a sigmoid between -1 and 1.

    x[...] -> y[...]
    """

    def __call__(self, x: ArrayLike) -> Array: ...
    def linearize(self, x: ArrayLike) -> tuple[Array, Linearization]: ...

tanh: _tanh

class _logsigmoid(Rule):
    """The logarithm of the sigmoid.

    x[...] -> y[...]
    """

    def __call__(self, x: ArrayLike) -> Array: ...
    def linearize(self, x: ArrayLike) -> tuple[Array, Linearization]: ...

logsigmoid: _logsigmoid

class _softplus(Rule):
    """A smooth relu, the integral of the sigmoid.

    x[...] -> y[...]
    """
    beta: float
    threshold: float

    def __call__(self, x: ArrayLike, *, beta: float = 1.0, threshold: float = 20.0) -> Array: ...
    def linearize(self, x: ArrayLike, *, beta: float = 1.0, threshold: float = 20.0) -> tuple[Array, Linearization]: ...

softplus: _softplus

class _softsign(Rule):
    """A sigmoid with slow tails.

    x[...] -> y[...]
    """

    def __call__(self, x: ArrayLike) -> Array: ...
    def linearize(self, x: ArrayLike) -> tuple[Array, Linearization]: ...

softsign: _softsign

class _tanhshrink(Rule):
    """What the hyperbolic tangent takes away.

    x[...] -> y[...]
    """

    def __call__(self, x: ArrayLike) -> Array: ...
    def linearize(self, x: ArrayLike) -> tuple[Array, Linearization]: ...

tanhshrink: _tanhshrink

class _elu(Rule):
    """A relu that levels off at -alpha.

    x[...] -> y[...]
    """
    kink: str
    alpha: float

    def __call__(self, x: ArrayLike, *, kink: str = 'right', alpha: float = 1.0) -> Array: ...
    def linearize(self, x: ArrayLike, *, kink: str = 'right', alpha: float = 1.0) -> tuple[Array, Linearization]: ...

elu: _elu

class _selu(Rule):
    """An elu that keeps mean 0 and variance 1 through the layers.

    x[...] -> y[...]
    """
    kink: str

    def __call__(self, x: ArrayLike, *, kink: str = 'right') -> Array: ...
    def linearize(self, x: ArrayLike, *, kink: str = 'right') -> tuple[Array, Linearization]: ...

selu: _selu

class _celu(Rule):
    """An elu that is smooth for every alpha.

    x[...] -> y[...]
    """
    alpha: float

    def __call__(self, x: ArrayLike, *, alpha: float = 1.0) -> Array: ...
    def linearize(self, x: ArrayLike, *, alpha: float = 1.0) -> tuple[Array, Linearization]: ...

celu: _celu

class _mish(Rule):
    """x times a gate, like silu with a deeper dip.

    x[...] -> y[...]
    """

    def __call__(self, x: ArrayLike) -> Array: ...
    def linearize(self, x: ArrayLike) -> tuple[Array, Linearization]: ...

mish: _mish

class _adaptive_max_pool1d(Rule):
    """The largest element of every window. Ties go to the first; nan wins, the first of several.

    x[... *n] -> y[... *out]
    """
    return_indices: bool
    output_size: int | tuple[int, ...] | None

    def __call__(self, x: ArrayLike, *, return_indices: bool = False, output_size: int | tuple[int, ...] | None = (1,)) -> Any: ...
    def linearize(self, x: ArrayLike, *, return_indices: bool = False, output_size: int | tuple[int, ...] | None = (1,)) -> tuple[Any, Linearization]: ...

adaptive_max_pool1d: _adaptive_max_pool1d

class _adaptive_max_pool2d(Rule):
    """The largest element of every window. Ties go to the first; nan wins, the first of several.

    x[... *n] -> y[... *out]
    """
    return_indices: bool
    output_size: int | tuple[int, ...] | None

    def __call__(self, x: ArrayLike, *, return_indices: bool = False, output_size: int | tuple[int, ...] | None = (1, 1)) -> Any: ...
    def linearize(self, x: ArrayLike, *, return_indices: bool = False, output_size: int | tuple[int, ...] | None = (1, 1)) -> tuple[Any, Linearization]: ...

adaptive_max_pool2d: _adaptive_max_pool2d

class _adaptive_max_pool3d(Rule):
    """The largest element of every window. Ties go to the first; nan wins, the first of several.

    x[... *n] -> y[... *out]
    """
    return_indices: bool
    output_size: int | tuple[int, ...] | None

    def __call__(self, x: ArrayLike, *, return_indices: bool = False, output_size: int | tuple[int, ...] | None = (1, 1, 1)) -> Any: ...
    def linearize(self, x: ArrayLike, *, return_indices: bool = False, output_size: int | tuple[int, ...] | None = (1, 1, 1)) -> tuple[Any, Linearization]: ...

adaptive_max_pool3d: _adaptive_max_pool3d

class _adaptive_avg_pool1d(Rule):
    """The mean of every window.

    x[... *n] -> y[... *out]
    """
    output_size: int | tuple[int, ...] | None

    def __call__(self, x: ArrayLike, *, output_size: int | tuple[int, ...] | None = (1,)) -> Array: ...
    def linearize(self, x: ArrayLike, *, output_size: int | tuple[int, ...] | None = (1,)) -> tuple[Array, Linearization]: ...

adaptive_avg_pool1d: _adaptive_avg_pool1d

class _adaptive_avg_pool2d(Rule):
    """The mean of every window.

    x[... *n] -> y[... *out]
    """
    output_size: int | tuple[int, ...] | None

    def __call__(self, x: ArrayLike, *, output_size: int | tuple[int, ...] | None = (1, 1)) -> Array: ...
    def linearize(self, x: ArrayLike, *, output_size: int | tuple[int, ...] | None = (1, 1)) -> tuple[Array, Linearization]: ...

adaptive_avg_pool2d: _adaptive_avg_pool2d

class _adaptive_avg_pool3d(Rule):
    """The mean of every window.

    x[... *n] -> y[... *out]
    """
    output_size: int | tuple[int, ...] | None

    def __call__(self, x: ArrayLike, *, output_size: int | tuple[int, ...] | None = (1, 1, 1)) -> Array: ...
    def linearize(self, x: ArrayLike, *, output_size: int | tuple[int, ...] | None = (1, 1, 1)) -> tuple[Array, Linearization]: ...

adaptive_avg_pool3d: _adaptive_avg_pool3d

class _add(Rule):
    """Element by element, where an axis that is missing in front or of size 1 is repeated.

    x[*n], z[*m] -> y[*out]
    """

    def __call__(self, x: ArrayLike, z: ArrayLike) -> Array: ...
    def linearize(self, x: ArrayLike, z: ArrayLike) -> tuple[Array, Linearization]: ...

add: _add

class _scaled_dot_product_attention(Rule):
    """Every query takes the mean of the values, weighted by how well their keys fit.

    q[... l e], k[... s e], v[... s d], const mask[*m]=0 -> y[... l d]
    """
    is_causal: bool
    scale: float | None

    def __call__(self, q: ArrayLike, k: ArrayLike, v: ArrayLike, mask: ArrayLike | None = None, *, is_causal: bool = False, scale: float | None = None) -> Array: ...
    def linearize(self, q: ArrayLike, k: ArrayLike, v: ArrayLike, mask: ArrayLike | None = None, *, is_causal: bool = False, scale: float | None = None) -> tuple[Array, Linearization]: ...

scaled_dot_product_attention: _scaled_dot_product_attention

class _avg_pool1d(Rule):
    """The mean of every window.

    x[... *n] -> y[... *out]
    """
    kernel_size: int | tuple[int, ...]
    stride: int | tuple[int, ...] | None
    ceil_mode: bool
    padding: int | tuple[int, ...]
    count_include_pad: bool
    divisor_override: int | None

    def __call__(self, x: ArrayLike, *, kernel_size: int | tuple[int, ...] = (2,), stride: int | tuple[int, ...] | None = None, ceil_mode: bool = False, padding: int | tuple[int, ...] = (0,), count_include_pad: bool = True, divisor_override: int | None = None) -> Array: ...
    def linearize(self, x: ArrayLike, *, kernel_size: int | tuple[int, ...] = (2,), stride: int | tuple[int, ...] | None = None, ceil_mode: bool = False, padding: int | tuple[int, ...] = (0,), count_include_pad: bool = True, divisor_override: int | None = None) -> tuple[Array, Linearization]: ...

avg_pool1d: _avg_pool1d

class _avg_pool2d(Rule):
    """The mean of every window.

    x[... *n] -> y[... *out]
    """
    kernel_size: int | tuple[int, ...]
    stride: int | tuple[int, ...] | None
    ceil_mode: bool
    padding: int | tuple[int, ...]
    count_include_pad: bool
    divisor_override: int | None

    def __call__(self, x: ArrayLike, *, kernel_size: int | tuple[int, ...] = (2, 2), stride: int | tuple[int, ...] | None = None, ceil_mode: bool = False, padding: int | tuple[int, ...] = (0, 0), count_include_pad: bool = True, divisor_override: int | None = None) -> Array: ...
    def linearize(self, x: ArrayLike, *, kernel_size: int | tuple[int, ...] = (2, 2), stride: int | tuple[int, ...] | None = None, ceil_mode: bool = False, padding: int | tuple[int, ...] = (0, 0), count_include_pad: bool = True, divisor_override: int | None = None) -> tuple[Array, Linearization]: ...

avg_pool2d: _avg_pool2d

class _avg_pool3d(Rule):
    """The mean of every window.

    x[... *n] -> y[... *out]
    """
    kernel_size: int | tuple[int, ...]
    stride: int | tuple[int, ...] | None
    ceil_mode: bool
    padding: int | tuple[int, ...]
    count_include_pad: bool
    divisor_override: int | None

    def __call__(self, x: ArrayLike, *, kernel_size: int | tuple[int, ...] = (2, 2, 2), stride: int | tuple[int, ...] | None = None, ceil_mode: bool = False, padding: int | tuple[int, ...] = (0, 0, 0), count_include_pad: bool = True, divisor_override: int | None = None) -> Array: ...
    def linearize(self, x: ArrayLike, *, kernel_size: int | tuple[int, ...] = (2, 2, 2), stride: int | tuple[int, ...] | None = None, ceil_mode: bool = False, padding: int | tuple[int, ...] = (0, 0, 0), count_include_pad: bool = True, divisor_override: int | None = None) -> tuple[Array, Linearization]: ...

avg_pool3d: _avg_pool3d

class _batch_norm(Rule):
    """Norm over all examples and positions; channels stand on axis 1.

    x[n c *d], const m[c], const v[c]>0; w[c]=1, b[c]=0 -> y[n c *d]
    """
    eps: float
    training: bool
    momentum: float

    def __call__(self, x: ArrayLike, m: ArrayLike, v: ArrayLike, w: ArrayLike | None = None, b: ArrayLike | None = None, *, eps: float = 1e-05, training: bool = False, momentum: float = 0.1) -> Any: ...
    def linearize(self, x: ArrayLike, m: ArrayLike, v: ArrayLike, w: ArrayLike | None = None, b: ArrayLike | None = None, *, eps: float = 1e-05, training: bool = False, momentum: float = 0.1) -> tuple[Any, Linearization]: ...

batch_norm: _batch_norm

class _bilinear(Rule):
    """A bilinear map of the last axes of two inputs: a linear layer that sees their outer product p.

    x[... i], z[... j]; w[o i j], b[o]=0 -> y[... o]
    """

    def __call__(self, x: ArrayLike, z: ArrayLike, w: ArrayLike, b: ArrayLike | None = None) -> Array: ...
    def linearize(self, x: ArrayLike, z: ArrayLike, w: ArrayLike, b: ArrayLike | None = None) -> tuple[Array, Linearization]: ...

bilinear: _bilinear

class _binary_cross_entropy(Rule):
    """How surprised the probability x is by the target t, in nats.

    x[...]>0.2<0.8, t[...]>0<1, const w[*k]=1 -> y[]
    """
    reduction: str

    def __call__(self, x: ArrayLike, t: ArrayLike, w: ArrayLike | None = None, *, reduction: str = 'mean') -> Array: ...
    def linearize(self, x: ArrayLike, t: ArrayLike, w: ArrayLike | None = None, *, reduction: str = 'mean') -> tuple[Array, Linearization]: ...

binary_cross_entropy: _binary_cross_entropy

class _binary_cross_entropy_with_logits(Rule):
    """How surprised sigmoid(x) is by the target t, in nats.

    x[...], t[...]>0<1, const w[*k]=1, const v[*m]=1 -> y[]
    """
    reduction: str

    def __call__(self, x: ArrayLike, t: ArrayLike, w: ArrayLike | None = None, v: ArrayLike | None = None, *, reduction: str = 'mean') -> Array: ...
    def linearize(self, x: ArrayLike, t: ArrayLike, w: ArrayLike | None = None, v: ArrayLike | None = None, *, reduction: str = 'mean') -> tuple[Array, Linearization]: ...

binary_cross_entropy_with_logits: _binary_cross_entropy_with_logits

class _concatenate(Rule):
    """x, and behind it z, along an axis; the other axes are the same. More than two: one after the other.

    x[n ...], z[m ...] -> y[n+m ...]
    """
    axis: int

    def __call__(self, x: ArrayLike, z: ArrayLike, *, axis: int = 0) -> Array: ...
    def linearize(self, x: ArrayLike, z: ArrayLike, *, axis: int = 0) -> tuple[Array, Linearization]: ...

concatenate: _concatenate

class _conv1d(Rule):
    """Slide a kernel over x; every output is a weighted sum of one window (a correlation: the kernel is not flipped).

    x[... i *n]; w[o i/groups *k], b[o]=0 -> y[... o *out]
    """
    stride: int | tuple[int, ...]
    padding: int | tuple[int, ...] | str
    dilation: int | tuple[int, ...]
    groups: int

    def __call__(self, x: ArrayLike, w: ArrayLike, b: ArrayLike | None = None, *, stride: int | tuple[int, ...] = (1,), padding: int | tuple[int, ...] | str = (0,), dilation: int | tuple[int, ...] = (1,), groups: int = 1) -> Array: ...
    def linearize(self, x: ArrayLike, w: ArrayLike, b: ArrayLike | None = None, *, stride: int | tuple[int, ...] = (1,), padding: int | tuple[int, ...] | str = (0,), dilation: int | tuple[int, ...] = (1,), groups: int = 1) -> tuple[Array, Linearization]: ...

conv1d: _conv1d

class _conv2d(Rule):
    """Slide a kernel over x; every output is a weighted sum of one window (a correlation: the kernel is not flipped).

    x[... i *n]; w[o i/groups *k], b[o]=0 -> y[... o *out]
    """
    stride: int | tuple[int, ...]
    padding: int | tuple[int, ...] | str
    dilation: int | tuple[int, ...]
    groups: int

    def __call__(self, x: ArrayLike, w: ArrayLike, b: ArrayLike | None = None, *, stride: int | tuple[int, ...] = (1, 1), padding: int | tuple[int, ...] | str = (0, 0), dilation: int | tuple[int, ...] = (1, 1), groups: int = 1) -> Array: ...
    def linearize(self, x: ArrayLike, w: ArrayLike, b: ArrayLike | None = None, *, stride: int | tuple[int, ...] = (1, 1), padding: int | tuple[int, ...] | str = (0, 0), dilation: int | tuple[int, ...] = (1, 1), groups: int = 1) -> tuple[Array, Linearization]: ...

conv2d: _conv2d

class _conv3d(Rule):
    """Slide a kernel over x; every output is a weighted sum of one window (a correlation: the kernel is not flipped).

    x[... i *n]; w[o i/groups *k], b[o]=0 -> y[... o *out]
    """
    stride: int | tuple[int, ...]
    padding: int | tuple[int, ...] | str
    dilation: int | tuple[int, ...]
    groups: int

    def __call__(self, x: ArrayLike, w: ArrayLike, b: ArrayLike | None = None, *, stride: int | tuple[int, ...] = (1, 1, 1), padding: int | tuple[int, ...] | str = (0, 0, 0), dilation: int | tuple[int, ...] = (1, 1, 1), groups: int = 1) -> Array: ...
    def linearize(self, x: ArrayLike, w: ArrayLike, b: ArrayLike | None = None, *, stride: int | tuple[int, ...] = (1, 1, 1), padding: int | tuple[int, ...] | str = (0, 0, 0), dilation: int | tuple[int, ...] = (1, 1, 1), groups: int = 1) -> tuple[Array, Linearization]: ...

conv3d: _conv3d

class _conv_transpose1d(Rule):
    """The transpose of a convolution in x, used forwards: every input is spread over one window of the output.

    x[... i *n]; w[i o *k], b[o*groups]=0 -> y[... o*groups *out]
    """
    stride: int | tuple[int, ...]
    padding: int | tuple[int, ...] | str
    dilation: int | tuple[int, ...]
    groups: int
    output_padding: int | tuple[int, ...]

    def __call__(self, x: ArrayLike, w: ArrayLike, b: ArrayLike | None = None, *, stride: int | tuple[int, ...] = (1,), padding: int | tuple[int, ...] | str = (0,), dilation: int | tuple[int, ...] = (1,), groups: int = 1, output_padding: int | tuple[int, ...] = (0,)) -> Array: ...
    def linearize(self, x: ArrayLike, w: ArrayLike, b: ArrayLike | None = None, *, stride: int | tuple[int, ...] = (1,), padding: int | tuple[int, ...] | str = (0,), dilation: int | tuple[int, ...] = (1,), groups: int = 1, output_padding: int | tuple[int, ...] = (0,)) -> tuple[Array, Linearization]: ...

conv_transpose1d: _conv_transpose1d

class _conv_transpose2d(Rule):
    """The transpose of a convolution in x, used forwards: every input is spread over one window of the output.

    x[... i *n]; w[i o *k], b[o*groups]=0 -> y[... o*groups *out]
    """
    stride: int | tuple[int, ...]
    padding: int | tuple[int, ...] | str
    dilation: int | tuple[int, ...]
    groups: int
    output_padding: int | tuple[int, ...]

    def __call__(self, x: ArrayLike, w: ArrayLike, b: ArrayLike | None = None, *, stride: int | tuple[int, ...] = (1, 1), padding: int | tuple[int, ...] | str = (0, 0), dilation: int | tuple[int, ...] = (1, 1), groups: int = 1, output_padding: int | tuple[int, ...] = (0, 0)) -> Array: ...
    def linearize(self, x: ArrayLike, w: ArrayLike, b: ArrayLike | None = None, *, stride: int | tuple[int, ...] = (1, 1), padding: int | tuple[int, ...] | str = (0, 0), dilation: int | tuple[int, ...] = (1, 1), groups: int = 1, output_padding: int | tuple[int, ...] = (0, 0)) -> tuple[Array, Linearization]: ...

conv_transpose2d: _conv_transpose2d

class _conv_transpose3d(Rule):
    """The transpose of a convolution in x, used forwards: every input is spread over one window of the output.

    x[... i *n]; w[i o *k], b[o*groups]=0 -> y[... o*groups *out]
    """
    stride: int | tuple[int, ...]
    padding: int | tuple[int, ...] | str
    dilation: int | tuple[int, ...]
    groups: int
    output_padding: int | tuple[int, ...]

    def __call__(self, x: ArrayLike, w: ArrayLike, b: ArrayLike | None = None, *, stride: int | tuple[int, ...] = (1, 1, 1), padding: int | tuple[int, ...] | str = (0, 0, 0), dilation: int | tuple[int, ...] = (1, 1, 1), groups: int = 1, output_padding: int | tuple[int, ...] = (0, 0, 0)) -> Array: ...
    def linearize(self, x: ArrayLike, w: ArrayLike, b: ArrayLike | None = None, *, stride: int | tuple[int, ...] = (1, 1, 1), padding: int | tuple[int, ...] | str = (0, 0, 0), dilation: int | tuple[int, ...] = (1, 1, 1), groups: int = 1, output_padding: int | tuple[int, ...] = (0, 0, 0)) -> tuple[Array, Linearization]: ...

conv_transpose3d: _conv_transpose3d

class _cross_entropy(Rule):
    """How surprised softmax(x) is by the targets, in nats.

    x[n c *d], t[n c *d]>0<1, const w[c]=1 -> y[]
    """
    reduction: str
    ignore_index: int
    axis: int
    label_smoothing: float

    def __call__(self, x: ArrayLike, t: ArrayLike, w: ArrayLike | None = None, *, reduction: str = 'mean', ignore_index: int = -100, axis: int = 1, label_smoothing: float = 0.0) -> Array: ...
    def linearize(self, x: ArrayLike, t: ArrayLike, w: ArrayLike | None = None, *, reduction: str = 'mean', ignore_index: int = -100, axis: int = 1, label_smoothing: float = 0.0) -> tuple[Array, Linearization]: ...

cross_entropy: _cross_entropy

class _mse_loss(Rule):
    """The square of the difference.

    x[...], t[...] -> y[]
    """
    reduction: str

    def __call__(self, x: ArrayLike, t: ArrayLike, *, reduction: str = 'mean') -> Array: ...
    def linearize(self, x: ArrayLike, t: ArrayLike, *, reduction: str = 'mean') -> tuple[Array, Linearization]: ...

mse_loss: _mse_loss

class _l1_loss(Rule):
    """The size of the difference.

    x[...], t[...] -> y[]
    """
    reduction: str
    kink: str

    def __call__(self, x: ArrayLike, t: ArrayLike, *, reduction: str = 'mean', kink: str = 'right') -> Array: ...
    def linearize(self, x: ArrayLike, t: ArrayLike, *, reduction: str = 'mean', kink: str = 'right') -> tuple[Array, Linearization]: ...

l1_loss: _l1_loss

class _smooth_l1_loss(Rule):
    """The size of the difference, rounded off below beta.

    x[...], t[...] -> y[]
    """
    reduction: str
    beta: float
    kink: str

    def __call__(self, x: ArrayLike, t: ArrayLike, *, reduction: str = 'mean', beta: float = 1.0, kink: str = 'right') -> Array: ...
    def linearize(self, x: ArrayLike, t: ArrayLike, *, reduction: str = 'mean', beta: float = 1.0, kink: str = 'right') -> tuple[Array, Linearization]: ...

smooth_l1_loss: _smooth_l1_loss

class _huber_loss(Rule):
    """Half the square of the difference, straight beyond delta: outliers pull no harder than delta.

    x[...], t[...] -> y[]
    """
    reduction: str
    delta: float

    def __call__(self, x: ArrayLike, t: ArrayLike, *, reduction: str = 'mean', delta: float = 1.0) -> Array: ...
    def linearize(self, x: ArrayLike, t: ArrayLike, *, reduction: str = 'mean', delta: float = 1.0) -> tuple[Array, Linearization]: ...

huber_loss: _huber_loss

class _dropout(Rule):
    """Keep x where the mask is 1 (or True), and scale it up so that its expectation stays; p is the chance of a 0.

    x[... n], const mask[... n] -> y[... n]
    """
    p: float

    def __call__(self, x: ArrayLike, mask: ArrayLike, *, p: float = 0.5) -> Array: ...
    def linearize(self, x: ArrayLike, mask: ArrayLike, *, p: float = 0.5) -> tuple[Array, Linearization]: ...

dropout: _dropout

class _embedding(Rule):
    """Look up rows of a table.

    int x[...]<v; w[v d] -> y[... d]
    """
    padding_idx: int | None

    def __call__(self, x: ArrayLike, w: ArrayLike, *, padding_idx: int | None = None) -> Array: ...
    def linearize(self, x: ArrayLike, w: ArrayLike, *, padding_idx: int | None = None) -> tuple[Array, Linearization]: ...

embedding: _embedding

class _silu(Rule):
    """x σ(x), also called swish.

    x[...] -> y[...]
    """

    def __call__(self, x: ArrayLike) -> Array: ...
    def linearize(self, x: ArrayLike) -> tuple[Array, Linearization]: ...

silu: _silu

class _gelu(Rule):
    """x Φ(x), where Φ is the normal distribution function; with approximate="tanh", x σ(2 √(2/π) (x + 0.044715 x³)).

    x[...] -> y[...]
    """
    approximate: str

    def __call__(self, x: ArrayLike, *, approximate: str = 'none') -> Array: ...
    def linearize(self, x: ArrayLike, *, approximate: str = 'none') -> tuple[Array, Linearization]: ...

gelu: _gelu

class _glu(Rule):
    """a σ(b), where a and b are the two halves of x along an axis of even size.

    x[... n] -> y[... half]
    """
    axis: int

    def __call__(self, x: ArrayLike, *, axis: int = -1) -> Array: ...
    def linearize(self, x: ArrayLike, *, axis: int = -1) -> tuple[Array, Linearization]: ...

glu: _glu

class _group_norm(Rule):
    """Norm over the channels of a group and all positions; channels stand on axis 1.

    x[n c *d]; w[c]=1, b[c]=0 -> y[n c *d]
    """
    eps: float
    num_groups: int

    def __call__(self, x: ArrayLike, w: ArrayLike | None = None, b: ArrayLike | None = None, *, eps: float = 1e-05, num_groups: int = 1) -> Array: ...
    def linearize(self, x: ArrayLike, w: ArrayLike | None = None, b: ArrayLike | None = None, *, eps: float = 1e-05, num_groups: int = 1) -> tuple[Array, Linearization]: ...

group_norm: _group_norm

class _gru(Rule):
    """gru_cell over time, in layers, in one or both directions.

    x[t ... n], h[1 ... m]=0, int lengths[...]=t<t+1, const mask[0 t ... 1*m]=1; w_l0[3*m n], u_l0[3*m m], bw_l0[3*m]=0, bu_l0[3*m]=0 -> y[t ... 1*m], h1[1 ... m]
    """
    num_layers: int
    bidirectional: bool
    batch_first: bool

    def __call__(self, x: ArrayLike, h: ArrayLike | None = None, lengths: ArrayLike | None = None, mask: ArrayLike | None = None, w_l0: ArrayLike = ..., u_l0: ArrayLike = ..., bw_l0: ArrayLike | None = None, bu_l0: ArrayLike | None = None, *, num_layers: int = 1, bidirectional: bool = False, batch_first: bool = False, **more: ArrayLike | None) -> tuple[Array, ...]: ...
    def linearize(self, x: ArrayLike, h: ArrayLike | None = None, lengths: ArrayLike | None = None, mask: ArrayLike | None = None, w_l0: ArrayLike = ..., u_l0: ArrayLike = ..., bw_l0: ArrayLike | None = None, bu_l0: ArrayLike | None = None, *, num_layers: int = 1, bidirectional: bool = False, batch_first: bool = False, **more: ArrayLike | None) -> tuple[tuple[Array, ...], Linearization]: ...

gru: _gru

class _gru_cell(Rule):
    """Mix the old state and a candidate n, for which the old one may be reset.

    x[... n], h[... m]=0; w[3*m n], u[3*m m], bw[3*m]=0, bu[3*m]=0 -> h1[... m]
    """

    def __call__(self, x: ArrayLike, h: ArrayLike | None = None, w: ArrayLike = ..., u: ArrayLike = ..., bw: ArrayLike | None = None, bu: ArrayLike | None = None) -> Array: ...
    def linearize(self, x: ArrayLike, h: ArrayLike | None = None, w: ArrayLike = ..., u: ArrayLike = ..., bw: ArrayLike | None = None, bu: ArrayLike | None = None) -> tuple[Array, Linearization]: ...

gru_cell: _gru_cell

class _instance_norm(Rule):
    """Norm over all positions of a channel; channels stand on axis 1.

    x[n c *d]; w[c]=1, b[c]=0 -> y[n c *d]
    """
    eps: float

    def __call__(self, x: ArrayLike, w: ArrayLike | None = None, b: ArrayLike | None = None, *, eps: float = 1e-05) -> Array: ...
    def linearize(self, x: ArrayLike, w: ArrayLike | None = None, b: ArrayLike | None = None, *, eps: float = 1e-05) -> tuple[Array, Linearization]: ...

instance_norm: _instance_norm

class _kl_div(Rule):
    """How far the log-probabilities x are from the probabilities t, in nats, element by element.

    x[...], t[...]>0.2<0.9 -> y[]
    """
    reduction: str
    log_target: bool

    def __call__(self, x: ArrayLike, t: ArrayLike, *, reduction: str = 'mean', log_target: bool = False) -> Array: ...
    def linearize(self, x: ArrayLike, t: ArrayLike, *, reduction: str = 'mean', log_target: bool = False) -> tuple[Array, Linearization]: ...

kl_div: _kl_div

class _layer_norm(Rule):
    """Norm over the last axes of every example: those of `normalized_shape`, or one.

    x[... n]; w[n]=1, b[n]=0 -> y[... n]
    """
    eps: float
    normalized_shape: int | tuple[int, ...] | None

    def __call__(self, x: ArrayLike, w: ArrayLike | None = None, b: ArrayLike | None = None, *, eps: float = 1e-05, normalized_shape: int | tuple[int, ...] | None = None) -> Array: ...
    def linearize(self, x: ArrayLike, w: ArrayLike | None = None, b: ArrayLike | None = None, *, eps: float = 1e-05, normalized_shape: int | tuple[int, ...] | None = None) -> tuple[Array, Linearization]: ...

layer_norm: _layer_norm

class _linear(Rule):
    """An affine map of the last axis.

    x[... i]; w[o i], b[o]=0 -> y[... o]
    """

    def __call__(self, x: ArrayLike, w: ArrayLike, b: ArrayLike | None = None) -> Array: ...
    def linearize(self, x: ArrayLike, w: ArrayLike, b: ArrayLike | None = None) -> tuple[Array, Linearization]: ...

linear: _linear

class _log_softmax(Rule):
    """The logarithm of softmax along an axis.

    x[... n] -> y[... n]
    """
    axis: int

    def __call__(self, x: ArrayLike, *, axis: int = -1) -> Array: ...
    def linearize(self, x: ArrayLike, *, axis: int = -1) -> tuple[Array, Linearization]: ...

log_softmax: _log_softmax

class _logsumexp(Rule):
    """The logarithm of the sum of exponentials along an axis, or over several.

    x[... n] -> y[...]
    """
    axis: int | tuple[int, ...]
    keepdims: bool

    def __call__(self, x: ArrayLike, *, axis: int | tuple[int, ...] = -1, keepdims: bool = False) -> Array: ...
    def linearize(self, x: ArrayLike, *, axis: int | tuple[int, ...] = -1, keepdims: bool = False) -> tuple[Array, Linearization]: ...

logsumexp: _logsumexp

class _lp_pool1d(Rule):
    """The norm of every window: the sum of sizes for p = 1, the length for p = 2, towards the maximum for large p.

    x[... *n] -> y[... *out]
    """
    kernel_size: int | tuple[int, ...]
    stride: int | tuple[int, ...] | None
    ceil_mode: bool
    norm_type: float

    def __call__(self, x: ArrayLike, *, kernel_size: int | tuple[int, ...] = (2,), stride: int | tuple[int, ...] | None = None, ceil_mode: bool = False, norm_type: float = 2) -> Array: ...
    def linearize(self, x: ArrayLike, *, kernel_size: int | tuple[int, ...] = (2,), stride: int | tuple[int, ...] | None = None, ceil_mode: bool = False, norm_type: float = 2) -> tuple[Array, Linearization]: ...

lp_pool1d: _lp_pool1d

class _lp_pool2d(Rule):
    """The norm of every window: the sum of sizes for p = 1, the length for p = 2, towards the maximum for large p.

    x[... *n] -> y[... *out]
    """
    kernel_size: int | tuple[int, ...]
    stride: int | tuple[int, ...] | None
    ceil_mode: bool
    norm_type: float

    def __call__(self, x: ArrayLike, *, kernel_size: int | tuple[int, ...] = (2, 2), stride: int | tuple[int, ...] | None = None, ceil_mode: bool = False, norm_type: float = 2) -> Array: ...
    def linearize(self, x: ArrayLike, *, kernel_size: int | tuple[int, ...] = (2, 2), stride: int | tuple[int, ...] | None = None, ceil_mode: bool = False, norm_type: float = 2) -> tuple[Array, Linearization]: ...

lp_pool2d: _lp_pool2d

class _lp_pool3d(Rule):
    """The norm of every window: the sum of sizes for p = 1, the length for p = 2, towards the maximum for large p.

    x[... *n] -> y[... *out]
    """
    kernel_size: int | tuple[int, ...]
    stride: int | tuple[int, ...] | None
    ceil_mode: bool
    norm_type: float

    def __call__(self, x: ArrayLike, *, kernel_size: int | tuple[int, ...] = (2, 2, 2), stride: int | tuple[int, ...] | None = None, ceil_mode: bool = False, norm_type: float = 2) -> Array: ...
    def linearize(self, x: ArrayLike, *, kernel_size: int | tuple[int, ...] = (2, 2, 2), stride: int | tuple[int, ...] | None = None, ceil_mode: bool = False, norm_type: float = 2) -> tuple[Array, Linearization]: ...

lp_pool3d: _lp_pool3d

class _lstm(Rule):
    """lstm_cell over time, in layers, in one or both directions.

    x[t ... n], h[1 ... m]=0, c[1 ... m]=0, int lengths[...]=t<t+1, const mask[0 t ... 1*m]=1; w_l0[4*m n], u_l0[4*m m], bw_l0[4*m]=0, bu_l0[4*m]=0 -> y[t ... 1*m], h1[1 ... m], c1[1 ... m]
    """
    num_layers: int
    bidirectional: bool
    batch_first: bool
    proj_size: int

    def __call__(self, x: ArrayLike, h: ArrayLike | None = None, c: ArrayLike | None = None, lengths: ArrayLike | None = None, mask: ArrayLike | None = None, w_l0: ArrayLike = ..., u_l0: ArrayLike = ..., bw_l0: ArrayLike | None = None, bu_l0: ArrayLike | None = None, *, num_layers: int = 1, bidirectional: bool = False, batch_first: bool = False, proj_size: int = 0, **more: ArrayLike | None) -> tuple[Array, ...]: ...
    def linearize(self, x: ArrayLike, h: ArrayLike | None = None, c: ArrayLike | None = None, lengths: ArrayLike | None = None, mask: ArrayLike | None = None, w_l0: ArrayLike = ..., u_l0: ArrayLike = ..., bw_l0: ArrayLike | None = None, bu_l0: ArrayLike | None = None, *, num_layers: int = 1, bidirectional: bool = False, batch_first: bool = False, proj_size: int = 0, **more: ArrayLike | None) -> tuple[tuple[Array, ...], Linearization]: ...

lstm: _lstm

class _lstm_cell(Rule):
    """Forget a part of the memory c, write to it, and show a part of it as h.

    x[... n], h[... m]=0, c[... m]=0; w[4*m n], u[4*m m], bw[4*m]=0, bu[4*m]=0 -> h1[... m], c1[... m]
    """

    def __call__(self, x: ArrayLike, h: ArrayLike | None = None, c: ArrayLike | None = None, w: ArrayLike = ..., u: ArrayLike = ..., bw: ArrayLike | None = None, bu: ArrayLike | None = None) -> tuple[Array, ...]: ...
    def linearize(self, x: ArrayLike, h: ArrayLike | None = None, c: ArrayLike | None = None, w: ArrayLike = ..., u: ArrayLike = ..., bw: ArrayLike | None = None, bu: ArrayLike | None = None) -> tuple[tuple[Array, ...], Linearization]: ...

lstm_cell: _lstm_cell

class _projected_lstm_cell(Rule):
    """An LSTM cell that shows a projection of what it would show: h is smaller than c, and so is u.

    x[... n], h[... k]=0, c[... m]=0; w[4*m n], u[4*m k], bw[4*m]=0, bu[4*m]=0, p[k m] -> h1[... k], c1[... m]
    """

    def __call__(self, x: ArrayLike, h: ArrayLike | None = None, c: ArrayLike | None = None, w: ArrayLike = ..., u: ArrayLike = ..., bw: ArrayLike | None = None, bu: ArrayLike | None = None, p: ArrayLike = ...) -> tuple[Array, ...]: ...
    def linearize(self, x: ArrayLike, h: ArrayLike | None = None, c: ArrayLike | None = None, w: ArrayLike = ..., u: ArrayLike = ..., bw: ArrayLike | None = None, bu: ArrayLike | None = None, p: ArrayLike = ...) -> tuple[tuple[Array, ...], Linearization]: ...

projected_lstm_cell: _projected_lstm_cell

class _exp(Rule):
    """The exponential function, its own derivative.

    x[...] -> y[...]
    """

    def __call__(self, x: ArrayLike) -> Array: ...
    def linearize(self, x: ArrayLike) -> tuple[Array, Linearization]: ...

exp: _exp

class _log(Rule):
    """The natural logarithm.

    x[...]>0 -> y[...]
    """

    def __call__(self, x: ArrayLike) -> Array: ...
    def linearize(self, x: ArrayLike) -> tuple[Array, Linearization]: ...

log: _log

class _sqrt(Rule):
    """The square root.

    x[...]>0 -> y[...]
    """

    def __call__(self, x: ArrayLike) -> Array: ...
    def linearize(self, x: ArrayLike) -> tuple[Array, Linearization]: ...

sqrt: _sqrt

class _square(Rule):
    """The square.

    x[...] -> y[...]
    """

    def __call__(self, x: ArrayLike) -> Array: ...
    def linearize(self, x: ArrayLike) -> tuple[Array, Linearization]: ...

square: _square

class _abs(Rule):
    """The size of x.

    x[...] -> y[...]
    """
    kink: str

    def __call__(self, x: ArrayLike, *, kink: str = 'right') -> Array: ...
    def linearize(self, x: ArrayLike, *, kink: str = 'right') -> tuple[Array, Linearization]: ...

abs: _abs

class _sin(Rule):
    """The sine.

    x[...] -> y[...]
    """

    def __call__(self, x: ArrayLike) -> Array: ...
    def linearize(self, x: ArrayLike) -> tuple[Array, Linearization]: ...

sin: _sin

class _cos(Rule):
    """The cosine.

    x[...] -> y[...]
    """

    def __call__(self, x: ArrayLike) -> Array: ...
    def linearize(self, x: ArrayLike) -> tuple[Array, Linearization]: ...

cos: _cos

class _max_pool1d(Rule):
    """The largest element of every window.

    x[... *n] -> y[... *out]
    """
    return_indices: bool
    kernel_size: int | tuple[int, ...]
    stride: int | tuple[int, ...] | None
    ceil_mode: bool
    padding: int | tuple[int, ...]
    dilation: int | tuple[int, ...]

    def __call__(self, x: ArrayLike, *, return_indices: bool = False, kernel_size: int | tuple[int, ...] = (2,), stride: int | tuple[int, ...] | None = None, ceil_mode: bool = False, padding: int | tuple[int, ...] = (0,), dilation: int | tuple[int, ...] = (1,)) -> Any: ...
    def linearize(self, x: ArrayLike, *, return_indices: bool = False, kernel_size: int | tuple[int, ...] = (2,), stride: int | tuple[int, ...] | None = None, ceil_mode: bool = False, padding: int | tuple[int, ...] = (0,), dilation: int | tuple[int, ...] = (1,)) -> tuple[Any, Linearization]: ...

max_pool1d: _max_pool1d

class _max_pool2d(Rule):
    """The largest element of every window.

    x[... *n] -> y[... *out]
    """
    return_indices: bool
    kernel_size: int | tuple[int, ...]
    stride: int | tuple[int, ...] | None
    ceil_mode: bool
    padding: int | tuple[int, ...]
    dilation: int | tuple[int, ...]

    def __call__(self, x: ArrayLike, *, return_indices: bool = False, kernel_size: int | tuple[int, ...] = (2, 2), stride: int | tuple[int, ...] | None = None, ceil_mode: bool = False, padding: int | tuple[int, ...] = (0, 0), dilation: int | tuple[int, ...] = (1, 1)) -> Any: ...
    def linearize(self, x: ArrayLike, *, return_indices: bool = False, kernel_size: int | tuple[int, ...] = (2, 2), stride: int | tuple[int, ...] | None = None, ceil_mode: bool = False, padding: int | tuple[int, ...] = (0, 0), dilation: int | tuple[int, ...] = (1, 1)) -> tuple[Any, Linearization]: ...

max_pool2d: _max_pool2d

class _max_pool3d(Rule):
    """The largest element of every window.

    x[... *n] -> y[... *out]
    """
    return_indices: bool
    kernel_size: int | tuple[int, ...]
    stride: int | tuple[int, ...] | None
    ceil_mode: bool
    padding: int | tuple[int, ...]
    dilation: int | tuple[int, ...]

    def __call__(self, x: ArrayLike, *, return_indices: bool = False, kernel_size: int | tuple[int, ...] = (2, 2, 2), stride: int | tuple[int, ...] | None = None, ceil_mode: bool = False, padding: int | tuple[int, ...] = (0, 0, 0), dilation: int | tuple[int, ...] = (1, 1, 1)) -> Any: ...
    def linearize(self, x: ArrayLike, *, return_indices: bool = False, kernel_size: int | tuple[int, ...] = (2, 2, 2), stride: int | tuple[int, ...] | None = None, ceil_mode: bool = False, padding: int | tuple[int, ...] = (0, 0, 0), dilation: int | tuple[int, ...] = (1, 1, 1)) -> tuple[Any, Linearization]: ...

max_pool3d: _max_pool3d

class _nll_loss(Rule):
    """Minus the log-probability x of the target t.

    x[n c *d], int t[n *d]<c, const w[c]=1 -> y[]
    """
    reduction: str
    ignore_index: int
    axis: int

    def __call__(self, x: ArrayLike, t: ArrayLike, w: ArrayLike | None = None, *, reduction: str = 'mean', ignore_index: int = -100, axis: int = 1) -> Array: ...
    def linearize(self, x: ArrayLike, t: ArrayLike, w: ArrayLike | None = None, *, reduction: str = 'mean', ignore_index: int = -100, axis: int = 1) -> tuple[Array, Linearization]: ...

nll_loss: _nll_loss

class _pad(Rule):
    """Put elements around x: `value`, or what `mode` takes from x itself.

    x[... *n] -> y[... *out]
    """
    pad: tuple[int, ...]
    mode: str
    value: float

    def __call__(self, x: ArrayLike, *, pad: tuple[int, ...] = (), mode: str = 'constant', value: float = 0.0) -> Array: ...
    def linearize(self, x: ArrayLike, *, pad: tuple[int, ...] = (), mode: str = 'constant', value: float = 0.0) -> tuple[Array, Linearization]: ...

pad: _pad

class _identity(Rule):
    """x, as it is (a copy).

    x[...] -> y[...]
    """

    def __call__(self, x: ArrayLike) -> Array: ...
    def linearize(self, x: ArrayLike) -> tuple[Array, Linearization]: ...

identity: _identity

class _relu(Rule):
    """What is negative is dropped.

    x[...] -> y[...]
    """
    kink: str

    def __call__(self, x: ArrayLike, *, kink: str = 'right') -> Array: ...
    def linearize(self, x: ArrayLike, *, kink: str = 'right') -> tuple[Array, Linearization]: ...

relu: _relu

class _relu6(Rule):
    """A relu that stops at 6.

    x[...] -> y[...]
    """
    kink: str

    def __call__(self, x: ArrayLike, *, kink: str = 'right') -> Array: ...
    def linearize(self, x: ArrayLike, *, kink: str = 'right') -> tuple[Array, Linearization]: ...

relu6: _relu6

class _leaky_relu(Rule):
    """A relu that leaks.

    x[...] -> y[...]
    """
    kink: str
    negative_slope: float

    def __call__(self, x: ArrayLike, *, kink: str = 'right', negative_slope: float = 0.01) -> Array: ...
    def linearize(self, x: ArrayLike, *, kink: str = 'right', negative_slope: float = 0.01) -> tuple[Array, Linearization]: ...

leaky_relu: _leaky_relu

class _hardtanh(Rule):
    """x, kept between min_val and max_val.

    x[...] -> y[...]
    """
    kink: str
    min_val: float
    max_val: float

    def __call__(self, x: ArrayLike, *, kink: str = 'right', min_val: float = -1.0, max_val: float = 1.0) -> Array: ...
    def linearize(self, x: ArrayLike, *, kink: str = 'right', min_val: float = -1.0, max_val: float = 1.0) -> tuple[Array, Linearization]: ...

hardtanh: _hardtanh

class _clamp(Rule):
    """x, kept between min and max; an infinite bound is none.

    x[...] -> y[...]
    """
    kink: str
    min: float
    max: float

    def __call__(self, x: ArrayLike, *, kink: str = 'right', min: float = ..., max: float = ...) -> Array: ...
    def linearize(self, x: ArrayLike, *, kink: str = 'right', min: float = ..., max: float = ...) -> tuple[Array, Linearization]: ...

clamp: _clamp

class _hardsigmoid(Rule):
    """A sigmoid of straight lines.

    x[...] -> y[...]
    """
    kink: str

    def __call__(self, x: ArrayLike, *, kink: str = 'right') -> Array: ...
    def linearize(self, x: ArrayLike, *, kink: str = 'right') -> tuple[Array, Linearization]: ...

hardsigmoid: _hardsigmoid

class _hardswish(Rule):
    """silu without an exponential.

    x[...] -> y[...]
    """
    kink: str

    def __call__(self, x: ArrayLike, *, kink: str = 'right') -> Array: ...
    def linearize(self, x: ArrayLike, *, kink: str = 'right') -> tuple[Array, Linearization]: ...

hardswish: _hardswish

class _softshrink(Rule):
    """x, drawn towards 0 by lambd.

    x[...] -> y[...]
    """
    kink: str
    lambd: float

    def __call__(self, x: ArrayLike, *, kink: str = 'right', lambd: float = 0.5) -> Array: ...
    def linearize(self, x: ArrayLike, *, kink: str = 'right', lambd: float = 0.5) -> tuple[Array, Linearization]: ...

softshrink: _softshrink

class _hardshrink(Rule):
    """What is small is dropped.

    x[...] -> y[...]
    """
    lambd: float

    def __call__(self, x: ArrayLike, *, lambd: float = 0.5) -> Array: ...
    def linearize(self, x: ArrayLike, *, lambd: float = 0.5) -> tuple[Array, Linearization]: ...

hardshrink: _hardshrink

class _threshold(Rule):
    """x above a threshold, a value elsewhere.

    x[...] -> y[...]
    """
    threshold: float
    value: float

    def __call__(self, x: ArrayLike, *, threshold: float = 0.0, value: float = 0.0) -> Array: ...
    def linearize(self, x: ArrayLike, *, threshold: float = 0.0, value: float = 0.0) -> tuple[Array, Linearization]: ...

threshold: _threshold

class _prelu(Rule):
    """A leaky relu whose slope is learned; one w for all channels, or one per channel (axis 1).

    x[n c *d]; w[p] -> y[n c *d]
    """
    kink: str

    def __call__(self, x: ArrayLike, w: ArrayLike, *, kink: str = 'right') -> Array: ...
    def linearize(self, x: ArrayLike, w: ArrayLike, *, kink: str = 'right') -> tuple[Array, Linearization]: ...

prelu: _prelu

class _rms_norm(Rule):
    """Scale the last axes of every example, those of `normalized_shape` or one, to unit root mean square.

    x[... n]; w[n]=1 -> y[... n]
    """
    normalized_shape: int | tuple[int, ...] | None
    eps: float | None

    def __call__(self, x: ArrayLike, w: ArrayLike | None = None, *, normalized_shape: int | tuple[int, ...] | None = None, eps: float | None = None) -> Array: ...
    def linearize(self, x: ArrayLike, w: ArrayLike | None = None, *, normalized_shape: int | tuple[int, ...] | None = None, eps: float | None = None) -> tuple[Array, Linearization]: ...

rms_norm: _rms_norm

class _rnn(Rule):
    """rnn_cell over time, in layers, in one or both directions.

    x[t ... n], h[1 ... m]=0, int lengths[...]=t<t+1, const mask[0 t ... 1*m]=1; w_l0[m n], u_l0[m m], bw_l0[m]=0, bu_l0[m]=0 -> y[t ... 1*m], h1[1 ... m]
    """
    num_layers: int
    bidirectional: bool
    batch_first: bool
    nonlinearity: str
    kink: str

    def __call__(self, x: ArrayLike, h: ArrayLike | None = None, lengths: ArrayLike | None = None, mask: ArrayLike | None = None, w_l0: ArrayLike = ..., u_l0: ArrayLike = ..., bw_l0: ArrayLike | None = None, bu_l0: ArrayLike | None = None, *, num_layers: int = 1, bidirectional: bool = False, batch_first: bool = False, nonlinearity: str = 'tanh', kink: str = 'right', **more: ArrayLike | None) -> tuple[Array, ...]: ...
    def linearize(self, x: ArrayLike, h: ArrayLike | None = None, lengths: ArrayLike | None = None, mask: ArrayLike | None = None, w_l0: ArrayLike = ..., u_l0: ArrayLike = ..., bw_l0: ArrayLike | None = None, bu_l0: ArrayLike | None = None, *, num_layers: int = 1, bidirectional: bool = False, batch_first: bool = False, nonlinearity: str = 'tanh', kink: str = 'right', **more: ArrayLike | None) -> tuple[tuple[Array, ...], Linearization]: ...

rnn: _rnn

class _rnn_cell(Rule):
    """The new state is a function of what comes in and of the old state.

    x[... n], h[... m]=0; w[m n], u[m m], bw[m]=0, bu[m]=0 -> h1[... m]
    """
    nonlinearity: str
    kink: str

    def __call__(self, x: ArrayLike, h: ArrayLike | None = None, w: ArrayLike = ..., u: ArrayLike = ..., bw: ArrayLike | None = None, bu: ArrayLike | None = None, *, nonlinearity: str = 'tanh', kink: str = 'right') -> Array: ...
    def linearize(self, x: ArrayLike, h: ArrayLike | None = None, w: ArrayLike = ..., u: ArrayLike = ..., bw: ArrayLike | None = None, bu: ArrayLike | None = None, *, nonlinearity: str = 'tanh', kink: str = 'right') -> tuple[Array, Linearization]: ...

rnn_cell: _rnn_cell

class _reshape(Rule):
    """The same numbers, in row-major order, as an array of another shape; one size may be -1, and is found out.

    x[*n] -> y[*out]
    """
    shape: int | tuple[int, ...]

    def __call__(self, x: ArrayLike, *, shape: int | tuple[int, ...] = -1) -> Array: ...
    def linearize(self, x: ArrayLike, *, shape: int | tuple[int, ...] = -1) -> tuple[Array, Linearization]: ...

reshape: _reshape

class _flatten(Rule):
    """The axes from `start_axis` to `end_axis`, both included, become one.

    x[*n] -> y[*out]
    """
    start_axis: int
    end_axis: int

    def __call__(self, x: ArrayLike, *, start_axis: int = 0, end_axis: int = -1) -> Array: ...
    def linearize(self, x: ArrayLike, *, start_axis: int = 0, end_axis: int = -1) -> tuple[Array, Linearization]: ...

flatten: _flatten

class _select(Rule):
    """The slice at one place along an axis, such as the last step of a sequence (by default: time first).

    x[n ...] -> y[...]
    """
    axis: int
    index: int

    def __call__(self, x: ArrayLike, *, axis: int = 0, index: int = -1) -> Array: ...
    def linearize(self, x: ArrayLike, *, axis: int = 0, index: int = -1) -> tuple[Array, Linearization]: ...

select: _select

class _softmax(Rule):
    """Exponentials along an axis, scaled to sum to one.

    x[... n] -> y[... n]
    """
    axis: int

    def __call__(self, x: ArrayLike, *, axis: int = -1) -> Array: ...
    def linearize(self, x: ArrayLike, *, axis: int = -1) -> tuple[Array, Linearization]: ...

softmax: _softmax

class _softmin(Rule):
    """Softmax of the scores with their signs turned.

    x[... n] -> y[... n]
    """
    axis: int

    def __call__(self, x: ArrayLike, *, axis: int = -1) -> Array: ...
    def linearize(self, x: ArrayLike, *, axis: int = -1) -> tuple[Array, Linearization]: ...

softmin: _softmin
