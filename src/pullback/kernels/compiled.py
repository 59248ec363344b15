"""How kernels are compiled: kept on disk between runs, with NumPy's arithmetic, and sums free to run in vector lanes.

    @kernel                     called from Python; its machine code is kept
    @part                       called from kernels, and compiled into each of them
    @symbol(signature)          called from kernels, but compiled once: they find its machine code by name

Numba keeps code by the file of the function, and does not notice an edited helper in another file: so the folder is
named by all sources of the kernels. Where it cannot be written to, code is compiled anew by every process: Numba would
keep it beside the sources, under no such name.
"""

import gc
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm
from llvmlite.binding import Linkage
from llvmlite.ir import CallInstr
from numba import cfunc, config, njit, types
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler
from numba.core.event import Listener, register, unregister
from numba.core.registry import CPUDispatcher

# nnan and ninf are left out, for nan and inf must come through. Without NumPy's error model every division tests for
# zero, and loops with one stay scalar.
OPTIONS: dict[str, Any] = dict(fastmath={"nsz", "contract", "reassoc", "arcp"}, error_model="numpy", nogil=True)
EXACT: dict[str, Any] = OPTIONS | {"fastmath": False}  # for sums whose order matters


def folder() -> Path:
    """Where compiled code is kept: the user's cache, or Numba's own where NUMBA_CACHE_DIR says so."""
    sources = sorted(Path(__file__).parent.glob("*.py"))
    edition = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:12]
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(config.CACHE_DIR or Path(cache, "pullback")) / f"kernels-{edition}"


def usable(folder: Path) -> bool:
    """Can code be kept there?"""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK)


@contextmanager
def kept() -> Iterator[None]:
    """Functions that are decorated meanwhile are kept in our folder, those of other packages are not."""
    before = config.CACHE_DIR
    config.CACHE_DIR = str(FOLDER)
    try:
        yield
    finally:
        config.CACHE_DIR = before


def kernel(f: Any = None, **options: Any) -> Any:
    """Compile for Python, when it is first called."""
    if f is None:
        return lambda f: kernel(f, **options)
    return decorated(njit, f, **OPTIONS | options, no_cfunc_wrapper=True)


def part(f: Any = None, **options: Any) -> Any:
    """Compile into the kernels that call it."""
    if f is None:
        return lambda f: part(f, **options)
    found = njit(f, **OPTIONS | options, pipeline_class=Mixing, no_cpython_wrapper=True, no_cfunc_wrapper=True)
    found.__class__ = Part
    return found


def symbol(signature: Any, name: str) -> Callable[[Any], Any]:
    """Compile once, under a name that kernels can call, whether they are compiled now or come from the disk."""

    def decorate(f: Any) -> Any:
        llvm.add_symbol(name, address(signature)(f))
        return types.ExternalFunction(name, signature)

    return decorate


def address(signature: Any) -> Callable[[Any], int]:
    """Compile a C function; return where it is."""
    options = {name: value for name, value in OPTIONS.items() if name != "nogil"}
    return lambda f: int(decorated(cfunc, f, signature, **options).address)


class Part(CPUDispatcher):
    """Has no machine code for Python to call."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        name = self.__name__
        raise TypeError(f"{name} is a part, for kernels to call; from Python call kernel({name}.py_func)")


class Broad(JITCodeLibrary):
    """Loops use all of a vector register. LLVM would take half of 512 bits on Intel's CPUs, which slowed the first."""

    def add_ir_module(self, module: Any) -> None:
        for function in module.functions:
            if not function.is_declaration:
                set.add(function.attributes, '"prefer-vector-width"="512"')  # llvmlite's own `add` knows but a few
        super().add_ir_module(module)

    def _optimize_functions(self, module: Any) -> None:
        """As Numba does, who makes the passes anew for every function: not for those that are only declared."""
        module.data_layout = self._codegen._data_layout
        for function in module.functions:
            if not function.is_declaration:
                passes, builder = self._codegen._function_pass_manager()
                passes.run(function, builder)


