"""Weights in files: safetensors, under PyTorch's names."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
from safetensors.numpy import save as serialized

import pullback.files as files
from pullback.errors import DataError, DtypeError
from pullback.nn.model import Model

DTYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "<i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "<u1", "BOOL": "?",
}  # fmt: skip
KNOWN = {np.dtype(kind).name for kind in DTYPES.values()} | {"bfloat16"}


def save(weights: Model | Mapping[str, np.ndarray], path: str | Path) -> None:
    """Write the parameters of a model, or a dict of arrays, to a .safetensors file: whole, or not at all.

    A folder that is not there is made. `model.load(load_weights(path))` takes the parameters back.
    """
    given = weights.parameters if isinstance(weights, Model) else weights
    # safetensors reads the memory as it lies, so that it has to lie in order; ascontiguousarray would add an axis to ()
    values = {name: np.array(value, order="C") for name, value in given.items()}
    if odd := next((name for name, value in values.items() if value.dtype.name not in KNOWN), None):
        advice = "convert it, as with .astype(float)"
        raise DtypeError(f"{odd} is {values[odd].dtype}, which .safetensors has no numbers for; {advice}")
    with suppress(OSError):  # if there is no folder then, the write says why
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    files.write(path, serialized(values))


def load_weights(path: str | Path) -> dict[str, np.ndarray]:
    """The arrays of a .safetensors file, by name. bfloat16 becomes float32, which holds all its values."""
    try:
        tensors = safetensors.deserialize(files.read(path))
    except safetensors.SafetensorError as error:
        raise DataError(f"{path} is damaged, or no .safetensors file: {error}") from None
    return {name: array(path, name, tensor) for name, tensor in tensors}


def array(path: str | Path, name: str, tensor: dict[str, Any]) -> Any:
    shape, data = tensor["shape"], tensor["data"]
    if tensor["dtype"] == "BF16":  # the upper half of a float32
        return (np.frombuffer(data, "<u2").astype("<u4") << 16).view("<f4").reshape(shape)
    if tensor["dtype"] not in DTYPES:
        raise DataError(f"{path}: {name} holds {tensor['dtype']}, which NumPy has no numbers for; convert it to F32")
    return np.frombuffer(data, DTYPES[tensor["dtype"]]).reshape(shape).copy()
