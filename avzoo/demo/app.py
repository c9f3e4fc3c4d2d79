"""The page: what is shown, and what happens on which event."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

# Gradio reads it when it is imported, and would otherwise ask its makers' servers for news.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"

import gradio as gr

from avzoo.demo import cards
from avzoo.demo.attention import has_attention
from avzoo.demo.retriever import Query, QueryError, Retriever
from avzoo.errors import AvzooError
from avzoo.retrieval import Direction

_SHOWN = 64  # clips of the index that are offered as queries
_STALE = (600, 3600)  # every 10 minutes, remove uploads of which nothing was asked for an hour

_LABELS: dict[Direction, str] = {
    "video-video": "video → video: what looks alike",
    "audio-audio": "audio → audio: what sounds alike",
    "video-audio": "video → audio: which sound suits the picture",
    "audio-video": "audio → video: which picture suits the sound",
}

_HEADER = """
<header class="av-header">
  <h1>Search clips by example</h1>
  <p>Give a clip, and a self-supervised audio-visual encoder finds the moments that look or sound most like it. What
  you give is searched with here, offline, and deleted at once.</p>
</header>
"""

#: Clicks on buttons that carry a number become events that carry it.
_ON_CLICK = """
element.addEventListener('click', (event) => {
  const button = event.target.closest('[data-%(key)s]');
  if (!button) return;
  element.querySelectorAll('.av-chosen').forEach((other) => other.classList.remove('av-chosen'));
  button.classList.add('av-chosen');
  trigger('select', {number: Number(button.dataset.%(key)s)});
});
"""

#: Where the columns lie below each other, the answers are out of sight.
_SCROLL = "() => { if (innerWidth < 900) document.getElementById('found').scrollIntoView({behavior: 'smooth'}); }"

_PLACEHOLDER = cards.message("Pick a clip, upload a file, or record one: the answers appear here.", "empty")


@cache
def style() -> str:
    """The style sheet of the page."""
    return Path(__file__).with_name("style.css").read_text(encoding="utf-8")


def theme() -> gr.Theme:
    """The look of Gradio's own components, with fonts of the reader's machine."""
    return gr.themes.Soft(
        primary_hue="indigo",
        neutral_hue="slate",
        radius_size="sm",
        font=["system-ui", "sans-serif"],
        font_mono=["ui-monospace", "monospace"],
    )


class _Blocks(gr.Blocks):
    """Takes paths of uploads from the browser and no others.

    Gradio checks that only in servers that it launched itself; in those that it is mounted on, a request may name any
    file of this machine as its upload. In both it would fetch a URL that stands for a path.
    """

    uploads: Path

    async def preprocess_data(self, block_fn: Any, inputs: list[Any], *args: Any, **kwargs: Any) -> Any:
        """As Gradio's, on inputs that name uploads only."""
        for path in _paths(inputs):
            if not Path(path).resolve().is_relative_to(self.uploads):
                raise gr.Error("not an upload", print_exception=False)
        return await super().preprocess_data(block_fn, inputs, *args, **kwargs)


def _paths(value: Any) -> Iterator[str]:
    """Everything that Gradio could take for the path of a file."""
    if isinstance(value, dict):
        if "path" in value:
            yield str(value["path"])
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _paths(item)


def build(retriever: Retriever, uploads: Path) -> gr.Blocks:
    """Lays out the page and connects it with a retriever.

    Args:
        retriever: What answers.
        uploads: Folder into which Gradio puts uploads (its environment variable ``GRADIO_TEMP_DIR``).
    """
    directions, missing = retriever.directions()
    page = _Page(retriever)
    with _Blocks(title="avzoo: search clips by example", analytics_enabled=False, delete_cache=_STALE) as blocks:
        blocks.uploads = uploads.resolve()
        asked = gr.State(None)
        _html(_HEADER)
        with gr.Row(elem_id="columns"):
            with gr.Column(scale=5, min_width=320):
                _html(_step(1, "Pick a query"))
                with gr.Tabs(elem_id="sources"):
                    with gr.Tab("Clips", elem_id="clips"):
                        gallery = _html(
                            cards.gallery(retriever.library.samples(_SHOWN)),
                            js_on_load=_ON_CLICK % {"key": "moment"},
                            elem_id="gallery",
                        )
                    with gr.Tab("Upload"):
                        upload = gr.File(
                            label="A video or audio file", file_count="single", height=180, elem_id="upload"
                        )
                    with gr.Tab("Camera"):
                        camera = gr.Video(
                            sources=["webcam"],
                            include_audio=True,
                            webcam_options=gr.WebcamOptions(mirror=False),
                            label="A few seconds of picture and sound",
                            elem_id="camera",
                        )
                    with gr.Tab("Mic"):
                        microphone = gr.Audio(
                            sources=["microphone"],
                            type="filepath",
                            editable=False,
                            label="A few seconds of sound",
                            elem_id="microphone",
                        )
                _html(_step(2, "Choose what to compare"))
                direction = gr.Radio(
                    [(_LABELS[name], name) for name in directions],
                    value=directions[0] if directions else None,
                    show_label=False,
                    container=False,
                    elem_id="direction",
                )
                if missing is not None:
                    _html(cards.message(f"Other directions are off: {missing}."), elem_id="missing")
            with gr.Column(scale=8, min_width=320, elem_id="found"):
                _html(_step(3, "Play the answers, and see where the encoder looked"))
                status = _html(_PLACEHOLDER, elem_id="status")
                query_card = _html("", elem_id="query")
                answers = _html("", js_on_load=_ON_CLICK % {"key": "look"}, elem_id="answers")
                with gr.Row():
                    with gr.Column(min_width=280):
                        query_look = _html("", elem_id="query-look")
                    with gr.Column(min_width=280):
                        answer_look = _html("", elem_id="answer-look")

        found = [asked, direction, status, query_card, query_look, answers, answer_look]
        quiet: dict[str, Any] = {
            "api_visibility": "private",
            "concurrency_id": "encoder",
            "show_progress": "minimal",
            "show_progress_on": [status],
        }
        scroll: dict[str, Any] = {"fn": None, "js": _SCROLL, "api_visibility": "private"}
        gallery.select(page.pick, [direction], found, **quiet).then(**scroll)
        for component, arrived, title in (
            (upload, upload.upload, None),
            (camera, camera.stop_recording, "camera recording"),
            (microphone, microphone.stop_recording, "microphone recording"),
        ):
            # Without preprocessing: Gradio's own would convert files, and leave traces of them.
            receive = page.receiver(title)
            arrived(receive, [component, direction], [component, *found], preprocess=False, **quiet).then(**scroll)
        direction.input(page.turn, [asked, direction], [status, answers, answer_look], **quiet)
        answers.select(page.look, [], [status, answer_look], **quiet)
    return blocks


