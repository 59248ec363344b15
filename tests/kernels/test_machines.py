"""Other machines, as far as this one can play them: other widths of vectors, no workers, no set of cores."""

import platform

import pytest
from fast import TESTS, run

from pullback.kernels.tile import WIDTH

HOST_IS_X86 = platform.machine() in ("x86_64", "AMD64")

FEATURES = {4: {}, 8: {"avx": True}, 16: {"avx512f": True}}  # any machine runs all of it, if slowly
BY_HAND = [  # whose vectors are written instruction by instruction
    "conv1d", "conv2d", "conv3d", "conv_transpose2d", "conv2d, relu", "conv2d, relu, max_pool2d", "relu, max_pool2d",
    "max_pool2d", "avg_pool2d", "max_pool3d", "adaptive_max_pool2d", "adaptive_avg_pool2d", "linear", "linear, relu",
    "rnn", "gru", "lstm", "scaled_dot_product_attention",
]  # fmt: skip
PLAYED = """
import os, sys
import llvmlite.binding as llvm
from numba.core.registry import cpu_target
cpu_target.target_context  # Numba itself shall know this machine as it is
llvm.get_host_cpu_features = lambda: {features}
sys.path.insert(0, {tests!r})
if {elsewhere}:
    sys.platform = "darwin"
    del os.sched_getaffinity
import pullback as pb
from fast import CASES, RULES, arrays, compare
from pullback.kernels import threads, tile
assert tile.WIDTH == {lanes}
for name, case in CASES:
    if name in {names}:
        compare(*arrays(RULES[name], case))
pb.set_threads(2)
print(pb.get_threads(), threads.LINUX)
"""


def played(lanes, elsewhere, folder, **environment):
    told = dict(features=FEATURES[lanes], tests=str(TESTS), elsewhere=elsewhere, lanes=lanes, names=BY_HAND)
    return run(PLAYED.format(**told), XDG_CACHE_HOME=str(folder), NUMBA_CACHE_DIR="", **environment)


@pytest.mark.parametrize("lanes", [lanes for lanes in FEATURES if lanes not in (4, WIDTH)])
def test_vectors_of_another_width(lanes, tmp_path):
    assert played(lanes, False, tmp_path)[0] == "2"


def test_four_lanes_without_fused_multiplication_or_workers(tmp_path):
    """The least that x86-64 has, on a system where kernels run on the calling thread."""
    baseline = dict(NUMBA_CPU_NAME="x86-64", NUMBA_CPU_FEATURES="") if HOST_IS_X86 else {}
    assert played(4, True, tmp_path, **baseline) == ["1", "False"]
