"""What a training tells while it runs: tables, a bar on a terminal and a line an epoch elsewhere."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from math import log
from typing import Any

import numpy as np
from rich import box
from rich.console import Console, Group
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from pullback.handbook.page import backward
from pullback.nn.model import Row
from pullback.train.data.labels import on_one_line
from pullback.train.loop import Epoch
from pullback.train.verify import Verdict

WIDTH = 120  # where there is no terminal that says it
MOST = 12  # classes that a confusion matrix has room for
COLOURS = {"right": "green", "wrong": "bold red", "cannot judge": "yellow"}


def console() -> Console:
    found = Console(highlight=False)
    return found if found.is_terminal or "COLUMNS" in os.environ else Console(highlight=False, width=WIDTH)


def titled(title: str, table: Table) -> Group:
    return Group(f"[bold]{title}[/]", table)


def table(*columns: str, right: Sequence[str] = ()) -> Table:
    found = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        found.add_column(column, justify="right" if column in right else "left")
    return found


def network(rows: Sequence[Row]) -> Group:
    found = table("layer", "", "output", "parameters", "backward", right=["parameters"])
    for row in rows:
        shape = " x ".join(map(str, row.shape[1:]))
        size = f"{row.size:,}" if row.size else ""
        found.add_row(row.name, row.kind, shape, size, escape(backward(row.layer.learning)))
    found.add_section()
    found.add_row("", "", "", f"{sum(row.size for row in rows):,}", "")
    return titled("The network", found)


def verdicts(found: Sequence[Verdict], examples: int) -> Group:
    title = f"The derivative of every layer, checked at {examples} examples against differences"
    columns = "layer", "", "error", "in float32", "verdict", "moved off a kink or tie"
    shown = table(*columns, right=["error", "in float32", "moved off a kink or tie"])
    for v in found:
        says = f"[{COLOURS[v.says]}]{v.says}[/]" + (f": {escape(v.why)}" if v.why else "")
        moved = f"{v.moved:,} of {v.size:,}" if v.moved else ""
        shown.add_row(v.layer, v.kind, f"{v.error:.1e}", f"{v.single:.1e}", says, moved)
    return titled(title, shown)


def confusion(counts: np.ndarray, classes: Sequence[str]) -> Group:
    """Rows are the true classes; of many classes, only what was confused most often."""
    names = [escape(on_one_line(name)) for name in classes]
    if len(classes) > MOST:
        return confusions(counts, names)
    found = table("", *names, right=names)
    for k, (name, row) in enumerate(zip(names, counts)):
        cells = [f"[bold]{n}[/]" if k == j else str(n) if n else "." for j, n in enumerate(row)]
        found.add_row(name, *cells)
    return titled("Confusion: true class (row), taken for (column)", found)


def confusions(counts: np.ndarray, names: Sequence[str]) -> Group:
    found = table("true class", "taken for", "times", right=["times"])
    wrong = counts * (1 - np.eye(len(names), dtype=int))
    for place in wrong.argsort(axis=None, kind="stable")[::-1][:MOST]:
        i, j = divmod(int(place), len(names))
        if wrong[i, j]:
            found.add_row(names[i], names[j], str(wrong[i, j]))
    return titled("What was confused most often", found)


def line(epoch: Epoch, epochs: int) -> str:
    """An epoch in a line."""
    says = f"epoch {epoch.epoch:>{len(str(epochs))}}/{epochs}  loss {nats(epoch.loss)}"
    if epoch.test_loss is not None and epoch.accuracy is not None:
        says += f"  held out: loss {nats(epoch.test_loss)}, {epoch.accuracy:.2%} right"
    return f"{says}  {epoch.seconds:.1f} s"


def nats(loss: float) -> str:
    return f"{loss:.4f}" if loss < 1000 else f"{loss:.1e}"


def bits(loss: float) -> str:
    """A loss in nats, as what a character of the text costs."""
    return f"{loss / log(2):.3f} bits per character"


@contextmanager
def progress(console: Console, batches: int) -> Iterator[tuple[Callable[[], Any], Callable[[str], Any]]]:
    """Two functions: one for each batch, which moves the bar, and one for each epoch, which prints a line."""
    if not console.is_terminal:
        yield (lambda: None), (lambda text: console.print(text, markup=False))
        return
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("training", total=batches)
        yield (lambda: bar.advance(task)), (lambda text: bar.console.print(text, markup=False))
