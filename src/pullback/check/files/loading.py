"""A file of Python, run as a module of its own, or as a part of the package that it lies in."""

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from pullback.errors import PullbackError


class FileError(PullbackError):
    """A file that cannot be run, or that holds nothing to check."""


def load(path: Path) -> ModuleType:
    """The module that the file is. What it prints is printed; what it raises is one line that says where."""
    if not path.is_file():
        raise FileError(f"{path}: {'a folder, not a file' if path.is_dir() else 'no such file'}")
    if path.suffix != ".py":
        raise FileError(f"{path}: not a file of Python, whose name ends in .py")
    top, name = home(path.resolve())
    sys.path.insert(0, str(top))
    try:
        return importlib.import_module(name) if name != path.stem else alone(path, name)
    except (Exception, SystemExit) as error:
        says = error.msg if isinstance(error, SyntaxError) else str(error)
        what = f"{type(error).__name__}{': ' + says if says else ''}"
        raise FileError(f"{path} does not import: {what}{place(error, path)}") from error
    finally:
        sys.path.remove(str(top))


def home(path: Path) -> tuple[Path, str]:
    """The folder above all packages that the file lies in, and its dotted name from there."""
    top, names = path.parent, [path.stem]
    if not path.stem.isidentifier():
        return top, path.stem
    while (top / "__init__.py").exists():
        names.insert(0, top.name)
        top = top.parent
    return top, ".".join(names)


def alone(path: Path, name: str) -> ModuleType:
    """Under a name that hides no other module."""
    spec = importlib.util.spec_from_file_location(f"checked_{name.replace('.', '_')}", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[module.__name__] = module  # classes look for their module there
    spec.loader.exec_module(module)
    return module


def place(error: BaseException, path: Path) -> str:
    """The last line of the file itself that the error went through."""
    if isinstance(error, SyntaxError):
        return f" (line {error.lineno})" if error.lineno else ""
    trace, line = error.__traceback__, 0
    while trace:
        if Path(trace.tb_frame.f_code.co_filename).resolve() == path.resolve():
            line = trace.tb_lineno
        trace = trace.tb_next
    return f" (line {line})" if line else ""
