"""Class lists: which classes a set has, in which order, and which of them are wanted."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from avzoo.data.clips import DataError

#: The lists that come with the package, by name, and the SHA-256 of their files.
#:
#: ``kinetics_sound``: the 32 classes of Kinetics400 that CrissCross and XKD use (pritamqu/CrissCross, issue 4; code of
#: XKD). Versions differ between sources: the set was made of 34 classes of an early Kinetics (Arandjelovic and
#: Zisserman, 2017), whose labels were renamed later; others use 31 (IBM/AdaMML, issue 3: these without strumming
#: guitar) or 33. Numbers of different papers are therefore not always of the same data.
#:
#: ``ucf51``: the 51 classes of UCF101 whose videos have sound, in the order of CCL.
#:
#: ``mimetics10``, ``mimetics50``, ``actorshift``: classes of these sets; ``truze_unseen_ucf31``,
#: ``truze_unseen_hmdb22``: classes that Kinetics400 does not have, for zero-shot and open-set tests (TruZe, Gowda et
#: al., 2021); ``open_set_hmdb34``: classes of HMDB51 that UCF101 does not have. All as the released code of OOD-VSSL
#: has them.
PACKAGED = {
    "kinetics_sound": "cd0ef5940a10602da2a6bdad5c64623cef8e709f5bed1fca2f1f03259eee1476",
    "ucf51": "fbabb470ae8f3d5b0a07e59d0e3414d2dda7d779891dd0b13345d96394437ec0",
    "mimetics10": "bdc2c8dda38ec896c57a6ab43e6b97e5a47f829c66bb2169912efdf541da50a5",
    "mimetics50": "8e823dc55cecfe9c0e7f032a07e42804036ade04cb4a9fadb253e60d9b9e7094",
    "actorshift": "7681d6e293956f8f802ff98a9bc79eca97e704636d8a716f11744f3891474a6c",
    "truze_unseen_ucf31": "b437feb4a1f96ff66eff6f498326cb0b0add1151c4472e2b338982e4645b2fed",
    "truze_unseen_hmdb22": "93dd790bc63f0854da0af2569503bc6f47a263dc948e6171241a7002f5b8c9c7",
    "open_set_hmdb34": "4d1203eb06381a1be10d74ee60fcc3ad86c9541f87d3dea07f67a007352c3b5b",
}


@dataclass(frozen=True)
class ClassList:
    """Class names in order.

    Attributes:
        name: Name of a packaged list, or path of a file.
        names: The classes.
        sha256: Of the file.
    """

    name: str
    names: tuple[str, ...]
    sha256: str


def read_classes(source: str | Path) -> ClassList:
    """Reads a class list: one name per line; empty lines and those that start with # do not count.

    Args:
        source: Name of a packaged list (see `PACKAGED`), or a text file.

    Raises:
        DataError: There is no such list, it is empty, or it has a class twice.
    """
    if str(source) in PACKAGED:
        content = resources.files("avzoo.data.sets").joinpath("class_lists", f"{source}.txt").read_bytes()
    elif Path(source).is_file():
        content = Path(source).read_bytes()
    else:
        raise DataError(f"there is no class list {source}; give a text file or one of {', '.join(PACKAGED)}")
    try:
        lines = [line.strip() for line in content.decode("utf-8").splitlines()]
    except UnicodeDecodeError as error:
        raise DataError(f"class list {source} is no UTF-8 text") from error
    names = tuple(line for line in lines if line and not line.startswith("#"))
    if not names:
        raise DataError(f"class list {source} is empty")
    if len({same(name) for name in names}) < len(names):
        twice = next(name for i, name in enumerate(names) if same(name) in map(same, names[:i]))
        raise DataError(f"class list {source} has {twice!r} twice")
    return ClassList(str(source), names, hashlib.sha256(content).hexdigest())


def same(name: str) -> str:
    """What spellings of one class have in common: letters and digits, whatever their case.

    Copies of one set differ in spaces, underscores and case (``HandstandPushups``, ``HandStandPushups``).
    """
    return "".join(character for character in name.casefold() if character.isalnum())


class Classes:
    """The classes of a set, and the number of each.

    Args:
        known: The classes that the set has, in order.
        wanted: The classes to keep, in their order; None keeps all.
        expected: How many classes the set must have if ``wanted`` is None; None for any number.
        source: Where ``known`` comes from, for messages.

    Attributes:
        names: The classes that are kept, as the list of them spells them.

    Raises:
        DataError: A wanted class is unknown, or there are more or fewer classes than the set has.
    """

    def __init__(
        self, known: Iterable[str], wanted: ClassList | None, source: Path, expected: int | None = None
    ) -> None:
        spellings = {same(name): name for name in known}
        self.names: Sequence[str] = list(spellings.values()) if wanted is None else wanted.names
        if wanted is None and expected is not None and len(self.names) != expected:
            raise DataError(
                f"{source} has {len(self.names)} classes, and the set {expected}; for a part of it give classes, a "
                "text file with the names of the classes to keep"
            )
        for name in self.names:
            if same(name) not in spellings:
                near = difflib.get_close_matches(name, spellings.values(), n=1)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                raise DataError(f"class {name!r} of the list {wanted.name if wanted else ''} is not in {source}{hint}")
        self._numbers = {same(name): number for number, name in enumerate(self.names)}

    def number(self, name: str) -> int | None:
        """The number of a class however it is spelt; None for one that is not kept."""
        return self._numbers.get(same(name))
