"""The encoder of a run on the Hub: at every save in the background, and at the end."""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from avzoo.checkpoints.card import render_card
from avzoo.checkpoints.contents import CARD_FILE, FILES
from avzoo.checkpoints.upload import MAIN, Upload, UploadError, open_repo, upload
from avzoo.errors import AvzooError
from avzoo.pretraining.arguments import AVTrainingArguments

logger = logging.getLogger(__name__)

_WORKSHOP = ".push"


class Publisher:
    """Sends checkpoint folders to the repository that the settings of a run name.

    Args:
        args: Settings: ``hub_model_id``, ``hub_private_repo``, ``hub_revision`` (a branch), ``hub_token``,
            ``hub_always_push``.

    Raises:
        AvzooError: The settings name no repository.
    """

    def __init__(self, args: AVTrainingArguments) -> None:
        if args.hub_model_id is None:
            raise AvzooError("push_to_hub needs to know the repository: give hub_model_id as OWNER/NAME.")
        self.args = args
        self.repo: str = args.hub_model_id
        self._workshop = Path(str(args.output_dir)) / _WORKSHOP
        self._worker = ThreadPoolExecutor(1, "avzoo-push")
        self._running: Future[None] | None = None

    def open(self) -> None:
        """Makes sure, before any work is done, that the repository can be written to.

        Raises:
            UploadError: It cannot; see `avzoo.checkpoints.upload`.
        """
        open_repo(self.repo, private=bool(self.args.hub_private_repo), token=self.args.hub_token)

    def send(self, folder: Path, message: str) -> Upload:
        """Sends the files of a checkpoint folder and nothing else, with a card that loads the repository.

        Raises:
            UploadError: The Hub refuses, or cannot be reached.
        """
        files = {name: folder / name for name in FILES if (folder / name).is_file()}
        with tempfile.TemporaryDirectory() as workshop:
            files[CARD_FILE] = Path(workshop, CARD_FILE)
            files[CARD_FILE].write_text(render_card(None, folder, reference=self.repo), encoding="utf-8")
            return upload(
                files,
                self.repo,
                message=message,
                branch=self.args.hub_revision or MAIN,
                private=bool(self.args.hub_private_repo),
                managed=FILES,
                token=self.args.hub_token,
            )

    def send_now(self, export: Callable[[Path], None], message: str) -> Upload:
        """Sends what ``export`` writes into the folder it is given, and waits until it is there.

        Raises:
            UploadError: The Hub refuses, or cannot be reached.
        """
        self.wait()
        try:
            return self.send(self._exported(export), message)
        finally:
            shutil.rmtree(self._workshop, ignore_errors=True)

    def send_in_background(self, export: Callable[[Path], None], message: str) -> None:
        """Exports now, and sends while training goes on.

        While an earlier one is under way nothing is done, unless ``hub_always_push`` says to wait for it. A failure is
        a warning: the next save tries again.
        """
        if self._running is not None and not self._running.done() and not self.args.hub_always_push:
            return
        self.wait()
        self._running = self._worker.submit(self._try, self._exported(export), message)

    def wait(self) -> None:
        """Waits for what is under way."""
        if self._running is not None:
            self._running.result()

    def _exported(self, export: Callable[[Path], None]) -> Path:
        shutil.rmtree(self._workshop, ignore_errors=True)  # a run that was killed may have left it
        self._workshop.mkdir(parents=True)
        export(self._workshop / self.repo.split("/")[1])
        return self._workshop / self.repo.split("/")[1]

    def _try(self, folder: Path, message: str) -> None:
        try:
            self.send(folder, message)
        except UploadError as error:
            logger.warning("The encoder was not published at this save: %s.", error)
        finally:
            shutil.rmtree(self._workshop, ignore_errors=True)
