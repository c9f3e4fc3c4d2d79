"""The pieces of the page that show clips, as HTML. Everything that is not fixed is escaped."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from html import escape

from PIL import Image

from avzoo.demo.attention import Attention
from avzoo.demo.library import Moment
from avzoo.demo.previews import jpeg
from avzoo.demo.retriever import Answer, Example, Query
from avzoo.retrieval import Direction

_NAMES = {"video": "picture", "audio": "sound"}


def gallery(moments: Iterable[Moment]) -> str:
    """Stills with titles, each a button; ``data-moment`` holds the number."""
    items = "".join(
        f'<button type="button" class="av-thumb" data-moment="{moment.number}" title="{escape(moment.title)}">'
        f'<img loading="lazy" src="moments/{moment.number}.jpg" alt=""><span>{_name(moment.title)}</span></button>'
        for moment in moments
    )
    return f'<div class="av-grid">{items}</div>'


def moment_query(query: Query, moment: Moment) -> str:
    """The card of a query that is a moment of the index."""
    return _query(query, f"moments/{moment.number}.mp4", f"moments/{moment.number}.jpg")


def example_query(example: Example) -> str:
    """The card of a query from outside; clip and picture are in the page itself, the server keeps neither."""
    return _query(
        example.query, _data("video/mp4", example.clip), _data("image/jpeg", example.still), example.query.duration
    )


def _query(query: Query, clip: str, still: str, duration: float | None = None) -> str:
    times = span(query.start, query.end)
    if duration is not None and duration > query.end + 0.1:
        times = f"the first {query.end:.0f} s of {duration:.0f} s"
    return (
        f'<div class="av-query">{_player(clip, still, "auto")}'
        f'<div><small>Your query</small><b title="{escape(query.title)}">{_name(query.title)}</b>'
        f'<span class="av-time">{times}</span></div></div>'
    )


def legend(direction: Direction) -> str:
    """What the answers are."""
    given, wanted = (_NAMES[modality] for modality in direction.split("-"))
    return message(f"The {wanted}s most like the {given} of your query, with their cosine similarity (at most 1).")


def answers(found: Iterable[Answer], with_attention: bool) -> str:
    """Cards of answers, best first: player, title, moment and score; the attention shown is that of the first."""
    items = "".join(_answer(answer, with_attention, index == 0) for index, answer in enumerate(found))
    return f'<ol class="av-answers">{items}</ol>'


def _answer(answer: Answer, with_attention: bool, chosen: bool) -> str:
    moment = answer.moment
    look = (
        f'<button type="button" class="av-eye{" av-chosen" * chosen}" data-look="{moment.number}" '
        'title="Show where the encoder looked in this one">where it looked</button>'
        if with_attention
        else ""
    )
    width = 100 * max(0.0, min(1.0, answer.score))
    return (
        f'<li class="av-answer" data-number="{moment.number}">'
        f"{_player(f'moments/{moment.number}.mp4', f'moments/{moment.number}.jpg', 'none')}"
        f'<div class="av-bar" aria-hidden="true"><i style="width:{width:.0f}%"></i></div>'
        f'<p><b title="{escape(moment.title)}">{_name(moment.title)}</b>'
        f'<span class="av-score" title="cosine similarity">{answer.score:.3f}</span></p>'
        f'<p><span class="av-time">{span(moment.start, moment.end)}</span>{look}</p></li>'
    )


def attention(title: str, looked: Attention | None) -> str:
    """The pictures of where the encoder looked."""
    if looked is None:
        return ""
    parts = [f"<h3>Where it looked: {_name(title)}</h3>"]
    if looked.video is not None:
        parts.append(_figure(looked.video, "The picture as time goes on; bright where the encoder attended most."))
    if looked.audio is not None:
        parts.append(_figure(looked.audio, "The sound: time from left to right, pitch from bottom to top."))
    return f'<div class="av-look">{"".join(parts)}</div>'


def _figure(picture: Image.Image, caption: str) -> str:
    return (
        f'<figure><img src="{_data("image/jpeg", jpeg(picture))}" alt="Heat map. {caption}">'
        f"<figcaption>{caption}</figcaption></figure>"
    )


def message(text: str, kind: str = "note") -> str:
    """A sentence for the reader; ``kind`` is ``note``, ``empty`` or ``error``."""
    role = ' role="alert"' if kind == "error" else ""
    return f'<p class="av-{kind}"{role}>{escape(text)}</p>'


def _name(title: str) -> str:
    """The last part of a path: what tells files apart, where there is little room."""
    return escape(title.rsplit("/", 1)[-1])


def span(start: float, end: float) -> str:
    """A moment in words, such as ``0.0 - 4.0 s`` or ``1:04.0 - 1:08.0``."""
    return f"{_clock(start)} - {_clock(end)}" if end >= 60 else f"{start:.1f} - {end:.1f} s"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds, 1), 60)
    return f"{int(minutes)}:{rest:04.1f}"


def _player(clip: str, still: str, preload: str) -> str:
    return f'<video controls playsinline preload="{preload}" poster="{still}" src="{clip}"></video>'


def _data(media_type: str, content: bytes) -> str:
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"
