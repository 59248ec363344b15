"""A bar for those who wait: on the terminal of stderr, once something has taken longer than a moment. In a notebook,
which is no terminal, it is a line that is written over."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, TypeVar

Item = TypeVar("Item")

MOMENT = 2.0  # seconds, before there is anything to be seen
PAUSE = 0.1  # and between two pictures of it


class Bar:
    """`with Bar("affine", steps) as bar:`, and `bar.step()` after each. Where nobody looks nothing is written.

    `steps` says how many there will be, whenever the bar is drawn. Inside of another bar it is silent.
    """

    shown: "Bar | None" = None

    def __init__(self, title: str, steps: Callable[[], float]) -> None:
        self.title, self.steps, self.done = title, steps, 0
        self.display: Any = None
        self.next = time.perf_counter() + MOMENT

    def __enter__(self) -> "Bar":
        self.waits = Bar.shown is None and sys.stderr is not None and (sys.stderr.isatty() or in_notebook())
        if self.waits:
            Bar.shown = self
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if Bar.shown is self:
            Bar.shown = None
        if self.display:
            self.display.stop()

    def step(self, title: str = "") -> None:
        self.done, self.title = self.done + 1, title or self.title
        if self.waits and time.perf_counter() >= self.next:
            self.draw()

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Out of the way of what is printed meanwhile."""
        if self.display:
            self.display.stop()
        yield
        if self.display:
            self.display.start()

    def draw(self) -> None:
        if not self.display:
            self.display = Line() if in_notebook() else rich_bar()
        self.display.update(self.display.task_ids[0], total=self.steps(), completed=self.done, description=self.title)
        self.display.refresh()
        self.next = time.perf_counter() + PAUSE


def in_notebook() -> bool:
    return type(sys.stderr).__module__.startswith("ipykernel.")


class Line:
    """What rich's bar does, as far as it is asked for here, where there is nothing but a carriage return."""

    task_ids = (0,)
    text = ""

    def update(self, _: int, total: float, completed: int, description: str) -> None:
        self.text = f"{description} {100 * completed / max(total, 1):.0f}%".ljust(len(self.text))

    def refresh(self) -> None:
        sys.stderr.write(f"\r{self.text}")
        sys.stderr.flush()

    start = refresh

    def stop(self) -> None:
        sys.stderr.write(f"\r{' ' * len(self.text)}\r")
        sys.stderr.flush()


def followed(title: str, items: Iterable[Item], count: int) -> Iterator[Item]:
    """The same items, with a bar that grows as they come."""
    with Bar(title, lambda: count) as bar:
        for item in items:
            yield item
            bar.step()


def rich_bar() -> Any:
    """Rich's, without a thread of its own or a hand on what the user's code prints. It vanishes at the end."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    columns = TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn(), TimeElapsedColumn()
    found = Progress(
        *columns, console=Console(stderr=True), transient=True, auto_refresh=False, redirect_stdout=False,
        redirect_stderr=False,
    )  # fmt: skip
    found.add_task("")
    found.start()
    return found
