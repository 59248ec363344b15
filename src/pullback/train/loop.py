"""The training loop."""

from collections.abc import Callable, Iterator
from math import ceil, isfinite
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np

from pullback.discovery import public
from pullback.errors import DataError, OptionError, RangeError, ShapeError
from pullback.nn.model import Model
from pullback.train import quick
from pullback.train.data import Dataset, Pair, as_dataset
from pullback.train.data.dataset import ONE_HOT
from pullback.train.data.examples import first
from pullback.train.data.labels import NO_REGRESSION
from pullback.train.optimisers import Optimiser, make

CHUNK = 128  # examples at a time, where nothing is learned


class Epoch(NamedTuple):
    """What happened in one epoch: mean losses in nats, the share of test examples that are right, and the mean norm
    of the gradient of every layer's parameters."""

    epoch: int
    loss: float
    test_loss: float | None
    accuracy: float | None
    gradients: dict[str, float]
    seconds: float


def fit(
    model: Model,
    data: Dataset | Pair,
    test: Dataset | Pair | None = None,
    *,
    epochs: int = 10,
    batch: int = 32,
    optimizer: str | Optimiser = "adam",
    lr: float = 1e-3,
    seed: int = 0,
) -> list[Epoch]:
    """Train the model on the data, in place, to give the right class the highest score (cross-entropy).

    Data are a Dataset, or a pair of arrays (x, t): examples, and for each the number of its class, from 0 up. For
    another loss, as in regression, write the loop yourself: see `model.linearize`.

    The same seed gives the same order of examples and the same dropout, hence the same weights, bit for bit. After
    each epoch the model is tried on `test`, from which it learns nothing. `lr` is for an optimizer given by name.
    """
    optimiser = make(optimizer, lr) if isinstance(optimizer, str) else optimizer
    refuse(epochs=epochs, batch=batch, optimiser=optimiser, seed=seed)
    data = fitting(model, data, "data")
    test = None if test is None else fitting(model, test, "test")
    return [one_epoch(model, data, test, optimiser, k + 1, batch=batch, seed=seed) for k in range(epochs)]


def refuse(*, epochs: int, batch: int, optimiser: object, seed: int) -> None:
    """What nothing can be learned with."""
    for name, number, least in ("epochs", epochs, 0), ("batch", batch, 1), ("seed", seed, 0):
        if not isinstance(number, int | np.integer) or number < least:
            raise OptionError(f"{name} must be a whole number from {least} up, got {number!r}")
    if not isinstance(optimiser, Optimiser):
        raise OptionError(f"optimizer must be a name, or an optimiser such as Adam(lr=1e-3), got {optimiser!r}")


def fitting(model: Model, data: Dataset | Pair, name: str) -> Dataset:
    """The data as the model computes: in its precision, where the examples are floating-point numbers."""
    data = as_dataset(data, name)
    with np.errstate(over="ignore"):  # what is too large for float32 is found below
        x = in_precision(model, data.x)
    if x.dtype.kind == "f" and (place := first(~np.isfinite(x))):
        got = f"x[{', '.join(map(str, place))}] is {data.x[place]}"
        raise DataError(f"{name}: {got}, needs finite {x.dtype}; fill it in, or leave the example out")
    refuse_other_targets(model, x, data.t, name)
    return data._replace(x=x)


@np.errstate(over="ignore", invalid="ignore")
def refuse_other_targets(model: Model, x: np.ndarray, t: np.ndarray, name: str) -> None:
    """What the model has no scores for. Whole numbers that are meant as a quantity mostly show here."""
    y = model(x[:1])
    if t[:1].size != (places := y[..., 0].size):
        found = f"t has {t[:1].size} numbers per example, the model gives scores for {places}"
        raise ShapeError(f"{name}: {found}; {ONE_HOT}")
    most, scores = t.max(), y.shape[-1]
    if most >= scores:
        needs = f"t holds class {most}: the model must give {most + 1} scores or more per example, one per class"
        raise RangeError(f"{name}: {needs}; it gives {scores}; {NO_REGRESSION}")


def in_precision(model: Model, x: np.ndarray) -> np.ndarray:
    x = np.asarray(x)
    own = next((p.dtype for p in model.parameters.values()), None)
    return x if own is None or x.dtype.kind != "f" else x.astype(own, copy=False)


