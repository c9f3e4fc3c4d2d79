"""The retrieval demo as a script, for a Hugging Face Space or ``python demos/app.py [options of avzoo demo]``."""

from __future__ import annotations

import os
import sys

from avzoo.cli import main

if __name__ == "__main__":
    # A Space's container is reached from outside, and says so.
    space = ["--host", "0.0.0.0", "--port", "7860"] if "SPACE_ID" in os.environ else []  # noqa: S104
    raise SystemExit(main(["demo", *space, *sys.argv[1:]]))
