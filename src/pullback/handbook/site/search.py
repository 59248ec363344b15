"""The index of the search: sections of pages, with what they say. A script on the page looks through it."""

import json
import re

from pullback.handbook.site.prose import plain

LONGEST = 600  # letters of a section


def entries(path: str, title: str, body: str) -> list[dict[str, str]]:
    """One for each section of a page."""
    _, *parts = re.split(r'<h2 id="([\w-]+)">(.*?)</h2>', body)
    lead = plain(body.partition("<h2")[0])[:LONGEST]
    found = [{"u": path, "t": plain(title), "s": "", "x": lead}]
    for anchor, heading, text in zip(parts[::3], parts[1::3], parts[2::3]):
        found.append({"u": f"{path}#{anchor}", "t": plain(title), "s": plain(heading), "x": plain(text)[:LONGEST]})
    return found


def script(found: list[dict[str, str]]) -> str:
    """A script, since a page that was opened from a disk may not read other files."""
    return "window.pullbackIndex = " + json.dumps(found, ensure_ascii=False, separators=(",", ":")) + ";\n"
