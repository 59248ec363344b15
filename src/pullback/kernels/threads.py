"""One small thread pool for all kernels: `parallel(body, n, chunk, args)` inside compiled code.

    @part
    def rows(lo, hi, x, y):            # a body works on lo..hi; what it raises, the kernel raises when all is done
        ...
    @kernel
    def twice(x, y):
        parallel(rows, x.shape[0], 64, (x, y))

The caller works too, and it never waits for a worker that has not arrived: a worker joins a job only while the job is
open. So a sleeping, busy or missing worker costs time but never correctness, and every chunk is the same piece of work
whoever does it. Every thread begins with a stretch of its own, the same one in every job, and then helps the others:
so it finds in its cache what it wrote there, which may be twice as fast. A second Python thread, or a body that calls
`parallel` again, finds the pool locked and does its work alone. Workers spin for a while after a job, then sleep; after
a fork the child starts its own. They sleep on Linux's futex: elsewhere there are no workers, and the caller does all
the work. A worker that finds itself on the caller's core moves to another one: Linux can leave both on one core for
seconds.

One pool for everything: two that spin against each other on the same cores cost more than any kernel can win.
"""

import ctypes
import os
import platform
import sys

import llvmlite.binding as llvm
import llvmlite.ir as ir
import numpy as np
from numba import types
from numba.core import cgutils
from numba.core.callconv import RETCODE_OK, errcode_t, excinfo_ptr_t
from numba.extending import intrinsic

from pullback.errors import OptionError
from pullback.kernels.compiled import address, part, symbol
from pullback.kernels.cores import available
from pullback.kernels.lent import uncounted
from pullback.kernels.machine import (
    ARM,
    BYTES,
    I64,
    LINE,
    NOTHING,
    WAIT,
    WAKE,
    add,
    core,
    futex,
    get,
    int64,
    leave_core,
    pause,
    put,
)  # fmt: skip

BODY = ir.FunctionType(NOTHING, [I64, I64, BYTES])  # body(lo, hi, arguments)
LINUX = sys.platform == "linux" and (ARM or platform.machine() == "x86_64")

SHORT = 10_000  # pauses, about 150 µs: what Python often needs between two kernels

# The shared state: one number per pair of cache lines, so that threads do not disturb each other.
LOCK, JOB, OPEN, BODY_AT, ARGS_AT, N, CHUNK, SHARES, INSIDE, ASLEEP, THREADS, SPINS, CORE, CORES, NEXT = (
    LINE * i for i in range(15)
)  # at NEXT there is one for every thread


@intrinsic
def call(typing, body, lo, hi, arguments):
    def emit(context, b, signature, a):
        b.call(b.inttoptr(a[0], BODY.as_pointer()), [a[1], a[2], b.inttoptr(a[3], BYTES)])
        return context.get_dummy_value()

    return types.void(int64, int64, int64, int64), emit


@part
def first_chunk(thread, n, chunk, shares):
    """Where the stretch of a thread begins."""
    return (n + chunk - 1) // chunk * thread // shares


@part
def take_chunks(s, me):
    """Those of my own stretch, then what is left of the others."""
    n, chunk, body, arguments = get(s + N), get(s + CHUNK), get(s + BODY_AT), get(s + ARGS_AT)
    shares = get(s + SHARES)
    for k in range(shares):
        whose = (me + k) % shares
        end = first_chunk(whose + 1, n, chunk, shares)
        mine = add(s + NEXT + LINE * whose, 1)
        while mine < end:
            call(body, mine * chunk, min(mine * chunk + chunk, n), arguments)
            mine = add(s + NEXT + LINE * whose, 1)


def work(where):
    """What a worker does, as long as the process lives."""
    me = where & (LINE - 1)  # the state is aligned to a line: the low bits carry the worker's number
    s = where - me
    seen = np.int64(0)
    while True:
        spins = np.int64(0)
        while True:
            job = get(s + JOB)
            if job != seen:
                break
            spins += 1
            if spins < get(s + SPINS):
                pause()
            else:
                add(s + ASLEEP, 1)
                futex(s + JOB, WAIT, job & 0xFFFFFFFF)  # returns at once if a job came in between
                add(s + ASLEEP, -1)
                spins = np.int64(0)
        seen = job
        if me < get(s + THREADS):
            if core() == get(s + CORE):
                leave_core(s + CORES, get(s + CORE))
            add(s + INSIDE, 1)  # enter, then look whether the job is still open: the caller does it the other way round
            if get(s + OPEN) != 0:
                take_chunks(s, me)
            add(s + INSIDE, -1)


def share(s, body, arguments, n, chunk):
    """Run a body over 0..n, together with whoever is there."""
    shares = get(s + THREADS)
    if n <= chunk or shares < 2 or put(s + LOCK, 1) != 0:
        call(body, 0, n, arguments)
        return
    put(s + CORE, core())
    put(s + BODY_AT, body)
    put(s + ARGS_AT, arguments)
    put(s + N, n)
    put(s + CHUNK, chunk)
    put(s + SHARES, shares)
    for thread in range(shares):
        put(s + NEXT + LINE * thread, first_chunk(thread, n, chunk, shares))
    put(s + OPEN, 1)
    add(s + JOB, 1)
    if get(s + ASLEEP) > 0:
        futex(s + JOB, WAKE, 1 << 30)
    take_chunks(s, 0)
    put(s + OPEN, 0)
    while get(s + INSIDE) != 0:
        pause()
    put(s + LOCK, 0)


