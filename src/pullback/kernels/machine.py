"""What is asked of the machine: numbers that threads share, waiting and sleeping, cores, and memory ahead of its use.

Addresses are whole numbers. The system calls are Linux's.
"""

import platform

import llvmlite.ir as ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

int64, I64, BYTES, NOTHING = types.int64, ir.IntType(64), ir.IntType(8).as_pointer(), ir.VoidType()
ARM = platform.machine() in ("aarch64", "arm64")
FUTEX = 98 if ARM else 202  # number of the Linux system call
WAIT, WAKE = 128, 129  # private to this process
LINE = 128  # a pair of cache lines: numbers so far apart do not disturb each other


def _word(builder, address):
    return builder.inttoptr(address, I64.as_pointer())


@intrinsic
def add(typing, address, value):
    """Add to a shared number; return what it was."""
    return int64(int64, int64), lambda c, b, s, a: b.atomic_rmw("add", _word(b, a[0]), a[1], "seq_cst")


@intrinsic
def put(typing, address, value):
    """Set a shared number; return what it was."""
    return int64(int64, int64), lambda c, b, s, a: b.atomic_rmw("xchg", _word(b, a[0]), a[1], "seq_cst")


@intrinsic
def get(typing, address):
    return int64(int64), lambda c, b, s, a: b.load_atomic(_word(b, a[0]), "seq_cst", 8)


@intrinsic
def pause(typing):
    """Tell the core that this is a waiting loop."""

    def emit(context, b, signature, args):
        if ARM:
            hint = ir.FunctionType(NOTHING, [ir.IntType(32)])
            b.call(cgutils.get_or_insert_function(b.module, hint, "llvm.aarch64.hint"), [ir.IntType(32)(1)])
        else:
            b.call(cgutils.get_or_insert_function(b.module, ir.FunctionType(NOTHING, []), "llvm.x86.sse2.pause"), [])
        return context.get_dummy_value()

    return types.void(), emit


def asking(kept, written=0):
    """`kept`: 3 for the first cache, 2 for the second."""

    def emit(context, b, signature, args):
        kind = ir.FunctionType(NOTHING, [BYTES] + [ir.IntType(32)] * 3)
        ask = cgutils.get_or_insert_function(b.module, kind, "llvm.prefetch.p0")
        b.call(ask, [b.inttoptr(args[0], BYTES), *(ir.IntType(32)(k) for k in (written, kept, 1))])  # 1: data
        return context.get_dummy_value()

    return types.void(int64), emit


@intrinsic
def prefetch(typing, address):
    """Ask for what stands there, and do not wait for it. Any address will do."""
    return asking(3)


@intrinsic
def prefetch_far(typing, address):
    """The same, into the second cache: for later."""
    return asking(2)


@intrinsic
def prefetch_to_write(typing, address):
    """The same, into the first cache, for what will be written there."""
    return asking(3, written=1)


@intrinsic
def futex(typing, address, operation, value):
    def emit(context, b, signature, args):
        call = ir.FunctionType(I64, [I64], var_arg=True)
        syscall = cgutils.get_or_insert_function(b.module, call, "syscall")
        return b.call(syscall, [I64(FUTEX), *args, I64(0), I64(0), I64(0)])

    return int64(int64, int64, int64), emit


@intrinsic
def core(typing):
    """The core that this thread runs on."""

    def emit(context, b, signature, args):
        getcpu = cgutils.get_or_insert_function(b.module, ir.FunctionType(ir.IntType(32), []), "sched_getcpu")
        return b.sext(b.call(getcpu, []), I64)

    return int64(), emit


@intrinsic
def leave_core(typing, cores, core):
    """This thread runs on other cores from now on, if there are any; `cores` is where the set of all stands."""

    def emit(context, b, signature, args):
        cores, core = args
        words = ir.ArrayType(I64, LINE // 8)
        wanted = cgutils.alloca_once(b, words)
        for k in range(LINE // 8):
            place = [I64(0), I64(k)]
            bit = b.select(
                b.icmp_signed("==", b.ashr(core, I64(6)), I64(k)), b.shl(I64(1), b.and_(core, I64(63))), I64(0)
            )
            word = b.load(b.gep(b.inttoptr(cores, words.as_pointer()), place))
            b.store(b.and_(word, b.not_(bit)), b.gep(wanted, place))
        kind = ir.FunctionType(ir.IntType(32), [ir.IntType(32), I64, BYTES])
        move = cgutils.get_or_insert_function(b.module, kind, "sched_setaffinity")
        b.call(move, [ir.IntType(32)(0), I64(LINE), b.bitcast(wanted, BYTES)])
        return context.get_dummy_value()

    return types.void(int64, int64), emit
