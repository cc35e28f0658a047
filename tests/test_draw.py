"""How tracks look: one description, the same in the window and in exported video."""

import numpy as np
import pytest

from engine.palette import SERIES, bgr, series
from engine.tracking.draw import Dots, Label, Layers, Line, marks, paint
from engine.tracking.types import TrackedFrame, Tracks


def frame(ids=(7,), boxes=((10, 20, 40, 60),), masks=None, keypoints=None, trail=3):
    n = len(ids)
    tracks = Tracks(
        np.array(ids, np.int64), np.array(boxes, np.float32), np.full(n, 0.9, np.float32), np.zeros(n, np.int64),
        np.zeros(n, np.int64), np.zeros((n, 2), np.float32), np.arange(n), masks, keypoints,
    )  # fmt: skip
    trails = {i: np.array([[5 * k, 60] for k in range(trail)], np.float32) for i in ids}
    return TrackedFrame(np.full((100, 120, 3), 30, np.uint8), 0, 0.0, tracks, trails)


def test_a_track_has_one_colour_for_box_label_and_trail():
    made = marks(frame(), {0: "person"}, Layers())
    assert {mark.colour for mark in made} == {series(7)}
    label = next(mark for mark in made if isinstance(mark, Label))
    assert (label.text, label.x, label.y) == ("7 person", 10, 20)


def test_layers_are_switched_one_by_one():
    points = np.concatenate([np.random.default_rng(0).uniform(10, 60, (1, 17, 2)), np.ones((1, 17, 1))], 2)
    seen = frame(masks=[np.array([[10, 20], [40, 20], [25, 60]], np.float32)], keypoints=points.astype(np.float32))
    none = Layers(boxes=False, numbers=False, trails=False, masks=False, points=False)
    assert marks(seen, {}, none) == []
    kinds = {
        "boxes": lambda m: isinstance(m, Line) and m.closed and not m.fill,
        "numbers": lambda m: isinstance(m, Label),
        "trails": lambda m: isinstance(m, Line) and not m.closed and len(m.points) == 3,
        "masks": lambda m: isinstance(m, Line) and m.fill > 0,
        "points": lambda m: isinstance(m, Dots),
    }
    from dataclasses import replace

    for name, is_kind in kinds.items():
        made = marks(seen, {}, replace(none, **{name: True}))
        assert any(is_kind(mark) for mark in made), name


def test_the_chosen_track_stands_out():
    seen = frame(ids=(1, 2), boxes=((0, 0, 9, 9), (20, 20, 40, 40)))
    boxes = [m for m in marks(seen, {}, Layers(numbers=False, trails=False), chosen=2) if isinstance(m, Line)]
    assert boxes[1].width > boxes[0].width


def test_a_trail_is_drawn_only_for_what_is_in_view():
    seen = frame()
    seen.trails[99] = np.array([[0, 0], [5, 5]], np.float32)
    assert series(99) not in {m.colour for m in marks(seen, {}, Layers(boxes=False, numbers=False))}


def test_points_that_are_not_seen_are_left_out():
    points = np.ones((1, 17, 3), np.float32) * 20
    points[0, :, 2] = 0.0
    points[0, 3, 2] = 0.9
    dots = [m for m in marks(frame(keypoints=points), {}, Layers()) if isinstance(m, Dots)]
    assert len(dots[0].points) == 1


def test_painting_leaves_the_frame_clean_and_draws_in_the_track_s_colour():
    seen = frame()
    before = seen.image.copy()
    drawn = paint(seen.image, marks(seen, {0: "person"}, Layers()))
    assert (seen.image == before).all()
    assert tuple(drawn[40, 10].tolist()) == bgr(series(7))


@pytest.mark.parametrize("box", [(-50, -50, 500, 500), (0, 0, 1, 1), (119, 99, 120, 100)])
def test_boxes_at_and_beyond_the_edge_are_painted(box):
    seen = frame(boxes=(box,))
    assert paint(seen.image, marks(seen, {0: "a very long class name"}, Layers())).shape == seen.image.shape


def test_five_hundred_tracks_and_none():
    rng = np.random.default_rng(1)
    corners = rng.uniform(0, 80, (500, 2))
    many = frame(ids=tuple(range(1, 501)), boxes=np.hstack([corners, corners + 9]), trail=40)
    assert len(marks(many, {}, Layers())) == 1500
    paint(many.image, marks(many, {}, Layers()))
    empty = TrackedFrame(many.image, 0, 0.0, Tracks.none())
    assert marks(empty, {}, Layers()) == []


def test_the_series_has_six_colours_that_come_round():
    assert [series(n) for n in range(7)] == [*SERIES, SERIES[0]]
