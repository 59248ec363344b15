"""Fill docs/check.md with what its code prints. `make docs` runs this; a test compares."""

import io
import linecache
import re
from contextlib import redirect_stdout
from pathlib import Path

TARGET = Path(__file__).parent.parent / "docs" / "check.md"
BLOCK = re.compile(r"```python\n(?P<code>.*?)```(?P<between>\n+)(?:```text\n.*?```)?", re.DOTALL)


def text():
    """The page, every block of text behind a block of code written anew."""
    names = {}

    def filled(block):
        printed = io.StringIO()
        with redirect_stdout(printed):
            exec(compiled(block["code"]), names)
        shown = f"```text\n{printed.getvalue().rstrip()}\n```" if printed.getvalue() else ""
        return f"```python\n{block['code']}```{block['between']}{shown}"

    return BLOCK.sub(filled, TARGET.read_text("utf-8"))


def compiled(code):
    """With its source where a report looks for it, as a notebook has it."""
    name = f"<block {len(linecache.cache)}>"
    linecache.cache[name] = len(code), None, code.splitlines(keepends=True), name
    return compile(code, name, "exec")


if __name__ == "__main__":
    TARGET.write_text(text(), encoding="utf-8")
