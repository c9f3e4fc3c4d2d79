"""What reading from a Hub and writing to it share: how the client's failures are told apart."""

from __future__ import annotations


def connection_errors() -> tuple[type[Exception], ...]:
    """What a connection that fails or breaks off raises; the client lets errors of its HTTP library through."""
    from huggingface_hub.errors import HfHubHTTPError

    # httpx in version 1 of the client, httpx2 in version 2.
    return (OSError, *(base for base in HfHubHTTPError.__mro__ if base.__module__.startswith("httpx")))


def first_line(error: BaseException) -> str:
    """The first line of an error's message, or its kind where it has none."""
    return str(error).strip().partition("\n")[0] or type(error).__name__
