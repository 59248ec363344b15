"""pullback against its peers, row by row: `make bench`, or `python benchmarks/bench.py --rows lstm,conv --rounds 1`.

Every library computes every row in a process of its own, one after the other, in rounds; peers that were far behind in
the first round are not asked again. A row's ratio in a round is the time of the best peer over ours, and the table
gives the median over the rounds, with the lowest and the highest. With --write, the table goes to the folder results,
under the name of the machine.

    python benchmarks/bench.py --rows xent --set batch=64 --set classes=10      the same rows at other sizes

The peers are installed by `make bench`, or by `pip install ".[peers]"`. The last row has none: it is what the
smallest call costs over the NumPy in it, as overhead.py measures it.
"""

import json
import os
import platform
import statistics
import subprocess
import sys
from contextlib import suppress
from datetime import date
from importlib.metadata import version
from pathlib import Path

import click
from processor import details, processor, short
from rich.console import Console
from rich.table import Table
from rows import ROWS, SMALL

HERE = Path(__file__).parent
FAR = 1.6  # times slower than the best peer: not asked again
ALWAYS = "torch", "jax"
ALSO = {
    "mlp": ("torch, fused optimiser", "torch.compile", "scikit-learn"),
    "cnn": ("torch, channels last", "torch, fused optimiser", "torch.compile"),
    "conv": ("torch, channels last",),
    "pool": ("torch, channels last",),
    "adam": ("torch, fused optimiser",),
    **dict.fromkeys(("pointwise", "xent"), ("torch.compile",)),
}
# These choose a slower OpenBLAS where they are set, or fewer threads; nobody here shall be slowed.
LEFT_OUT = (
    "OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "NUMBA_NUM_THREADS",
    "PULLBACK_THREADS",
)  # fmt: skip


def run(*args):
    """What a process printed, or what it said when it failed."""
    environment = {name: value for name, value in os.environ.items() if name not in LEFT_OUT}
    done = subprocess.run([sys.executable, *map(str, args)], capture_output=True, text=True, env=environment, cwd=HERE)
    if done.returncode:
        return None, (done.stderr.strip().splitlines() or ["no output"])[-1]
    return json.loads(done.stdout.splitlines()[-1]), ""


def resized(row, changes):
    """The row at other sizes: its name says so, and what was counted and wanted for its own is left out."""
    numbers = [name for name, size in row.sizes.items() if type(size) is int]
    for name in changes:
        if name not in numbers:
            has = f"it has {', '.join(numbers)}" if numbers else "it has none that can be set"
            raise click.BadParameter(f"{row.name!r} has no size {name!r}; {has}", param_hint="--set")
    told = ", ".join(f"{name}={size}" for name, size in changes.items())
    return row._replace(name=f"{row.name}, {told}", sizes=row.sizes | changes, must=None, aim=None, flops=0, bytes=0)


class Size(click.ParamType):
    name = "NAME=NUMBER"

    def convert(self, value, param, ctx):
        name, _, size = value.partition("=")
        if not name or not size.isdecimal():
            self.fail(f"{value!r} is no size; it should be as in batch=64", param, ctx)
        return name, int(size)


def measured(row, changes, rounds, threads, console):
    """By library, what every round found."""
    peers, found = [*ALWAYS, *ALSO.get(row.kind, ())], {}
    for k in range(rounds):
        for library in ["pullback", *peers]:
            if console.is_terminal:
                console.print(f"[dim]{row.name}, round {k + 1}: {library}".ljust(80), end="\r")
            result, error = run("worker.py", library, row.name, threads, json.dumps(changes))
            if result is None and library == "pullback":
                raise click.ClickException(f"{row.name}: {error}")
            if result is None:
                console.print(f"{row.name}: {library} failed: {error}", highlight=False)
                peers = [peer for peer in peers if peer != library]
            else:
                found.setdefault(library, []).append(result)
        if not peers:
            raise click.ClickException(f'{row.name}: there is nobody to compare with; pip install ".[peers]"')
        times = {peer: found[peer][-1]["seconds"] for peer in peers}
        peers = [peer for peer, time in times.items() if time <= FAR * min(times.values())]
    return found


def line(row, found, roof):
    """The cells of a row."""
    ours, peers = found["pullback"], {name: runs for name, runs in found.items() if name != "pullback"}
    ratios = [
        min(runs[k]["seconds"] for runs in peers.values() if len(runs) > k) / o["seconds"] for k, o in enumerate(ours)
    ]
    best = min(peers, key=lambda name: statistics.median(r["seconds"] for r in peers[name]))
    seconds = statistics.median(o["seconds"] for o in ours)
    share = row.flops / seconds / roof["flops"] if row.flops else row.bytes / seconds / roof["bandwidth"]
    roofline = (
        [f"{share:.0%} of {'multiply' if row.flops else 'copy'}", wanted(share, row.share)] if share else ["", ""]
    )
    memory = [statistics.median(r["memory"] for r in found[name]) for name in ("pullback", "torch") if name in found]
    ratio = statistics.median(ratios)
    return [
        row.name, duration(seconds), f"{best} {duration(statistics.median(r['seconds'] for r in peers[best]))}",
        f"{ratio:.2f}", f"{min(ratios):.2f} .. {max(ratios):.2f}",
        *(["", "", ""] if row.must is None else [f"{row.must:g}", f"{row.aim:g}", verdict(ratio, row.must, row.aim)]),
        *roofline, " / ".join(f"{m:.0f}" for m in memory),
    ]  # fmt: skip


