"""What the processor is called, how wide its vectors are, and what caches it has."""

import platform
import re
from pathlib import Path

VECTORS = dict(avx512f="AVX-512", avx2="AVX2", asimd="NEON")  # by what Linux calls them, the widest first
NUMBERS = dict(family="cpu family", model="model", stepping="stepping")
SAYS_NOTHING = r"\((?:R|TM)\)|\b(?:CPU|Processor|\d+-Core)\b|@.*"


def told():
    """What Linux says of the last core."""
    file = Path("/proc/cpuinfo")
    return dict(re.findall(r"^([\w ]+?)\s*: (.*)", file.read_text("utf-8"), re.M)) if file.exists() else {}


def processor():
    """Its name, and its vectors: "AMD EPYC", "AVX2"."""
    lines = told()
    flags = (lines.get("flags") or lines.get("Features", "")).split()
    name = lines.get("model name") or platform.processor() or platform.machine()
    return name, next((vectors for flag, vectors in VECTORS.items() if flag in flags), "")


def details():
    """What tells it from others of its name: "family 6, model 85, stepping 7, caches of 32K, 1024K, 36608K"."""
    lines = told()
    numbers = [f"{word} {lines[key]}" for word, key in NUMBERS.items() if key in lines]
    return ", ".join(numbers + ([f"caches of {', '.join(caches())}"] if caches() else []))


def caches(folder=Path("/sys/devices/system/cpu/cpu0/cache")):
    """The size of each level, of data."""
    found = [
        [(each / name).read_text().strip() for name in ("level", "type", "size")] for each in folder.glob("index*")
    ]
    return [size for _, kind, size in sorted(found) if kind != "Instruction"]


def short(name, vectors):
    """For the name of a file: "amd-epyc-avx2"."""
    return "-".join(re.findall(r"\w+", f"{re.sub(SAYS_NOTHING, '', name)} {vectors}".lower()))