def _html(value: str, **options: Any) -> gr.HTML:
    """HTML with the style of this page's own sheet."""
    return gr.HTML(value, apply_default_css=False, **options)


def _step(number: int, text: str) -> str:
    return f'<h2 class="av-step"><i>{number}</i>{text}</h2>'


class _Page:
    """What happens on events; each method returns the new values of its outputs in order."""

    def __init__(self, retriever: Retriever) -> None:
        self._retriever = retriever
        self._with_attention = has_attention(retriever.encoder)

    def pick(self, direction: Direction, event: gr.EventData) -> tuple[Any, ...]:
        """A clip of the index was clicked."""
        try:
            number = event._data.get("number")
            query = self._retriever.from_moment(number)
            card = cards.moment_query(query, self._retriever.library.moment(number))
            look = cards.attention("your query", self._retriever.attention(number))
        except AvzooError as error:
            return self._failed(error)
        return self._asked(query, direction, card, look)

    def receiver(self, title: str | None) -> Callable[..., tuple[Any, ...]]:
        """What happens when a file was uploaded or recorded.

        Args:
            title: What to call the files; None for their own names.
        """

        def receive(uploaded: dict[str, Any] | None, direction: Direction) -> tuple[Any, ...]:
            """The first value empties the component; the file is gone when this returns."""
            if uploaded is None:
                return (gr.skip(),) * 8
            path = Path(uploaded["path"])
            try:
                example = self._retriever.from_file(path, title or str(uploaded.get("orig_name") or path.name))
                card, look = cards.example_query(example), cards.attention("your query", example.attention)
                return None, *self._asked(example.query, direction, card, look)
            except AvzooError as error:
                return None, *self._failed(error)
            finally:
                path.unlink(missing_ok=True)

        return receive

    def turn(self, query: Query | None, direction: Direction) -> tuple[Any, ...]:
        """Another direction was chosen."""
        if query is None:
            return (gr.skip(),) * 3
        return self._answered(query, direction)

    def look(self, event: gr.EventData) -> tuple[Any, ...]:
        """It was asked where the encoder looked in an answer."""
        try:
            return gr.skip(), self._answer_look(event._data.get("number"))
        except AvzooError as error:
            return cards.message(str(error), "error"), ""

    def _asked(self, query: Query, direction: Direction, card: str, look: str) -> tuple[Any, ...]:
        # A sound has no picture to start from: take the direction that suits it rather than refuse.
        for given in ("video", "audio"):
            if direction.startswith(given) and given not in query.vectors:
                direction = "audio-audio" if given == "video" else "video-video"
                break
        status, answers, answer_look = self._answered(query, direction)
        return query, direction, status, card, look, answers, answer_look

    def _failed(self, error: AvzooError) -> tuple[Any, ...]:
        return None, gr.skip(), cards.message(str(error), "error"), "", "", "", ""

    def _answered(self, query: Query, direction: Direction) -> tuple[Any, ...]:
        try:
            found = self._retriever.answers(query, direction)
            if not found:
                raise QueryError("the index holds nothing else to find")
            look = self._answer_look(found[0].moment.number) if self._with_attention else ""
        except AvzooError as error:
            return cards.message(str(error), "error"), "", ""
        return cards.legend(direction), cards.answers(found, self._with_attention), look

    def _answer_look(self, number: int) -> str:
        title = self._retriever.library.moment(number).title
        return cards.attention(title, self._retriever.attention(number))