def verdict(ratio, must, aim):
    return "aim" if ratio >= aim else "must" if ratio >= must else "short"


def wanted(share, least):
    """Of the roofline; compared as it is printed."""
    return f"{least:.0%}" + (", short" if round(share, 2) < least else "")


def small(rounds):
    """The cells of the smallest row: microseconds over NumPy itself, where less is better."""
    found = []
    for _ in range(rounds):
        result, error = run("overhead.py", SMALL.name)
        if result is None:
            raise click.ClickException(f"{SMALL.name}: {error}")
        found.append(result["over"])
    over = statistics.median(found)
    return [
        SMALL.name, f"{over:.1f} µs over NumPy", "", "", f"{min(found):.1f} .. {max(found):.1f} µs",
        f"< {SMALL.must:g} µs", f"< {SMALL.aim:g} µs", verdict(-over, -SMALL.must, -SMALL.aim), *["", "", ""],
    ]  # fmt: skip


COLUMNS = (
    "row", "ours", "best peer", "ratio", "spread", "must", "aim", "", "roofline", "wanted", "memory, MB: ours / torch",
)  # fmt: skip
NOTES = (
    "All rows are float32 but `small`, which is float64. Images lie channels last in memory for pullback, for "
    '"torch, channels last" and for JAX, channels first for the others.',
    "Roofline: the multiply-adds of the direct sum, over those of the register tile; or all that must be read and "
    "written, over what a copy reads and writes. It may be above 100%: Winograd's convolutions multiply less, "
    'caches hold what is read again, and a copy reads what it writes over, which is not counted. "Short" is '
    "what reaches less than is wanted.",
)


def duration(seconds):
    return f"{seconds * 1e6:.0f} µs" if seconds < 1e-3 else f"{seconds * 1e3:.2f} ms"


def commit():
    """The one that is measured, marked if files were changed since; nothing where there is no repository, or no Git."""
    asked = ["git", "describe", "--always", "--dirty", "--exclude=*"]
    with suppress(OSError, subprocess.CalledProcessError):
        found = subprocess.run(asked, capture_output=True, text=True, check=True, cwd=HERE).stdout
        return f"Commit {found.strip()}."
    return ""


def machine(threads, roof):
    here = ", ".join(filter(None, [" with ".join(filter(None, processor())), details(), f"{threads} threads"]))
    packages = ", ".join(f"{name} {version(name)}" for name in ("numpy", "numba", "torch", "jax", "scikit-learn"))
    told = (
        f"{date.today()}.", commit(), f"{here}; {platform.system()}, Python {platform.python_version()}; {packages}.",
        f"Measured in this run: multiply {roof['flops'] / 1e9:.0f} GFLOP/s, copy {roof['bandwidth'] / 1e9:.0f} GB/s.",
    )  # fmt: skip
    return " ".join(filter(None, told))


@click.command()
@click.option("--rows", default="", help="Only rows whose name holds one of these words, with commas between.")
@click.option("--rounds", default=3, show_default=True, type=click.IntRange(1))
@click.option("--threads", default=2, show_default=True, type=click.IntRange(1))
@click.option("--set", "sizes", multiple=True, type=Size(), help="Another size for all of these rows, as in batch=64.")
@click.option("--write", is_flag=True, help="Write results/MACHINE.md.")
def main(rows, rounds, threads, sizes, write):
    """pullback against its peers."""
    console, words = Console(width=max(Console().width, 150)), [word.strip() for word in rows.split(",")]
    chosen = [row for row in (*ROWS, SMALL) if any(word in row.name for word in words)]
    if not chosen:
        raise click.BadParameter(f"no row holds {rows!r}; there are {', '.join(row.name for row in (*ROWS, SMALL))}")
    if sizes and write:
        raise click.UsageError("results/ holds the rows at their own sizes: --set and --write do not go together")
    changes = dict(sizes)
    shown = [resized(row, changes) if changes else row for row in chosen]
    if console.is_terminal:
        console.print("[dim]compiling what is not compiled yet".ljust(80), end="\r")
    run("warm.py", threads, json.dumps(changes), *(row.name for row in chosen))  # what fails fails again, and says so
    roof, error = run("roofline.py", threads)
    if roof is None:
        raise click.ClickException(f"the machine could not be measured: {error}")
    cells = []
    for row, named in zip(chosen, shown):
        found = small(rounds) if row is SMALL else line(named, measured(row, changes, rounds, threads, console), roof)
        console.print(" · ".join(filter(None, found[:5])).ljust(80), highlight=False)  # a whole run takes half an hour
        cells.append(found)
    table = Table(*COLUMNS, title="Forward and backward, float32")
    for row in cells:
        table.add_row(*row)
    console.print(table)
    for paragraph in (machine(threads, roof), *NOTES):
        console.print(paragraph, highlight=False)
    if write:
        file = HERE / "results" / f"{short(*processor())}.md"
        file.write_text(page(cells, machine(threads, roof), rounds), encoding="utf-8")


def page(cells, described, rounds):
    text = ["# pullback against its peers", "", f"`make bench` wrote this: {rounds} rounds. {described}", ""]
    text += [part for note in NOTES for part in (note, "")]
    text += ["| " + " | ".join(COLUMNS) + " |", "|" + " --- |" * len(COLUMNS)]
    text += ["| " + " | ".join(row) + " |" for row in cells]
    return "\n".join(text) + "\n"


if __name__ == "__main__":
    main()
