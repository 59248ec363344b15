"""The command line. What it offers lives elsewhere, and is imported when it is asked for."""

import os
import sys
from io import TextIOWrapper
from typing import Any

import click

from pullback import __version__, interrupts
from pullback.errors import PullbackError


class Commands(click.Group):
    """Whatever a user can get wrong ends here, in one line on stderr and exit code 2."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, TextIOWrapper):  # where σ cannot be written, `?` can
                stream.reconfigure(errors="replace")
        try:
            with interrupts.kept():
                sys.exit(super().main(*args, **kwargs | {"standalone_mode": False}) or 0)
        except BrokenPipeError:  # whoever read our output has read enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(1)
        except (KeyboardInterrupt, click.Abort):
            fail("stopped", 130)
        except click.exceptions.NoArgsIsHelpError as error:
            click.echo(error.format_message(), err=True)
            sys.exit(2)
        except click.ClickException as error:
            fail(error.format_message(), 2)
        except OSError as error:
            fail(f"{error.filename or 'the system'}: {error.strerror or error}", 2)
        except PullbackError as error:
            fail(str(error), getattr(error, "exit_code", 2))
        except MemoryError as error:
            fail(f"out of memory: {error}", 2)


def said(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    """Text that says something."""
    if value == "":
        raise click.BadParameter("it is empty; give a name, or leave it out")
    return value


def fail(message: str, code: int) -> None:
    click.echo("pullback: " + " ".join(message.split()), err=True)
    sys.exit(code)


def one_thread() -> None:
    """Matrices of small networks are multiplied sooner by one thread than by two that wait for each other: ten times
    sooner on a busy machine. And the last bits do not depend on the number of cores. Said before NumPy is imported."""
    if "OMP_NUM_THREADS" not in os.environ:
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="pullback %(version)s")
def main() -> None:
    """The derivative of every neural-network layer in closed form: computed, explained, and used to check yours."""


@main.command()
@click.argument("data", callback=said)
@click.option("--target", callback=said, metavar="COLUMN", help="The column of a .csv file that holds the classes.")
@click.option(
    "--model", callback=said, metavar="NAME", help="cnn, mlp, rnn, lstm, gru, or a .toml file that names layers."
)
@click.option("--epochs", type=click.IntRange(1, 10**9), help="How often to go through the data, in all.")
@click.option("--batch", type=click.IntRange(1), help="Examples in a step.")
@click.option("--lr", type=float, help="Learning rate.")
@click.option("--optimizer", type=click.Choice(["sgd", "adam", "adamw"]))
@click.option("--seed", type=click.IntRange(0), help="All chance follows from it: the same seed, the same weights.")
@click.option("--resume", is_flag=True, help="Go on where the last run with these data was stopped.")
@click.option(
    "--out", callback=said, metavar="FOLDER", help="Where to write; runs/ and the name of the data by default."
)
def train(data: str, **options: Any) -> None:
    """Train a network on DATA: digits, mnist5k, text, or your own.

    Your own are a .npz, .csv or .txt file, a file or folder of MNIST's kind, or a folder of images by class.
    """
    one_thread()
    from pullback.train import job, report

    job.train(data, report.console(), **options)


@main.command()
@click.argument("run", callback=said)
@click.argument("input", callback=said)
def predict(run: str, input: str) -> None:
    """Use the RUN in a folder on INPUT: a file of examples, or the beginning of a text.

    It prints a line for each example, in order: the likeliest class, and its probability; or how the text goes on.
    """
    from pullback.train import predict

    for line in predict.lines(run, input):
        click.echo(line)


@main.command("list")
def list_rules() -> None:
    """All rules with their signatures, one a line."""
    from pullback.handbook.page import listing

    click.echo(listing())


@main.command()
@click.argument("rule")
def show(rule: str) -> None:
    """What RULE means: formula, shapes, hyperparameters, cases, and where it is written."""
    from pullback.handbook.page import page

    click.echo(page(rule))


@main.command(context_settings={"ignore_unknown_options": True})
@click.argument("rule")
@click.argument("numbers", nargs=-1, type=click.UNPROCESSED)
@click.option("--lang", type=click.Choice(["en", "zh"]), help="English or Chinese; by default that of the locale.")
@click.option("--ascii", is_flag=True, help="Only letters that every terminal has; in English.")
@click.option("--latex", is_flag=True, help="A piece of a LaTeX document.")
@click.option("--json", is_flag=True, help="All numbers, as JSON.")
@click.option("--html", callback=said, metavar="FILE", help="Write a page to FILE.")
@click.option("--convention", is_flag=True, help="What frameworks return where there is no derivative.")
def explain(rule: str, numbers: tuple[str, ...], lang: str | None, convention: bool, **how: Any) -> None:
    """Explain RULE with your numbers: derivation, Jacobian, backward, kinks, memory, common mistakes.

    Arrays and hyperparameters are options of the rule's own names:

    \b
        pullback explain softmax --x 2,3 --gy 1,0
        pullback explain conv2d --x "[[[1,2],[3,4]]]" --stride 2
    """
    from pullback.handbook.explanation import command

    command.explain(rule, numbers, lang, convention, **how)


@main.command()
@click.argument("source", callback=said)
@click.argument("data", callback=said, required=False)
@click.option("--example", type=click.IntRange(0), default=0, show_default=True, help="Which held-out example.")
@click.option("--target", callback=said, metavar="COLUMN", help="The column of a .csv file that holds the classes.")
@click.option("--seed", type=click.IntRange(0), help="Of a model that has not learned; 0 by default.")
@click.option("--lang", type=click.Choice(["en", "zh"]), help="English or Chinese; by default that of the locale.")
@click.option("--ascii", is_flag=True, help="Only letters that every terminal has; in English.")
@click.option("--html", callback=said, metavar="FILE", help="Write a page to FILE.")
@click.option("--svg", callback=said, metavar="FILE", help="Write the picture to FILE.")
def trace(source: str, data: str | None, **options: Any) -> None:
    """The gradient's way back through a whole network, on one example.

    SOURCE is the folder of a run; or a model, as a .toml file or a name that `pullback train` knows, before it has
    learned: then DATA says what it reads.
    """
    one_thread()
    from pullback.train import way

    way.tell(source, data, **options)


@main.command()
@click.argument("target", callback=said)
@click.option(
    "--shape",
    "shapes",
    multiple=True,
    metavar="4,5",
    help="Of each array; 4<10: integers below 10; 4=0..1: numbers; 4,5=one-hot: a 1 in each row.",
)
@click.option("--like", callback=said, metavar="RULE", help="The rule that it is meant to be, such as linear.")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="A hyperparameter, such as stride=2.")
@click.option("--dtype", type=click.Choice(["float64", "float32"]), default="float64", show_default=True)
@click.option("--seed", type=click.IntRange(0), default=0, help="Of all random inputs.")
@click.option("--order", type=click.IntRange(1, 2), default=1, help="2: the second derivative too, where there is one.")
@click.option("--json", "as_json", is_flag=True, help="The reports as JSON.")
def check(target: str, **options: Any) -> None:
    """Is a backward right, and if not, what is wrong?

    TARGET is a file of layers, FILE.py, one pair in it, FILE.py:affine_forward,affine_backward, or one thing that has
    both, FILE.py:Affine. What is not given is guessed from names and by trying. Exit code 0: all right; 1: something is
    wrong; 3: something cannot be judged; 2: it did not come to that.
    """
    from pullback.check.files import command

    sys.exit(command.run(target, **options, say=click.echo))
