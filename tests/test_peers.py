"""Every tracker of the table behaves like a tracker: ids of its own, never used twice, rows that are true."""

import numpy as np
import pytest

from engine.errors import SightlineError
from engine.tracking.knobs import TrackKnobs
from engine.tracking.trackers import TRACKERS, build_tracker
from engine.tracking.types import Detections

KNOBS = TrackKnobs(confirm_after=2)
IMAGE = np.random.default_rng(0).integers(0, 256, (240, 320, 3), dtype=np.uint8)


def two_people(frame: int, order=(0, 1)) -> tuple[Detections, np.ndarray]:
    """One walks right, one stands; the first row is the one that `order` says."""
    boxes = np.array([[10 + 3 * frame, 20, 50 + 3 * frame, 120], [220, 30, 260, 130]], np.float32)
    looks = np.eye(2, 2000, dtype=np.float32)
    rows = list(order)
    return Detections(boxes[rows], np.array([0.9, 0.8], np.float32)[rows], np.zeros(2, np.int64)), looks[rows]


def follow(tracker, frames=range(8), **how):
    for frame in frames:
        detections, looks = two_people(frame, **how)
        tracker.wanted(detections, looks, KNOBS)
        tracks = tracker.update(detections, looks, IMAGE, KNOBS)
    return tracks


@pytest.fixture(params=TRACKERS)
def tracker(request):
    return build_tracker(request.param)


def test_two_people_get_two_ids_that_are_numbers(tracker):
    tracks = follow(tracker)
    assert sorted(tracks.ids.tolist()) == [1, 2]
    assert tracks.ids.dtype == np.int64


def test_rows_say_which_detection_it_was(tracker):
    follow(tracker)
    detections, looks = two_people(8, order=(1, 0))
    tracks = tracker.update(detections, looks, IMAGE, KNOBS)
    assert sorted(tracks.rows.tolist()) == [0, 1]
    for box, row, confidence in zip(tracks.boxes, tracks.rows, tracks.confidences, strict=True):
        np.testing.assert_allclose(box, detections.boxes[row], atol=5)
        assert confidence == detections.confidences[row]


def test_the_velocity_is_pixels_a_frame(tracker):
    tracks = follow(tracker, range(15))
    walking = tracks.velocities[np.argmin(tracks.boxes[:, 0])]
    np.testing.assert_allclose(walking, (3, 0), atol=0.6)


def test_starting_anew_goes_on_counting(tracker):
    before = follow(tracker)
    tracker.start_anew()
    after = follow(tracker)
    assert after.ids.min() > before.ids.max()


def test_two_of_a_kind_do_not_share_their_ids(tracker):
    other = build_tracker(next(name for name, card in TRACKERS.items() if isinstance(tracker, card.build)))
    for frame in range(6):
        detections, looks = two_people(frame)
        one = tracker.update(detections, looks, IMAGE, KNOBS)
        two = other.update(detections, looks, IMAGE, KNOBS)
    assert sorted(one.ids.tolist()) == sorted(two.ids.tolist()) == [1, 2]


def test_nothing_found_and_boxes_of_nothing_are_no_harm(tracker):
    follow(tracker, range(4))
    assert not len(tracker.update(Detections.none(), np.zeros((0, 2000), np.float32), IMAGE, KNOBS))
    detections, looks = two_people(5)
    boxes = np.vstack([detections.boxes[:1], [[5, 5, 5, 40]]]).astype(np.float32)
    flat = Detections(boxes, detections.confidences, detections.classes)
    assert 1 not in tracker.update(flat, looks, IMAGE, KNOBS).rows.tolist()


def test_masks_go_with_their_tracks(tracker):
    outline = np.array([[0, 0], [1, 0], [1, 1]], np.float32)
    for frame in range(4):
        bare, looks = two_people(frame)
        detections = Detections(bare.boxes, bare.confidences, bare.classes, [outline, outline * 7])
        tracks = tracker.update(detections, looks, IMAGE, KNOBS)
    assert [mask.max() for mask in tracks.masks] == [(1, 7)[row] for row in tracks.rows]


def test_an_unknown_tracker_is_one_sentence():
    with pytest.raises(SightlineError, match="deepsort"):
        build_tracker("sort")
