"""What a check found: a verdict, the cause, and what could not have been seen. A person reads it in ten seconds."""

import html
import json
import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

RIGHT, WRONG, CANNOT = "right", "wrong", "cannot judge"


@dataclass(frozen=True)
class Cause:
    """A class of faults that explains what was seen, and why it is suspected."""

    name: str
    evidence: str
    hint: str = ""
    guess: bool = False  # the evidence would fit much else
    exact: bool = False  # it says what was done to every number


@dataclass(frozen=True)
class Finding:
    """The verdict on the gradient of one input."""

    name: str  # of the input
    verdict: str
    error: float = 0.0  # the largest difference from the truth
    uncertainty: float = 0.0  # of the truth there
    index: tuple[int, ...] = ()  # the worst element
    found: complex | None = None  # the gradient given there
    wanted: complex | None = None  # and the right one
    where: str = ""  # at which inputs
    causes: tuple[Cause, ...] = ()  # the likeliest first
    mend: str = ""  # a change of one step of backward with which it is right, if one was found
    projection: bool = False  # are the numbers of no element, but of all of them along a direction?

    @property
    def cause(self) -> str:
        return self.causes[0].name if self.causes else "unknown" if self.verdict == WRONG else ""

    @property
    def hint(self) -> str:
        return (self.causes[0].hint or self.causes[0].evidence) if self.causes else ""

    @property
    def ratio(self) -> complex | None:
        return self.found / self.wanted if self.found is not None and self.wanted else None


@dataclass(frozen=True)
class Report:
    """A verdict with its reasons. `notes` are what is worth knowing and no fault, such as a convention at a kink."""

    name: str
    verdict: str
    findings: tuple[Finding, ...] = ()
    power: tuple[str, ...] = ()  # what this check could not have seen
    notes: tuple[Cause, ...] = ()
    reason: str = ""  # why it cannot be judged
    tried: int = 0  # at how many inputs
    complex: bool = False  # are there complex numbers, whose gradients may follow either convention?

    @property
    def leading(self) -> Finding | None:
        """The finding that says most: a gradient that has no values to compare; or the first whose cause is exact, or
        more than a guess. What is wrong in the gradient of a bias is seen there, and is hidden in that of the input,
        where much comes together."""
        wrong = [finding for finding in self.findings if finding.verdict == WRONG]
        plain = [finding for finding in wrong if finding.found is None]
        exact = [finding for finding in wrong if finding.causes and finding.causes[0].exact]
        known = [finding for finding in wrong if finding.causes and not finding.causes[0].guess]
        return next(iter([*plain, *exact, *known, *wrong]), None)

    @property
    def cause(self) -> str:
        return self.leading.cause if self.leading else ""

    @property
    def causes(self) -> tuple[Cause, ...]:
        return self.leading.causes if self.leading else ()

    def __bool__(self) -> bool:
        """Is it right? So `assert pullback.check(...)` says what it seems to say."""
        return self.verdict == RIGHT

    @property
    def heading(self) -> str:
        """The verdict, and the cause; "perhaps" where that is no more than what is wrong most often in such cases."""
        leading = self.leading.causes[:1] if self.leading else ()
        perhaps = "perhaps " if leading and leading[0].guess else ""
        return f"{self.name}: {self.verdict}" + (f" ({perhaps}{self.cause})" if self.cause else "")

    def __str__(self) -> str:
        lines = [self.heading]
        rows = [row(finding) for finding in self.findings]
        if rows:
            lines += table([HEAD, *rows])
        for title, text in self.remarks():
            lines += [f"  {title:<9} {text}"]
        return "\n".join(lines)

    def remarks(self) -> list[tuple[str, str]]:
        """What is said below the table, with titles."""
        said = [("reason", self.reason)] if self.reason else []
        if self.leading:
            said += [("where", self.leading.where)] if self.leading.where else []
            plain = [cause for cause in self.causes if not cause.guess or self.causes[0].guess]
            for k, cause in enumerate(plain[:3]):
                said.append(("cause" if k == 0 else "or", f"{cause.name}: {cause.evidence}"))
                said += [("hint", cause.hint)] if cause.hint and k == 0 else []
            said += [("mend", text) for text in self.mends()]
        said += [("note", f"{note.name}: {note.evidence}" if note.name else note.evidence) for note in self.notes]
        return said + [("unseen", text) for text in self.power]

    def mends(self) -> list[str]:
        """Each change, that of the leading gradient first; and of which it is, if others stay wrong with it."""
        wrong = [finding for finding in self.findings if finding.verdict == WRONG]
        found: dict[str, list[str]] = {self.leading.mend: []} if self.leading else {}
        for finding in wrong:
            found.setdefault(finding.mend, []).append(finding.name)
        of = lambda names: "" if len(names) == len(wrong) else f"{', '.join(names)} alone: "
        return [f"{of(names)}right with {mend}" for mend, names in found.items() if mend]

    def _repr_html_(self) -> str:
        cells = lambda row, tag: "".join(f"<{tag}>{html.escape(text)}</{tag}>" for text in row)
        rows = "".join(f"<tr>{cells(row(finding), 'td')}</tr>" for finding in self.findings)
        remarks = "".join(f"<dt>{title}</dt><dd>{html.escape(text)}</dd>" for title, text in self.remarks())
        head = f"<p><b>{html.escape(self.heading)}</b></p>"
        return f"{head}<table><tr>{cells(HEAD, 'th')}</tr>{rows}</table><dl>{remarks}</dl>"

    def to_json(self) -> str:
        findings = [
            asdict(finding) | {"cause": finding.cause, "hint": finding.hint, "ratio": finding.ratio}
            for finding in self.findings
        ]
        report = asdict(self) | {"cause": self.cause, "findings": findings}
        return json.dumps(plain(report), allow_nan=False)


HEAD = ["gradient of", "verdict", "error", "at", "yours", "right", "ratio"]


def row(finding: Finding) -> list[str]:
    known = finding.found is not None
    at = "a projection" if finding.projection else f"[{', '.join(map(str, finding.index))}]" if known else ""
    digits = enough(finding.found, finding.wanted)
    values = [number(value, digits) for value in (finding.found, finding.wanted, finding.ratio)]
    return [finding.name, finding.verdict, error(finding), at, *values]


def error(finding: Finding) -> str:
    """What is wrong may be no number; what is right is 0 as far as can be told, or off by what rounding does."""
    if finding.verdict == RIGHT:
        return number(finding.error, 1) if finding.error > finding.uncertainty else "0"
    return number(finding.error) if finding.found is not None else ""


def enough(found: complex | None, wanted: complex | None) -> int:
    """Digits that tell the two apart: four, or more where they begin alike."""
    if found is None or wanted is None or found == wanted:
        return 4
    return next((digits for digits in range(4, 17) if number(found, digits) != number(wanted, digits)), 17)


def table(rows: list[list[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows)]
    return ["  " + "  ".join(text.ljust(width) for text, width in zip(row, widths)).rstrip() for row in rows]


def number(value: complex | None, digits: int = 4) -> str:
    return "" if value is None else f"{value:.{digits}g}"


def plain(value: Any) -> Any:
    """JSON knows no complex numbers, none of NumPy's, and neither nan nor infinity: they become text."""
    if isinstance(value, dict):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, complex) or isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if isinstance(value, str | int | float | None) else str(value)
