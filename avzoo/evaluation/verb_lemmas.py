"""Verbs of English and their base forms, out of WordNet.

The package has what of WordNet 3.0 is needed for that, in ``wordnet_verbs``: the one-word lemmas of its ``index.verb``
and the irregular forms of its ``verb.exc``, with its licence.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources
from pathlib import Path

from .arrays import EvaluationError

_ENDINGS = (("s", ""), ("ies", "y"), ("es", "e"), ("es", ""), ("ed", "e"), ("ed", ""), ("ing", "e"), ("ing", ""))


class VerbLemmas:
    """Base forms of verbs, as WordNet's rules find them.

    Args:
        verbs: Base forms of all verbs.
        irregular: Base forms of irregular forms.
    """

    def __init__(self, verbs: Iterable[str], irregular: Mapping[str, tuple[str, ...]]) -> None:
        self._verbs = frozenset(verbs)
        self._irregular = irregular

    @staticmethod
    @cache
    def packaged() -> VerbLemmas:
        """The verbs of WordNet 3.0."""
        folder = resources.files("avzoo.evaluation").joinpath("wordnet_verbs")
        return _parse(*(folder.joinpath(name).read_text(encoding="utf-8") for name in ("index.verb", "verb.exc")))

    @staticmethod
    def of_wordnet(folder: Path) -> VerbLemmas:
        """The verbs of a WordNet on disk.

        Args:
            folder: Where its ``index.verb`` and ``verb.exc`` lie (``dict`` of the official archive).

        Raises:
            EvaluationError: A file is missing or no text.
        """
        try:
            return _parse(*((folder / name).read_text(encoding="utf-8") for name in ("index.verb", "verb.exc")))
        except (OSError, UnicodeDecodeError) as error:
            raise EvaluationError(
                f"{folder} is no folder of a WordNet: {error}; give the one with index.verb and verb.exc"
            ) from error

    def __call__(self, word: str) -> str:
        """The shortest base form of a word that can be one of a verb; the word itself where none can.

        WordNet knows no better than the spelling: "riding" may come of "ride" and of "rid", and the shorter is taken,
        as NLTK's lemmatiser and with it the released code of OOD-VSSL do.
        """
        forms = self._irregular.get(word)
        if forms is None:
            forms = tuple(word.removesuffix(ending) + new for ending, new in _ENDINGS if word.endswith(ending))
        return min((form for form in (word, *forms) if form in self._verbs), key=len, default=word)


def _parse(index: str, exceptions: str) -> VerbLemmas:
    # Lines of WordNet's licence, before the words, begin with a space.
    verbs = (line.split(maxsplit=1)[0] for line in index.splitlines() if line.strip() and not line.startswith(" "))
    irregular = (line.split() for line in exceptions.splitlines() if line.strip())
    return VerbLemmas(verbs, {form: tuple(lemmas) for form, *lemmas in irregular})
