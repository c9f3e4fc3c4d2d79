from __future__ import annotations

import pytest

from avzoo.pretraining.recipe import recipe_names
from benchmarks import papers


def test_every_recipe_is_in_the_page_of_papers():
    text = papers.PAGE.read_text(encoding="utf-8")
    assert [name for name in recipe_names() if f"`{name}`" not in text] == []


def test_the_page_is_what_its_sources_say():
    assert papers.PAGE.read_text(encoding="utf-8") == papers.page(), "run python -m benchmarks.papers"


@pytest.mark.parametrize("start", [*papers._PUBLISHED, *papers._CHECKPOINTS])
def test_figures_belong_to_recipes(start):
    assert any(name.startswith(start) for name in recipe_names())
