"""The encoder that the tests of extraction share."""

from __future__ import annotations

from pathlib import Path

import pytest

from avzoo.extract import Encoder, load


@pytest.fixture(scope="session")
def encoder(nano_checkpoint: Path) -> Encoder:
    return load(nano_checkpoint, device="cpu")
