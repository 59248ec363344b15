"""Memory for large results, used again as soon as nobody refers to it.

A fresh large array costs a page fault for every 4 KB: more than many kernels. So blocks are kept, and one is handed out
again when its count of references says that no array lies in it any more: views, memoryviews and other libraries'
arrays count. A bare address (`x.ctypes.data` kept without x) does not.
"""

import os
import sys
import threading
from collections import defaultdict
from typing import Any

import numpy as np

LEAST = 1 << 16  # bytes; below, np.empty is as fast
MOST = 1 << 30  # bytes kept in all
LINE = 64  # bytes of a cache line: where vectors are stored best

_lock = threading.Lock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release)
_blocks: defaultdict[int, list[tuple[Any, int]]] = defaultdict(list)  # size -> blocks, and where a line begins
_kept = 0


def empty(shape: tuple[int, ...], dtype: Any = np.float32) -> np.ndarray:
    """An array with whatever the memory held before."""
    count = 1
    for n in shape:
        count *= n
    size = count * (4 if dtype is np.float32 else np.dtype(dtype).itemsize)
    if size < LEAST or not COUNTED:
        return np.empty(shape, dtype)
    with _lock:
        block, start = _free(size)
        return np.ndarray(shape, dtype, block, start)  # from here on the block counts as taken


def _free(size: int) -> tuple[Any, int]:
    global _kept
    blocks = _blocks[size]
    for block, start in blocks:
        if sys.getrefcount(block) == FREE:
            return block, start
    if _kept + size > MOST:
        _blocks.clear()  # blocks in use live on until their arrays die
        _kept = 0
        blocks = _blocks[size]
    block = np.empty(size + LINE, np.uint8)
    blocks.append((block, -block.ctypes.data % LINE))
    _kept += size
    return blocks[-1]


def _count(blocks: list[tuple[Any, int]]) -> int:
    """The references to a block, counted as `_free` counts them."""
    for block, _ in blocks:
        return sys.getrefcount(block)
    return 0


_block = [(np.empty(LINE, np.uint8), 0)]
FREE = _count(_block)
_array = np.ndarray(4, np.uint8, _block[0][0])
COUNTED = _count(_block) > FREE  # some interpreters count otherwise: then nothing is kept
del _block, _array