def alone(s, body, arguments, n, chunk):
    """The same where there are no workers."""
    call(body, 0, n, arguments)


def places(builder, packed):
    """Where the arguments of a job stand, whether a body failed, and what Numba then tells of it."""
    return [cgutils.gep_inbounds(builder, packed, 0, i) for i in range(3)]


@intrinsic
def parallel(typing, body, n, chunk, args):
    """Call body(lo, hi, *args) over 0..n in pieces of `chunk` (or once over all of it, where that is as good)."""
    signature = types.void(body, int64, int64, args)
    inner = typing.resolve_function_type(body, (int64, int64, *args.types), {})

    def emit(context, b, signature, values):
        body_type, args_type = signature.args[0], signature.args[3]
        packed = cgutils.alloca_once(b, ir.LiteralStructType([values[3].type, errcode_t, excinfo_ptr_t]))
        arguments_at, failed_at, story_at = places(b, packed)
        b.store(values[3], arguments_at)
        b.store(RETCODE_OK, failed_at)
        bridge = ir.Function(b.module, BODY, b.module.get_unique_name("bridge"))
        bridge.linkage = "internal"
        inside = ir.IRBuilder(bridge.append_basic_block())
        lo, hi, pointer = bridge.args
        unpacked_at, failing_at, telling_at = places(inside, inside.bitcast(pointer, packed.type))
        unpacked = inside.load(unpacked_at)
        given = [(kind, inside.extract_value(unpacked, i)) for i, kind in enumerate(args_type.types)]
        # The caller holds them, and threads that counted would wait in turns.
        arguments = [uncounted(context, inside, *one) for one in given]
        compiled = body_type.dispatcher.get_compile_result(inner)
        context.active_code_library.add_linking_library(compiled.library)
        function = context.declare_function(b.module, compiled.fndesc)
        call = context.call_conv.call_function
        status, _ = call(inside, function, inner.return_type, inner.args, [lo, hi, *arguments])
        with inside.if_then(status.is_error, likely=False):
            inside.store(status.code, failing_at)
            inside.store(status.excinfoptr, telling_at)
        inside.ret_void()
        starter = ir.FunctionType(NOTHING, [BYTES, BODY.as_pointer(), BYTES, I64, I64])
        start = cgutils.get_or_insert_function(b.module, starter, "pullback_run")
        state = b.module.globals.get("pullback_state") or ir.GlobalVariable(b.module, ir.IntType(8), "pullback_state")
        b.call(start, [state, bridge, b.bitcast(packed, BYTES), values[1], values[2]])
        failed = b.load(failed_at)
        with b.if_then(b.icmp_signed("!=", failed, RETCODE_OK), likely=False):
            told = status._replace(code=failed, excinfoptr=b.load(story_at))
            context.call_conv.return_status_propagate(b, told)
        return context.get_dummy_value()

    return signature, emit


# The state must outlive the workers, which end with the process: it is never freed.
_memory = ctypes.create_string_buffer(NEXT + (LINE + 1) * LINE)  # for at most LINE threads
ctypes.pythonapi.Py_IncRef(ctypes.py_object(_memory))
STATE = (ctypes.addressof(_memory) + LINE - 1) & -LINE
llvm.add_symbol("pullback_state", STATE)  # by name, so that kernels from the disk find this process's pool
symbol(types.void(*[int64] * 5), "pullback_run")(share if LINUX else alone)
worker = address(types.void(int64))(work) if LINUX else None
_workers = 0


def set_threads(threads: int) -> None:
    """Use at most so many threads in kernels, the calling one included.

    By default as many as PULLBACK_THREADS, NUMBA_NUM_THREADS or OMP_NUM_THREADS says, the first of them that is set; or
    as this process has cores, by affinity and by the quotas of its control groups. Results do not depend on it. Workers
    exist on Linux only: elsewhere kernels run on the calling thread.
    """
    if not isinstance(threads, int | np.integer) or isinstance(threads, bool) or threads < 1:
        raise OptionError(f"threads must be a whole number from 1 up, got {threads!r}")
    global _workers
    while LINUX and _workers + 1 < min(threads, LINE):
        handle = ctypes.c_ulong()
        libc, where = ctypes.CDLL(None), ctypes.c_void_p(STATE + _workers + 1)
        if libc.pthread_create(ctypes.byref(handle), None, ctypes.c_void_p(worker), where):
            break  # no more threads to be had: the caller does the work
        libc.pthread_detach(handle)
        _workers += 1
    ctypes.c_int64.from_address(STATE + THREADS).value = min(threads, _workers + 1)


def get_threads() -> int:
    """How many threads share the work of kernels."""
    return ctypes.c_int64.from_address(STATE + THREADS).value


def _start(threads: int) -> None:
    global _workers
    _workers = 0
    ctypes.memset(STATE, 0, NEXT)
    ctypes.c_int64.from_address(STATE + SPINS).value = SHORT
    if LINUX:
        cores = sum(1 << core for core in os.sched_getaffinity(0) if core < 8 * LINE)
        ctypes.memmove(STATE + CORES, cores.to_bytes(LINE, "little"), LINE)
    set_threads(threads)


_start(available())
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=lambda: _start(get_threads()))
