"""`python -m pullback.handbook.site FOLDER [KATEX]` builds the site; `--stamp` says that all twins are fresh."""

import sys
from pathlib import Path

from pullback.handbook.site import twins
from pullback.handbook.site.build import build

if sys.argv[1:] == ["--stamp"]:
    twins.stamp_all()
elif 2 <= len(sys.argv) <= 3 and not sys.argv[1].startswith("-"):
    print(build(Path(sys.argv[1]), Path(sys.argv[2]) if sys.argv[2:] else None))
else:
    sys.exit((__doc__ or "").strip())