@np.errstate(over="ignore", invalid="ignore")
def one_epoch(
    model: Model,
    data: Dataset,
    test: Dataset | None,
    optimiser: Optimiser,
    number: int,
    *,
    batch: int,
    seed: int,
    tick: Callable[[], Any] = lambda: None,
) -> Epoch:
    """Learn from every example once. All chance in it follows from the seed and the number of the epoch.

    Steps that are too large end in inf or nan, sooner or later: then this raises, and is no epoch.
    """

    def check(what: str, value: float) -> None:
        if not isfinite(value):
            raise OptionError(f"{what} is {value} in epoch {number}; try a smaller lr than {optimiser.lr:g}")

    began, rng = perf_counter(), np.random.default_rng([seed, number])
    losses, norms = [], []
    for rows in batches(rng.permutation(len(data.t)), batch):
        loss, gradients = step(model, data.x[rows], data.t[rows], optimiser, rng)
        check("the loss", loss)
        losses.append(loss * len(rows))
        norms.append(layer_norms(gradients))
        tick()
    means = {place: float(np.mean([n[place] for n in norms])) for place in norms[0]}
    for place, mean in means.items():
        check(f"the gradient norm of layer {place}", mean)
    for name, p in model.parameters.items():
        if p.size:
            check(name, p.flat[np.isfinite(p).argmin()])  # the first that is not finite, if one is not
    test_loss, accuracy = judge(model, test) if test else (None, None)
    if test_loss is not None:
        check("the loss on held-out data", test_loss)
    return Epoch(number, sum(losses) / len(data.t), test_loss, accuracy, means, perf_counter() - began)


def batches(order: np.ndarray, size: int) -> list[np.ndarray]:
    """As few as will do, and all about as large: of two examples or more, in batches of up to three or more, none is
    left alone."""
    return np.array_split(order, ceil(len(order) / size))


def step(
    model: Model, x: np.ndarray, t: np.ndarray, optimiser: Optimiser, rng: np.random.Generator
) -> tuple[float, dict[str, np.ndarray]]:
    """Forward, backward, downhill: the loss, and the gradients, which the next step may overwrite."""
    if done := quick.step(model, x, t, optimiser):
        return done
    y, at = model.linearize(x, training=True, rng=rng)
    loss, gy = surprise(y, t)
    _, gradients = at.vjp(gy, x=False)
    optimiser.step(model.parameters, gradients)
    if updates := at.updates:
        model.load(updates, strict=False)
    return loss, gradients


def surprise(y: np.ndarray, t: np.ndarray) -> tuple[float, np.ndarray]:
    """The mean cross-entropy and its gradient. An example has one target or, in a text, one for each step."""
    loss, at = public("cross_entropy").linearize(y.reshape(-1, y.shape[-1]), t.reshape(-1))
    return float(loss), at.vjp(1.0)[0].reshape(y.shape)


def layer_norms(gradients: dict[str, np.ndarray]) -> dict[str, float]:
    """In float64: squares of large float32 would be inf, of small ones 0."""
    squares: dict[str, float] = {}
    for name, gradient in gradients.items():
        g = gradient.astype(float)
        place = name.rpartition(".")[0]
        squares[place] = squares.get(place, 0.0) + float(np.vdot(g, g))
    return {place: square**0.5 for place, square in sorted(squares.items())}


def judge(model: Model, data: Dataset | Pair) -> tuple[float, float]:
    """The mean loss on the data, and the share that is right."""
    data = as_dataset(data, "data")
    loss, right = 0.0, 0
    for rows, y in scores(model, data.x):
        loss += surprise(y, data.t[rows])[0] * len(y)
        right += int((y.argmax(-1) == data.t[rows].reshape(y.shape[:-1])).sum())
    return loss / len(data.t), right / data.t.size


def predictions(model: Model, x: np.ndarray) -> np.ndarray:
    """The scores of all examples."""
    return np.concatenate([y for _, y in scores(model, x)])


def scores(model: Model, x: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    x = in_precision(model, x)
    for start in range(0, len(x), CHUNK):
        rows = slice(start, start + CHUNK)
        yield rows, model(x[rows])
