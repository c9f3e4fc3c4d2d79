"""The root of every error that the user, and not a defect, causes.

The bottom layer: any part of the package may import it, it imports nothing.
"""

from __future__ import annotations


class AvzooError(ValueError):
    """Something the caller passed cannot be used; the message is one sentence saying what was wrong and what to do.

    The command line prints the message alone, on standard error, and exits with status 2; every other exception is a
    defect and keeps its traceback. A part of the package subclasses it where callers need to tell causes apart, e.g.
    ``class MediaError(AvzooError)`` with a ``reason``.
    """
