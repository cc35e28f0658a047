"""What is laid over an inspected picture, and the outlines."""

import cv2
import numpy as np
import pytest

from engine.inspection.draw import (
    COLOUR_MAPS,
    MODES,
    colour,
    contours,
    layer,
    outlined,
    overlay,
    picture_with_verdict,
    side_by_side,
)
from engine.inspection.types import Verdict


def bump(height=120, width=160, x=90.0, y=50.0, radius=25.0):
    """A round hill of height 1 that is 0.5 at `radius` from the centre of the pixel x, y."""
    ys, xs = np.mgrid[:height, :width]
    return (0.5 ** (((xs - x) ** 2 + (ys - y) ** 2) / radius**2)).astype(np.float32)


def picture(height=120, width=160):
    return np.random.default_rng(3).integers(0, 256, (height, width, 3), np.uint8)


def verdict_of(found, score=0.87, threshold=0.5):
    y, x = np.unravel_index(found.argmax(), found.shape)
    return Verdict("a.png", 7.0, score, threshold, found, found, (int(x), int(y)))


def area(outline):
    x, y = outline.astype(float).T
    return float((x * np.roll(y, -1) - y * np.roll(x, -1)).sum() / 2)


@pytest.mark.parametrize("name", COLOUR_MAPS)
def test_every_colour_map_goes_from_calm_to_abnormal(name):
    ramp = np.linspace(0, 1, 256, dtype=np.float32)[None]
    colours = colour(ramp, name)
    assert (colours.shape, colours.dtype) == ((1, 256, 3), np.uint8)
    assert len(np.unique(colours[0], axis=0)) > 200
    if name == "grey":
        assert (colours[0] == np.arange(256)[:, None]).all()
    if name == "inferno":
        assert colours[0, 0].sum() < 10
        assert colours[0, 255, 2] > 240


def test_numbers_beyond_the_range_are_cut_off_and_nan_is_calm():
    strange = np.array([[-5, np.nan, np.inf, 2, -np.inf, 0.5]], np.float32)
    kept = strange.copy()
    assert colour(strange, "grey")[0, :, 0].tolist() == [0, 0, 255, 255, 0, 128]
    assert np.array_equal(strange, kept, equal_nan=True)


@pytest.mark.parametrize("mode", MODES)
def test_only_the_defect_glows(mode):
    image, found = picture(), bump()
    kept = image.copy(), found.copy()
    glowing = overlay(image, found, mode=mode)
    calm = found < 0.29 if mode == "heat map" else found < 0.49
    assert (glowing[calm] == image[calm]).all()
    assert (glowing[found > 0.6] != image[found > 0.6]).any(axis=1).all()
    assert (image == kept[0]).all()
    assert (found == kept[1]).all()


def test_opacity_grows_with_the_value():
    image = np.zeros((1, 256, 3), np.uint8)
    ramp = np.linspace(0, 1, 256, dtype=np.float32)[None]
    alpha = layer(ramp)[0, :, 3].astype(int)
    assert (np.diff(alpha) >= 0).all()
    assert alpha[: int(0.3 * 255)].max() == 0
    assert abs(alpha[-1] - 0.6 * 255) <= 1
    assert layer(ramp, opacity=1.0)[0, -1, 3] == 255
    assert (overlay(image, ramp, opacity=0.0) == image).all()
    assert (overlay(image, ramp, opacity=1.0)[0, -1] == colour(ramp)[0, -1]).all()


@pytest.mark.parametrize("mode", MODES)
def test_the_layer_over_the_picture_is_the_overlay(mode):
    image, found = picture(), bump()
    over = layer(found, mode=mode, colour_map="turbo", opacity=0.8)
    assert (over.shape, over.dtype) == ((120, 160, 4), np.uint8)
    assert (over[:, :, :3] <= over[:, :, 3:]).all()  # premultiplied
    by_hand = image * (1 - over[:, :, 3:] / 255.0) + over[:, :, :3]
    assert np.abs(overlay(image, found, mode=mode, colour_map="turbo", opacity=0.8) - by_hand).max() <= 1


def test_the_mask_is_where_the_map_reaches_the_threshold():
    found = bump()
    over = layer(found, mode="mask", threshold=0.7)
    near = np.abs(found - 0.7) < 1 / 255
    assert ((over[:, :, 3] > 0) == (found >= 0.7))[~near].all()
    assert len(np.unique(over.reshape(-1, 4), axis=0)) == 2


def test_a_map_of_another_size_is_a_defect_of_ours():
    with pytest.raises(ValueError, match="a map of"):
        overlay(picture(), bump(60, 80))
    with pytest.raises(ValueError, match="none of"):
        overlay(picture(), bump(), mode="glow")


