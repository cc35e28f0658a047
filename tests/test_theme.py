"""Both themes can be read: contrast of at least 4.5:1 wherever text stands."""

import pytest

from gui import theme
from gui.theme import DARK, LIGHT, contrast

GROUNDS = ("ground", "panel", "control", "hover")
TEXTS = ("text", "quiet")


@pytest.mark.parametrize("one", [DARK, LIGHT], ids=lambda t: t.name)
def test_text_can_be_read_on_every_ground(one):
    low = {
        (text, ground): round(contrast(getattr(one, text), getattr(one, ground)), 2)
        for text in TEXTS
        for ground in GROUNDS
        if contrast(getattr(one, text), getattr(one, ground)) < 4.5
    }
    assert not low


@pytest.mark.parametrize("one", [DARK, LIGHT], ids=lambda t: t.name)
def test_coloured_text_can_be_read(one):
    pairs = {
        "on the main button": (one.on_accent, one.accent),
        "chosen": (one.accent, one.tint),
        "error": (one.danger, one.panel),
        "warning": (one.warning, one.panel),
        "empty page": (one.quiet, one.picture),
        **{f"series {n}": (colour, one.panel) for n, colour in enumerate(one.series_text)},
    }
    low = {name: round(contrast(*pair), 2) for name, pair in pairs.items() if contrast(*pair) < 4.5}
    assert not low


def test_labels_on_the_series_colours_can_be_read():
    from engine.palette import SERIES

    assert all(contrast("#101216", colour) >= 4.5 for colour in SERIES)


def test_contrast_is_that_of_wcag():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


def test_every_colour_of_the_style_sheet_is_filled_in():
    for one in (DARK, LIGHT):
        assert "@" not in theme.style_sheet(one)
