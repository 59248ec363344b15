"""The index of the search: sections of pages, with what they say. A script on the page looks through it."""

import json
import re

from pullback.handbook.site.prose import plain

LONGEST = 2000  # letters of a section: those of a chapter are shorter


def entries(path: str, title: str, body: str) -> list[dict[str, str]]:
    """One for each section of a page. What stands in front of the first one also holds the page's other names."""
    _, *parts = re.split(r'<h2 id="([\w-]+)">(.*?)</h2>', body)
    lead = body.partition("<h2")[0]
    names = plain(" ".join(re.findall(r'<p class="(?:name|symptoms)"[^>]*>(.*?)</p>', lead, re.DOTALL)))
    found = [{"u": path, "t": plain(title), "n": names, "s": "", "x": plain(lead)[:LONGEST]}]
    for anchor, heading, text in zip(parts[::3], parts[1::3], parts[2::3]):
        entry = {"u": f"{path}#{anchor}", "t": plain(title), "n": "", "s": plain(heading), "x": plain(text)[:LONGEST]}
        found.append(entry)
    return found


def script(found: list[dict[str, str]]) -> str:
    """A script, since a page that was opened from a disk may not read other files."""
    return "window.pullbackIndex = " + json.dumps(found, ensure_ascii=False, separators=(",", ":")) + ";\n"
