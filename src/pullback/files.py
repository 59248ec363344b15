"""Files are written whole or not at all."""

import os
from contextlib import suppress
from pathlib import Path

from pullback.errors import DataError


def write(path: str | Path, data: bytes) -> None:
    """Write bytes to `path`: first beside it, then into its place. If that fails, what was there before stays."""
    place = Path(os.path.realpath(path))  # a link stays a link
    beside = place.parent / f".{place.name}.{os.getpid()}.tmp"
    try:
        if place.exists() and not place.is_file():
            raise DataError(f"cannot write {path}: it is no regular file")
        with open(beside, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, place)
    except OSError as error:
        raise DataError(f"cannot write {path}: {error.strerror or error}") from None
    finally:
        with suppress(OSError):  # it is in its place, or was never made
            beside.unlink()


def read(path: str | Path) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from None
