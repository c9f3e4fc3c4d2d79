"""A virtual environment that holds some installed distributions and what they require, and nothing else."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement


def required(names: list[str]) -> dict[str, metadata.Distribution]:
    """The distributions of those names and all that they require here, by name."""
    found: dict[str, metadata.Distribution] = {}
    waiting = list(names)
    while waiting:
        try:
            distribution = metadata.distribution(waiting.pop())
        except metadata.PackageNotFoundError:  # not needed on this machine
            continue
        name = distribution.metadata["Name"].lower()
        if name in found:
            continue
        found[name] = distribution
        for text in distribution.requires or ():
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting.append(requirement.name)
    return found


def make_environment(folder: Path, names: list[str]) -> Path:
    """Makes the environment, of links to what is installed here; returns its interpreter."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    site = next(folder.glob("lib*/python3*/site-packages"))
    for distribution in required(names).values():
        for file in distribution.files or ():
            top = file.parts[0]
            if top not in ("..", "__pycache__") and not top.endswith(".pth") and not (site / top).exists():
                (site / top).symlink_to(distribution.locate_file(top))
    return next(folder.glob("bin/python"))
