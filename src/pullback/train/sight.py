"""Does a network see only what it may? A layer that reads the wrong axis as time, or reads it backwards, does not."""

import numpy as np

from pullback.errors import DataError
from pullback.nn.model import Model


def refuse_cheats(model: Model, x: np.ndarray, reads_text: bool) -> None:
    """Two examples must give what each gives alone; of a text, no score may depend on a character behind it."""
    both, alone = model(x[:2]), np.concatenate([model(x[:1]), model(x[1:2])])
    if not np.allclose(both, alone, rtol=1e-3, atol=1e-4):
        raise DataError("the model mixes the examples of a batch; does a recurrent layer lack batch_first = true?")
    if reads_text:
        other = x[:2].copy()
        other[:, -1] = (other[:, -1] + 1) % both.shape[-1]
        if not np.allclose(both[:, :-1], model(other)[:, :-1], rtol=1e-3, atol=1e-4):
            raise DataError("the model sees the characters that it has to guess; is a layer bidirectional?")
