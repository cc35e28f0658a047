"""How a map looks: which side of it, which colour, where it lies on the picture."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from engine.saliency.blend import COLOURS, Show, blended, evidence, heat
from engine.saliency.types import Explanation, Target
from engine.weights.preprocessing import Preprocessing

PLAIN = Show(threshold=0.0, smoothing=0.0)


def spot(value: float = 1.0, row: int = 10, column: int = 20, size: int = 32) -> np.ndarray:
    """A map of 0 with one place that is not."""
    values = np.zeros((size, size), np.float32)
    values[row - 2 : row + 3, column - 2 : column + 3] = value
    return values


def explanation(values, shape, fit="stretch", method="grad_cam") -> Explanation:
    size = len(values)
    return Explanation(method, Target(0), values, shape, Preprocessing(size, size, fit), 0.5)


# the evidence


def test_one_side_of_a_map():
    values = np.array([[2, -3], [0, 1]], np.float32)
    assert evidence(values, False).tolist() == [[2, 0], [0, 1]]
    assert evidence(values, False, "against").tolist() == [[0, 3], [0, 0]]


def test_a_coarse_map_is_not_smoothed_and_a_fine_one_is():
    values = spot()
    assert np.array_equal(evidence(values, False), values)
    assert np.allclose(evidence(values, True), cv2.GaussianBlur(values, (0, 0), 4.0, borderType=cv2.BORDER_REPLICATE))
    assert np.array_equal(evidence(values, True, smoothing=0), values)


def test_numbers_of_opposite_sign_do_not_cancel_each_other():
    # as on the two sides of an edge: together they blur to nothing
    values = np.ones((64, 64), np.float32)
    values[:, ::2] = -1
    assert abs(cv2.GaussianBlur(values, (0, 0), 4.0))[:, 20:44].max() < 0.01
    for sign in ("for", "against"):
        assert np.allclose(evidence(values, True, sign)[:, 20:44], 0.5, atol=0.01)


def test_what_is_no_number_counts_as_nothing():
    values = spot()
    values[0, :3] = np.nan, np.inf, -np.inf
    for sign in ("for", "against"):
        assert np.isfinite(evidence(values, True, sign)).all()
    pixels, _shown = heat(values, PLAIN)
    assert not pixels[0].any()


def test_the_map_that_is_given_is_left_as_it_was():
    values = spot(-1)
    before = values.copy()
    heat(values, replace(PLAIN, sign="both"), fine=True)
    evidence(values, True, "against")
    assert np.array_equal(values, before)


# what is laid over


def test_the_strongest_is_opaque_and_nothing_is_clear():
    pixels, shown = heat(spot(), PLAIN)
    assert (pixels.shape, pixels.dtype) == ((32, 32, 4), np.uint8)
    assert pixels[10, 20, 3] == 255
    assert not pixels[0, 0].any()
    assert np.array_equal(shown, spot())


@pytest.mark.parametrize("show", [PLAIN, replace(PLAIN, sign="both"), replace(PLAIN, how="mask"), Show()])
def test_colours_are_premultiplied(show):
    values = np.random.default_rng(0).normal(size=(32, 32)).astype(np.float32)
    pixels, _shown = heat(values, show, fine=True)
    assert (pixels[..., :3] <= pixels[..., 3:]).all()


def test_weaker_than_the_threshold_is_not_shown():
    values = spot() + spot(0.4, 25, 8)
    assert heat(values, replace(PLAIN, threshold=0.3))[0][25, 8, 3] > 0
    pixels, _shown = heat(values, replace(PLAIN, threshold=0.5))
    assert pixels[25, 8, 3] == 0
    assert pixels[10, 20, 3] == 255


@pytest.mark.parametrize(
    ("sign", "places"), [("for", (True, False)), ("against", (False, True)), ("both", (True, True))]
)
def test_which_side_is_shown(sign, places):
    values = spot() - spot(0.8, 25, 8)
    pixels, shown = heat(values, replace(PLAIN, sign=sign))
    assert (pixels[10, 20, 3] > 0, pixels[25, 8, 3] > 0) == places
    assert (shown[10, 20] > 0, shown[25, 8] < 0) == places


def test_both_sides_have_a_colour_each_and_one_measure():
    pixels, _shown = heat(spot() - spot(0.5, 25, 8), replace(PLAIN, sign="both", threshold=0.4))
    speaks, against = pixels[10, 20].astype(int), pixels[25, 8].astype(int)
    assert speaks[2] > speaks[0]
    assert against[0] > against[2]
    # half as strong is half as far above the threshold, whichever side it is on
    assert 0 < against[3] < speaks[3]


@pytest.mark.parametrize("colours", COLOURS)
def test_the_colours_are_those_of_the_table(colours):
    values = np.tile(np.linspace(0, 1, 32, dtype=np.float32), (32, 1))
    pixels, _shown = heat(values, replace(PLAIN, colours=colours))
    last = pixels[0, -1, :3]
    if colours == "grey":
        wanted = np.array([255, 255, 255])
    else:
        table = getattr(cv2, f"COLORMAP_{colours.upper()}")
        wanted = cv2.applyColorMap(np.array([[255]], np.uint8), table)[0, 0]
    assert np.array_equal(last, wanted)


def test_a_mask_darkens_what_does_not_count():
    pixels, _shown = heat(spot(), replace(PLAIN, how="mask"))
    assert pixels[0, 0].tolist() == [0, 0, 0, 255]
    assert pixels[10, 20, 3] == 0


@pytest.mark.parametrize("sign", ["for", "against", "both"])
def test_a_map_of_nothing_shows_nothing(sign):
    pixels, _shown = heat(np.zeros((32, 32), np.float32), replace(Show(), sign=sign), fine=True)
    assert not pixels.any()


def test_one_pixel_of_a_fine_map_does_not_darken_the_others():
    values = spot()
    values[0, 0] = 100
    fine, _shown = heat(values, PLAIN, fine=True)
    coarse, _shown = heat(values, PLAIN, fine=False)
    assert fine[10, 20, 3] == 255
    assert coarse[10, 20, 3] < 20


# over a picture, for a file


def test_without_evidence_the_picture_is_as_it_was():
    image = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    found = explanation(np.zeros((32, 32), np.float32), image.shape[:2])
    assert np.array_equal(blended(image, found, Show()), image)
    assert np.array_equal(blended(image, explanation(spot(), image.shape[:2]), replace(PLAIN, opacity=0.0)), image)


def test_half_of_the_colour_and_half_of_the_picture():
    image = np.full((32, 32, 3), 100, np.uint8)
    drawn = blended(image, explanation(spot(), (32, 32)), replace(PLAIN, opacity=0.5, colours="grey"))
    assert np.abs(drawn[10, 20].astype(int) - (100 + 255) / 2).max() <= 1
    assert (image == 100).all()


@pytest.mark.parametrize(
    ("fit", "shape", "place"),
    [
        # the middle 64 x 64 of a wide picture, from column 32; each pixel of the square is two of the picture
        ("crop", (64, 128), (21, 32 + 41)),
        ("crop", (128, 64), (32 + 21, 41)),
        # all of it, 32 x 16 in the square, from row 8; each pixel of the square is four of the picture
        ("letterbox", (64, 128), (4 * (10 - 8) + 2, 4 * 20 + 2)),
        ("stretch", (64, 128), (21, 82)),
    ],
)
def test_the_map_lies_where_the_network_saw_it(fit, shape, place):
    image = np.full((*shape, 3), 100, np.uint8)
    found = explanation(spot(), shape, fit)
    changed = (blended(image, found, replace(PLAIN, opacity=1.0)) != 100).any(2)
    assert changed[place]
    rows, columns = np.nonzero(changed)
    assert abs(rows.mean() - place[0]) < 2.5
    assert abs(columns.mean() - place[1]) < 2.5
    # the same places as the map of numbers
    assert (changed == (found.full() > 0)).mean() > 0.995


def test_a_mask_leaves_what_the_network_did_not_see():
    image = np.full((64, 128, 3), 100, np.uint8)
    drawn = blended(image, explanation(spot(), (64, 128), "crop"), replace(PLAIN, how="mask", opacity=1.0))
    assert (drawn[:, :32] == 100).all()
    assert (drawn[:, 96:] == 100).all()
    assert (drawn[60, 40:90] == 0).all()
    assert (drawn[21, 73] == 100).all()


def test_whether_a_map_is_fine_is_looked_up():
    image = np.full((32, 32, 3), 100, np.uint8)
    show = replace(PLAIN, smoothing=4.0)
    for method, fine in (("grad_cam", False), ("integrated_gradients", True)):
        found = explanation(spot(), (32, 32), method=method)
        assert np.array_equal(blended(image, found, show), blended(image, found, show, fine=fine))
        assert not np.array_equal(blended(image, found, show), blended(image, found, show, fine=not fine))


def test_a_picture_of_many_rows_is_drawn_in_parts_without_a_seam():
    image = np.full((700, 40, 3), 100, np.uint8)
    values = np.tile(np.linspace(0, 1, 32, dtype=np.float32)[:, None], (1, 32))
    drawn = blended(image, explanation(values, (700, 40)), replace(PLAIN, colours="grey"))
    column = drawn[:, 20, 0].astype(int)
    assert np.abs(np.diff(column)).max() <= 3
