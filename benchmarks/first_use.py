"""From a bare machine to the first answer of the demo: ``python -m benchmarks.first_use [--install]``.

With ``--install`` the repository is cloned into a temporary folder and set up there by ``make setup``, without pip's
cache: this downloads several gigabytes. The demo is then started with an empty cache folder, so that it renders and
embeds its gallery; headless Chromium opens the page, clicks the first clip and waits until answers are shown. A second
start, which finds the gallery, tells what building it took.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import sync_playwright

from benchmarks.common import Ratio, reporting, seconds_of

REPOSITORY = Path(__file__).parents[1]
GALLERY_AIM = 60.0  # seconds
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def install(folder: Path) -> None:
    """Clones the repository and sets it up in an environment of its own."""
    subprocess.run(["git", "clone", "--quiet", REPOSITORY, folder], check=True)  # noqa: S603, S607
    environment = os.environ | {"PIP_NO_CACHE_DIR": "1"}
    subprocess.run(["make", "setup"], cwd=folder, env=environment, check=True)  # noqa: S607


@contextmanager
def demo(python: Path, cache: Path, model: str | None) -> Iterator[str]:
    """A demo that runs while the block does; gives its address once it serves."""
    choice = ["--model", model] if model else []
    command: list[str | Path] = [python, "-m", "avzoo.cli", "demo", "--port", "0", *choice]
    environment = os.environ | {"XDG_CACHE_HOME": str(cache)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as server:  # noqa: S603
        try:
            for line in server.stdout or ():
                if "http://" in line:
                    yield "http://" + line.partition("http://")[2].split()[0]
                    return
            raise RuntimeError(f"the demo ended with exit code {server.wait()}")
        finally:
            server.terminate()


def first_answer(python: Path, cache: Path, model: str | None) -> dict[str, float]:
    """Starts the demo and searches once, as a visitor does.

    Returns:
        Seconds of each part: until the demo serves, until the browser shows the page, until it shows answers.
    """
    laps = [time.perf_counter()]
    with demo(python, cache, model) as address, sync_playwright() as playwright:
        laps.append(time.perf_counter())
        executable = next(filter(None, map(shutil.which, _BROWSERS)), None)
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(address)
        page.wait_for_selector("#gallery [data-moment]")
        laps.append(time.perf_counter())
        page.click("#gallery [data-moment]")
        page.wait_for_selector("#answers [data-look]", timeout=60_000)
        laps.append(time.perf_counter())
        browser.close()
    return {name: late - early for name, early, late in zip(("start", "page", "search"), laps, laps[1:], strict=False)}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--install", action="store_true", help="set up a fresh clone first; downloads gigabytes")
    parser.add_argument("--model", help="model of the demo; default: its own")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary, reporting("first_use") as report:
        report.settings = vars(arguments)
        folder, python = Path(temporary), Path(sys.executable)
        parts: dict[str, float] = {}
        if arguments.install:
            parts["install"] = seconds_of(lambda: install(folder / "clone"))
            python = folder / "clone" / ".venv" / "bin" / "python"
        else:
            report.notes.append("The installation was not measured: run with --install.")
        first, second = (first_answer(python, folder / "cache", arguments.model) for _ in range(2))
        parts["render, embed and index the gallery"] = first["start"] - second["start"]
        parts["start the demo"] = second["start"]
        parts["open the page"] = first["page"]
        parts["search"] = first["search"]
        parts["all"] = sum(parts.values())
        report.measurements = [
            {"part": name, "seconds": seconds, "minutes": seconds / 60} for name, seconds in parts.items()
        ]
        gallery = parts["render, embed and index the gallery"]
        report.ratios.append(Ratio("building the gallery: seconds", gallery, at_most=GALLERY_AIM))


if __name__ == "__main__":
    main()
