"""One pool for all kernels: the same bits whoever does the work, several callers at once, forks, faults."""

import os
import threading

import numpy as np
import pytest
from fast import CASES, LARGE, LAST, TESTS, bits, run

import pullback as pb
from pullback.kernels import cores
from pullback.kernels.compiled import kernel, part
from pullback.kernels.threads import get_threads, parallel


@pytest.fixture
def threads():
    before = get_threads()
    yield
    pb.set_threads(before)


WORK = [(name, case) for name, case in CASES if case in LARGE.get(name, [LAST[name]])]


@pytest.mark.parametrize("name, case", WORK)
def test_the_same_bits_with_any_number_of_threads(name, case, threads):
    found = set()
    for number in (1, 2, 3, 2):
        pb.set_threads(number)
        found.add(bits(name, case))
    assert len(found) == 1


def test_eight_threads_at_once():
    """Each goes through all kernels, and begins with another one."""
    wanted, wrong = {name: bits(name, case) for name, case in LAST.items()}, []

    def work(first):
        names = [*LAST][first:] + [*LAST][:first]
        wrong.extend(name for name in names if bits(name, LAST[name]) != wanted[name])

    crowd = [threading.Thread(target=work, args=(k * len(LAST) // 8,)) for k in range(8)]
    for thread in crowd:
        thread.start()
    for thread in crowd:
        thread.join()
    assert not wrong


@part
def first_of_many(lo, hi, sizes, y):
    for i in range(lo, hi):
        y[i] = np.ones(sizes[i], np.float32)[0]


@kernel
def first_of_each(sizes, y):
    parallel(first_of_many, sizes.size, 1, (sizes, y))


@pytest.mark.parametrize("number", [1, 2])
def test_a_body_that_finds_no_memory_is_heard(number, threads):
    """Wherever it is in the work; the next job is none the worse for it."""
    pb.set_threads(number)
    for place in (0, 7, 63):
        sizes, y = np.full(64, 5), np.zeros(64, np.float32)
        sizes[place] = 1 << 60
        with pytest.raises(MemoryError, match="Allocation failed"):
            first_of_each(sizes, y)
        sizes[place] = 5
        first_of_each(sizes, y)
        assert (y == 1).all()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_child_that_is_forked_during_a_compilation_collects_garbage():
    code = "import gc, os\nfrom pullback.kernels.compiled import uncollected\n"
    code += "with uncollected():\n    child = os.fork()\n    if not child: os._exit(not gc.isenabled())\n"
    code += "print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), gc.isenabled())"
    assert run(code) == ["0", "True"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_after_a_fork():
    """The child has a pool of its own: it and the parent go on to find the same bits."""
    code = f"""
import os, sys
sys.path.insert(0, {str(TESTS)!r})
from fast import LAST, bits
before = [bits(*each) for each in LAST.items()]
child = os.fork()
same = before == [bits(*each) for each in LAST.items()]
if child == 0:
    os._exit(not same)
assert os.waitpid(child, 0)[1] == 0 and same
print("well")
"""
    assert run(code, PULLBACK_THREADS="2") == ["well"]


def test_threads_follow_the_usual_variables():
    ask = "import pullback as pb; print(pb.get_threads())"
    assert run(ask, PULLBACK_THREADS="3") == ["3"]
    unset = dict(PULLBACK_THREADS="", NUMBA_NUM_THREADS="")
    assert run(ask, **unset | dict(OMP_NUM_THREADS="3")) == ["3"]
    assert run(ask, **unset | dict(OMP_NUM_THREADS="1", NUMBA_NUM_THREADS="2")) == ["2"]
    assert run(ask, NUMBA_NUM_THREADS="2", PULLBACK_THREADS="1") == ["1"]


V2 = {"proc/self/cgroup": "0::/user.slice/run-1.scope"}
V1 = {"proc/self/cgroup": "4:memory:/x\n3:cpu,cpuacct:/docker/ab\n2:cpuset:/\n1:name=systemd:/\n0::/"}


@pytest.mark.parametrize("files, threads", [
    ({}, 8),
    (V2, 8),
    (V2 | {"user.slice/run-1.scope/cpu.max": "max 100000", "user.slice/cpu.max": "max 100000"}, 8),
    (V2 | {"user.slice/run-1.scope/cpu.max": "200000 100000"}, 2),
    (V2 | {"user.slice/run-1.scope/cpu.max": "500000 100000", "user.slice/cpu.max": "150000 50000"}, 3),  # of a parent
    (V2 | {"cpu.max": "400000 100000"}, 4),  # a container that is not told that it is one
    (V2 | {"user.slice/run-1.scope/cpu.max": "10000 100000"}, 1),
    (V2 | {"user.slice/run-1.scope/cpu.max": "9900000 100000"}, 8),
    (V2 | {"user.slice/cpu.cfs_quota_us": "100000", "user.slice/cpu.cfs_period_us": "100000"}, 8),
    ({"proc/self/cgroup": "0::/", "cpu.max": "200000 100000"}, 2),
    ({"proc/self/cgroup": "0::/../other", "cpu.max": "200000 100000", "../other/cpu.max": "100000 100000"}, 2),
    (V1 | {"cpu/docker/ab/cpu.cfs_quota_us": "-1", "cpu/docker/ab/cpu.cfs_period_us": "100000"}, 8),
    (V1 | {"cpu/docker/ab/cpu.cfs_quota_us": "250000", "cpu/docker/ab/cpu.cfs_period_us": "50000"}, 5),
    (V1 | {"cpu/cpu.cfs_quota_us": "200000", "cpu/cpu.cfs_period_us": "100000"}, 2),
    (V1 | {"cpu/docker/ab/cpu.cfs_quota_us": "200000"}, 8),
    (V1 | {"memory/x/cpu.max": "100000 100000"}, 8),
])  # fmt: skip
def test_threads_follow_the_quotas_of_control_groups(files, threads, tmp_path, monkeypatch):
    """v2 and v1, of the process's own group and those around it; on a machine of eight cores."""
    for name in cores.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)), raising=False)
    for name, text in files.items():
        file = tmp_path / name if name.startswith("proc") else tmp_path / "sys/fs/cgroup" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text + "\n")
    assert cores.available(tmp_path) == threads


@pytest.mark.parametrize("number", [0, -1, 1.5, True, "2", None])
def test_threads_that_cannot_be(number):
    with pytest.raises(pb.errors.OptionError, match="a whole number from 1 up"):
        pb.set_threads(number)