def test_an_outline_runs_between_the_pixels():
    for threshold in (0.3, 0.5, 0.9):
        (outline,) = contours(bump(), threshold)
        radius = 25 * np.sqrt(np.log(threshold) / np.log(0.5))
        # the centre of the pixel 90, 50 is at 90.5, 50.5
        distances = np.hypot(outline[:, 0] - 90.5, outline[:, 1] - 50.5)
        assert np.abs(distances - radius).max() < 0.03
        assert outline.dtype == np.float32
        assert abs(area(outline) - np.pi * radius**2) / (np.pi * radius**2) < 0.01
        assert (outline[0] != outline[-1]).any()


def test_an_outline_at_the_edge_is_closed_along_it():
    (outline,) = contours(np.ones((30, 40), np.float32), 0.5)
    assert outline.min(0) == pytest.approx([0, 0], abs=1e-6)
    assert outline.max(0) == pytest.approx([40, 30], abs=1e-6)
    assert area(outline) == pytest.approx(40 * 30, abs=1)
    (outline,) = contours(bump(x=2), 0.5)
    assert outline[:, 0].min() == pytest.approx(0, abs=1e-6)
    assert area(outline) > 0


def test_holes_and_islands_have_outlines_of_their_own():
    found = bump() - bump(radius=8)
    outer, hole = contours(found, 0.5)
    assert area(outer) > 0 > area(hole)
    found = np.maximum(bump(x=40), bump(x=130, radius=12))
    outlines = contours(found, 0.5)
    assert len(outlines) == 2
    assert len(outlines[0]) > len(outlines[1])


def test_corners_that_touch():
    for pattern, middle in ((np.eye(2), 1), (np.eye(2)[::-1], 1), (np.eye(2), 2)):
        found = np.zeros((6, 6), np.float32)
        found[2:4, 2:4] = pattern
        outlines = contours(found / 2, 0.25 if middle == 1 else 0.26)
        assert len(outlines) == middle
        assert sum(area(outline) for outline in outlines) > 0


def test_outlines_hold_what_the_mask_holds():
    rng = np.random.default_rng(7)
    for size in ((40, 60), (1, 30), (30, 1), (1, 1), (2, 2)):
        found = cv2.GaussianBlur(rng.random(size).astype(np.float32), (0, 0), 1.2)
        threshold = float(np.median(found))
        filled = np.zeros(size, np.int32)
        for outline in contours(found, threshold):
            inner = np.zeros((size[0], size[1]), np.uint8)
            for y in range(size[0]):
                for x in range(size[1]):
                    inner[y, x] = cv2.pointPolygonTest(outline, (x + 0.5, y + 0.5), False) > 0
            filled += inner if area(outline) > 0 else -inner.astype(np.int32)
        clear = np.abs(found - threshold) > 1e-3
        assert ((filled > 0) == (found >= threshold))[clear].all()


def test_nothing_and_strange_numbers_have_no_outline():
    assert contours(np.zeros((20, 20), np.float32), 0.5) == []
    assert contours(np.full((20, 20), np.nan, np.float32), 0.5) == []
    found = bump()
    found[:, :80] = np.nan
    assert len(contours(found, 0.5)) == 1


def test_an_outline_is_drawn_where_it_is():
    image = np.zeros((120, 160, 3), np.uint8)
    drawn = outlined(image, contours(bump(), 0.5))
    assert image.max() == 0
    ys, xs = np.nonzero(drawn.max(axis=2) > 60)
    distances = np.hypot(xs - 90, ys - 50)
    assert np.abs(distances - 25).max() < 2.3
    assert abs(distances.mean() - 25) < 0.2
    assert (outlined(image, []) == image).all()


def test_a_verdict_is_written_on_the_picture():
    image = np.full((400, 500, 3), 128, np.uint8)
    found = bump(400, 500, 300, 250, 60)
    bad = picture_with_verdict(image, verdict_of(found))
    good = picture_with_verdict(image, verdict_of(found * 0.2, 0.2))
    assert bad.shape == good.shape == image.shape
    assert bad[2, 2].tolist() == [0x26, 0x26, 0xDC]
    assert good[2, 2].tolist() == [0x4A, 0xA3, 0x16]
    # nothing else on the good one
    assert (good[100:] == image[100:]).all()
    assert (bad[240:260, 290:310] != image[240:260, 290:310]).any()
    plain = picture_with_verdict(image, verdict_of(found), words=False, contour=False)
    assert (plain == overlay(image, found)).all()


def test_on_a_tiny_picture_nothing_is_written():
    found = bump(32, 40, 20, 16, 6)
    image = picture(32, 40)
    whole = picture_with_verdict(image, verdict_of(found))
    assert (whole == picture_with_verdict(image, verdict_of(found), words=False)).all()


def test_pictures_side_by_side():
    left, right = picture(60, 80), picture(120, 160)
    row = side_by_side([left, right])
    assert row.shape == (60, 80 + 12 + 80, 3)
    assert (row[:, :80] == left).all()
    assert row[0, 85].tolist() == [0x1D, 0x18, 0x16]
    assert (side_by_side([left]) == left).all()
