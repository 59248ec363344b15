"""Bytes and text of a file; a name that ends in .gz is decompressed."""

import gzip
import zlib
from pathlib import Path

from pullback.errors import DataError


def read(path: Path) -> bytes:
    try:
        data = path.read_bytes()
        data = gzip.decompress(data) if data and path.suffix.lower() == ".gz" else data
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise DataError(f"{path}: a damaged gzip file: {error}") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    if not data:
        raise DataError(f"{path}: the file is empty")
    return data


def text(path: Path) -> str:
    """UTF-8, with or without a byte order mark."""
    try:
        return read(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        wrong = f"byte {error.object[error.start]:#04x} at position {error.start}"
        raise DataError(f"{path}: is not UTF-8 ({wrong}); save it with the encoding UTF-8") from None


def kind(path: Path) -> str:
    """The extension, in small letters, without .gz."""
    name = Path(path.name.lower())
    return (name.with_suffix("") if name.suffix == ".gz" else name).suffix
