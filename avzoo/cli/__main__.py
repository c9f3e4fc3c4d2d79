"""``python -m avzoo.cli``, the command line for launchers that take a module (torchrun)."""

from __future__ import annotations

import sys

from avzoo.cli import main

if __name__ == "__main__":
    sys.exit(main())
