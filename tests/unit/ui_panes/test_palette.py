"""Ramps get brighter step by step, at every colour depth, and text can be read."""

from __future__ import annotations

from itertools import pairwise

import pytest

from obiterm.ui.paint.palette import (
    RAMP_STEPS,
    READABLE,
    contrast,
    faded,
    greyed,
    luminance,
    nearest_256,
    rgb,
    spread,
)
from obiterm.ui.theme import load_themes

NAMES = ("night-city", "amber-crt", "contrast")
_CUBE = {0, 95, 135, 175, 215, 255}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("depth", ["truecolor", "256"])
def test_ramps_only_get_brighter(name: str, depth: str) -> None:
    palette = load_themes().get(name).for_depth("256" if depth == "256" else "truecolor")
    for ramp in (palette.bid, palette.ask):
        assert len(ramp) == RAMP_STEPS
        assert all(luminance(one) <= luminance(two) + 1e-6 for one, two in pairwise(ramp))


@pytest.mark.parametrize("name", NAMES)
def test_a_ramp_in_256_colours_still_has_steps(name: str) -> None:
    palette = load_themes().get(name).for_depth("256")
    assert len(set(palette.bid)) >= 7
    assert len(set(palette.ask)) >= 7
    for colour in (*palette.bid, palette.text, palette.accent):
        red, green, blue = rgb(colour)
        is_grey = red == green == blue and (red - 8) % 10 == 0
        assert is_grey or {red, green, blue} <= _CUBE


@pytest.mark.parametrize("name", NAMES)
def test_text_can_be_read_on_every_ground(name: str) -> None:
    palette = load_themes().get(name)
    for ground in (palette.bg, palette.panel, palette.raised):
        assert contrast(palette.text, ground) >= 7
        assert contrast(palette.dim, ground) >= READABLE
        for hue in (palette.accent, palette.hot, palette.warn, palette.ok):
            assert contrast(hue, ground) >= 4.5
    for ramp in (palette.bid_text, palette.ask_text):
        assert all(contrast(colour, palette.panel) >= 2.4 for colour in ramp)


def test_the_contrast_theme_writes_no_number_darker_than_the_sixth_stop() -> None:
    palette = load_themes().get("contrast")
    assert palette.bid_text[0] == "#2f8fff"
    assert palette.ask_text[0] == "#f08a00"
    assert min(contrast(c, palette.panel) for c in (*palette.bid_text, *palette.ask_text)) >= 4.5


@pytest.mark.parametrize("name", NAMES)
def test_a_stale_palette_has_no_hue_in_its_market_colours(name: str) -> None:
    palette = greyed(load_themes().get(name))
    for colour in (*palette.bid, *palette.ask, *palette.bid_text, palette.now, palette.accent):
        assert len(set(rgb(colour))) == 1


def test_fading_stops_where_a_number_could_not_be_read() -> None:
    assert contrast(faded("#d7d9f5", "#0a0a18", 0.95), "#0a0a18") >= READABLE - 0.3
    assert faded("#1a1a2e", "#0a0a18", 0.5) == "#1a1a2e"


def test_interpolation_keeps_the_ends() -> None:
    ramp = spread(["#000000", "#ff0000", "#ffffff"], 5)
    assert ramp == ("#000000", "#800000", "#ff0000", "#ff8080", "#ffffff")
    assert nearest_256("#00d4e8") == "#00d7d7"