class Ingredient(Broad):
    """What a part is made of. It is translated and optimised in the kernels: to do both here as well took as long."""

    def _optimize_final_module(self) -> None:
        pass

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._verify_declare_only_symbols()
        self._finalized = True

    def get_pointer_to_function(self, name: str) -> int:
        return 0

    @property
    def codegen(self) -> Any:
        return Unset()


class Unset:
    """Numba tells the machine code where its constants are: here there is none."""

    def set_env(self, name: str, env: Any) -> None:
        pass


ENTRY = "cfunc."  # and the name of a function: how C calls it


class Sealed(Broad):
    """A kernel with all its parts, for itself alone.

    Numba leaves the parts visible to the linker, which takes the copy of another kernel if one is loaded already.
    Copies are optimised each in its own way: then the last bits would depend on what else this process has run.

    A C function and what it does become one. Numba keeps them apart: every argument that came on the stack was stored
    there once more, and read again, before a tile could begin.
    """

    def add_ir_module(self, module: Any) -> None:
        entries = [function for function in module.functions if function.name.startswith(ENTRY)]
        for step in (step for entry in entries for block in entry.blocks for step in block.instructions):
            if isinstance(step, CallInstr):
                step.attributes.discard("noinline")
        super().add_ir_module(module)

    def _optimize_final_module(self) -> None:
        functions = list(self._final_module.functions)
        names = {function.name for function in functions}
        for function in functions:
            entered = ENTRY + function.name in names
            if entered:
                function.add_function_attribute("alwaysinline")
            if entered or function.linkage == Linkage.linkonce_odr:
                function.linkage = Linkage.internal
        super()._optimize_final_module()


class Mixing(Compiler):
    """Compiles a part as such a library."""

    def define_pipelines(self) -> Any:
        state = self.state
        state.library = Ingredient(state.targetctx.codegen(), state.func_id.func_qualname)
        return super().define_pipelines()


class Sealing(Compiler):
    """Compiles a kernel as such a library."""

    def compile_extra(self, func: Any) -> Any:
        with uncollected():
            return super().compile_extra(func)

    def define_pipelines(self) -> Any:
        state = self.state
        state.library = Sealed(state.targetctx.codegen(), state.func_id.func_qualname)
        state.library.enable_object_caching()  # as Numba does with its own
        return super().define_pipelines()


@contextmanager
def uncollected() -> Iterator[None]:
    """Meanwhile nobody looks for garbage: again and again it would be among all that a compiler makes, and holds."""
    if not gc.isenabled():
        yield
        return
    try:
        gc.disable()
        looking.append(gc.enable)
        yield
    finally:
        looking.clear()
        gc.enable()


looking: list[Callable[[], None]] = []  # what has to be called by a child that is forked meanwhile
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=lambda: [again() for again in looking])


def decorated(compiler: Any, f: Any, *args: Any, **options: Any) -> Any:
    options["pipeline_class"] = Sealing
    try:
        with kept():
            return compiler(*args, cache=KEEPS, **options)(f)
    except (RuntimeError, OSError):  # sources that are in no file
        return compiler(*args, **options)(f)


COMPILING = "numba:run_pass"  # not "numba:compile": that is told of code from the disk as well


class Announcer(Listener):
    """Tells, once, that something is being compiled."""

    def __init__(self, say: Callable[[], Any]) -> None:
        self.say: Callable[[], Any] | None = say

    def on_start(self, event: Any) -> None:
        if self.say:
            self.say()
            self.say = None

    def on_end(self, event: Any) -> None:
        pass


@contextmanager
def announced(say: Callable[[], Any]) -> Iterator[None]:
    """Meanwhile, `say` is called before the first compilation, which may take seconds."""
    announcer = Announcer(say)
    register(COMPILING, announcer)
    try:
        yield
    finally:
        unregister(COMPILING, announcer)


try:
    FOLDER = folder()
except (OSError, RuntimeError):  # sources that cannot be read, a user without a home
    FOLDER = Path(os.devnull)
KEEPS = usable(FOLDER)
