"""Killed at any moment and run again, an extraction ends with the bytes of one that was left alone."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from avzoo.extract import Encoder, extract

# Forks a process that extracts, kills it after a random while, and forks the next one, with more and more time, until
# one comes to its end.
# Files are decoded in the process itself: starting decode workers would take longer than all the rest.
SCRIPT = """
import os, random, signal, sys, time
from avzoo.extract import extract, lanes, load, run, workers
from avzoo.media import Limits

class Inline(workers.DecodeWorker):
    def decode(self, path, spec):
        return workers.decode(path, spec, self.limits)

lanes.DecodeWorker, run.prepare = Inline, lambda: None
media, checkpoint, out = sys.argv[1:]
encoder = load(checkpoint, device="cpu")
moments = random.Random(0)
for kills in range(100):
    child = os.fork()
    if child == 0:
        extract(media, encoder, out, batch_size=3)
        os._exit(0)
    end = time.monotonic() + moments.uniform(0, 0.1 * 1.3**kills)
    while time.monotonic() < end and os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        time.sleep(0.001)
    os.kill(child, signal.SIGKILL)
    if os.waitpid(child, 0)[1] == 0:
        break
    parts = os.listdir(os.path.join(out, "features")) if os.path.isdir(out) else []
    print(sum(part.endswith(".parquet") and not part.startswith(".") for part in parts))
"""


def test_any_number_of_kills_moves_no_byte(
    encoder: Encoder, nano_checkpoint: Path, tmp_path: Path, make_clip: Callable[..., Path]
) -> None:
    media = tmp_path / "media"
    for seed in range(36):
        make_clip(media / f"{seed}.mp4", seed, seconds=[2.0, 5.0, 13.0][seed % 3])
    (media / "broken.mp4").write_bytes(b"broken")
    whole = tmp_path / "whole"
    extract(media, encoder, whole, batch_size=3)

    killed = tmp_path / "killed"
    command = [sys.executable, "-c", SCRIPT, media, nano_checkpoint, killed]
    run = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr
    parts_after_kills = [int(line) for line in run.stdout.split()]
    assert any(0 < parts < 13 for parts in parts_after_kills), "no kill came in the middle"
    assert parts_after_kills == sorted(parts_after_kills), "finished parts were lost"

    files = sorted(path.relative_to(whole) for path in whole.rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(killed) for path in killed.rglob("*") if path.is_file())
    assert all((whole / file).read_bytes() == (killed / file).read_bytes() for file in files)
