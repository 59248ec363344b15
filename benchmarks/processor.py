"""What the processor is called, and how wide its vectors are."""

import platform
import re
from pathlib import Path

VECTORS = dict(avx512f="AVX-512", avx2="AVX2", asimd="NEON")  # by what Linux calls them, the widest first
SAYS_NOTHING = r"\((?:R|TM)\)|\b(?:CPU|Processor|\d+-Core)\b|@.*"


def processor():
    """Its name, and its vectors: "AMD EPYC", "AVX2"."""
    told = Path("/proc/cpuinfo").read_text("utf-8") if Path("/proc/cpuinfo").exists() else ""
    lines = dict(re.findall(r"^([\w ]+?)\s*: (.*)", told, re.M))
    flags = (lines.get("flags") or lines.get("Features", "")).split()
    name = lines.get("model name") or platform.processor() or platform.machine()
    return name, next((vectors for flag, vectors in VECTORS.items() if flag in flags), "")


def short(name, vectors):
    """For the name of a file: "amd-epyc-avx2"."""
    return "-".join(re.findall(r"\w+", f"{re.sub(SAYS_NOTHING, '', name)} {vectors}".lower()))
