"""Drawn shapes: their boxes are exact, their labels right, the same seed gives the same pictures."""

import cv2
import numpy as np
import pytest

from engine.errors import SightlineError
from engine.samples import shapes as module
from engine.samples.shapes import KINDS, shapes


def test_pictures_labels_and_boxes_have_the_promised_form():
    pictures, labels, boxes = shapes(11, 48, seed=3)
    assert pictures.shape == (11, 48, 48, 3)
    assert pictures.dtype == np.uint8
    assert labels.tolist() == [0, 1, 2, 3, 4] * 2 + [0]
    assert boxes.shape == (11, 4)
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, 2:] <= 48).all()
    assert (boxes[:, :2] < boxes[:, 2:]).all()


def test_a_seed_gives_the_same_pictures_whatever_their_number():
    few, _, _ = shapes(3, 48, seed=1)
    many, _, _ = shapes(6, 48, seed=1)
    other, _, _ = shapes(3, 48, seed=2)
    assert np.array_equal(few, many[:3])
    assert not np.array_equal(few, other)


@pytest.mark.parametrize("size", [32, 64, 101])
def test_a_box_is_exactly_what_the_shape_changed(size, monkeypatch):
    """The same pictures without a shape differ inside of the box alone, up to each of its four edges."""
    pictures, _, boxes = shapes(20, size, seed=5)
    drawn = module._cover

    def nowhere(kind, side, rng):
        cover = drawn(kind, side, rng)
        seen.append(cover.copy())
        return cover

    seen = []
    monkeypatch.setattr(module, "_cover", nowhere)
    grounds = []
    paint = module._ground

    def remember(side, rng):
        grounds.append(paint(side, rng))
        return grounds[-1].copy()

    monkeypatch.setattr(module, "_ground", remember)
    again, _, _ = shapes(20, size, seed=5)
    assert np.array_equal(again, pictures)
    for picture, ground, cover, (left, top, right, bottom) in zip(pictures, grounds, seen, boxes, strict=True):
        changed = (picture != np.clip(ground + 0.5, 0, 255).astype(np.uint8)).any(2)
        assert not changed[cover == 0].any()
        rows, columns = np.flatnonzero(changed.any(1)), np.flatnonzero(changed.any(0))
        # a rim that is barely covered may round to the ground's own value
        assert np.abs([columns[0] - left, columns[-1] + 1 - right]).max() <= 1
        assert np.abs([rows[0] - top, rows[-1] + 1 - bottom]).max() <= 1
        assert cover[top:bottom, left:right].sum() == cover.sum()


def test_the_kinds_are_what_they_are_called():
    """Told by plain geometry: corners of the hull, and how much of its hull and of its circle a shape fills."""
    rng = np.random.default_rng(0)
    for kind in KINDS:
        for _ in range(8):
            cover = module._cover(kind, 128, rng)
            (outline, *rest), _ = cv2.findContours(
                (cover > 127).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
            )
            assert not rest
            area, hull = cv2.contourArea(outline), cv2.convexHull(outline)
            full = area / cv2.contourArea(hull)
            corners = len(cv2.approxPolyDP(hull, 0.04 * cv2.arcLength(hull, True), True))
            _, radius = cv2.minEnclosingCircle(outline)
            round_ = area / (np.pi * radius**2)
            found = (
                "triangle" if corners == 3 else "circle" if round_ > 0.85 else "square" if full > 0.9
                else "star" if full < 0.64 else "cross"
            )  # fmt: skip
            assert found == kind, (corners, full, round_)


def test_some_kinds_alone_are_numbered_as_they_were_named():
    _, labels, _ = shapes(4, 32, kinds=("star", "circle"))
    assert labels.tolist() == [0, 1, 0, 1]


@pytest.mark.parametrize(("given", "said"), [
    ({"kinds": ("hexagon",)}, "hexagon"), ({"kinds": ()}, "circle"), ({"size": 8}, "8 pixels"),
])  # fmt: skip
def test_what_cannot_be_drawn_is_one_sentence(given, said):
    with pytest.raises(SightlineError, match=said):
        shapes(2, **given)
