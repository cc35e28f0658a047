"""DeepSORT: the same tracks as deep-sort-realtime, and none of its faults."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from engine.tracking.deepsort import PAPER, SIGHTLINE, DeepSort
from engine.tracking.knobs import TrackKnobs
from engine.tracking.reference import Reference
from engine.tracking.types import Detections

KNOBS = TrackKnobs(appearance=0.2, keep_lost=30, confirm_after=3, sure=0.0)
COLOURS = SIGHTLINE.colours


def found(boxes, confidence=0.9, classes=None) -> Detections:
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    n = len(boxes)
    numbers = np.zeros(n, np.int64) if classes is None else np.array(classes, np.int64)
    return Detections(boxes, np.full(n, confidence, np.float32), numbers)


def look(*kinds, d=32) -> np.ndarray:
    """An embedding for each kind; two kinds look nothing like each other."""
    return np.eye(d, dtype=np.float32)[list(kinds)].reshape(-1, d)


def walk(seed: int, people: int, frames: int, d: int = 64):
    """People walk straight through each other; some are missed, some boxes are of nothing."""
    rng = np.random.default_rng(seed)
    at, speed = rng.uniform(50, 550, (people, 2)), rng.normal(0, 4, (people, 2))
    size = rng.uniform(30, 60, (people, 1)) * (1, 2.5)
    looks = rng.uniform(0, 1, (people, d))
    for _ in range(frames):
        at, size = at + speed, size * rng.normal(1, 0.005, (people, 1))
        seen = rng.random(people) > 0.12
        corner = at[seen] + rng.normal(0, 2, (seen.sum(), 2))
        boxes = np.concatenate([corner, corner + size[seen]], axis=1)
        near = looks[seen] + rng.normal(0, 0.15, (seen.sum(), d))
        if rng.random() < 0.2:
            stray = rng.uniform(0, 500, 2)
            boxes = np.vstack([boxes, [stray[0], stray[1], stray[0] + 40, stray[1] + 90]])
            near = np.vstack([near, rng.uniform(0, 1, d)])
        order = rng.permutation(len(boxes))
        yield found(boxes[order]), near[order].astype(np.float32)


def assert_same_tracks(sequence, knobs=KNOBS) -> int:
    """Feed both; every frame must have the same detections on the same tracks. The number of tracks."""
    ours, theirs = DeepSort(PAPER), Reference()
    pairs: dict[int, int] = {}
    for frame, (detections, embeddings) in enumerate(sequence):
        a = ours.update(detections, embeddings, None, knobs)
        b = theirs.update(detections, embeddings, None, knobs)
        a_order, b_order = np.argsort(a.rows), np.argsort(b.rows)
        assert a.rows[a_order].tolist() == b.rows[b_order].tolist(), f"frame {frame}"
        np.testing.assert_allclose(a.boxes[a_order], b.boxes[b_order], atol=0.02)
        np.testing.assert_allclose(a.velocities[a_order], b.velocities[b_order], atol=0.02)
        assert a.ages[a_order].tolist() == b.ages[b_order].tolist()
        for mine, other in zip(a.ids[a_order].tolist(), b.ids[b_order].tolist(), strict=True):
            assert pairs.setdefault(mine, other) == other, f"frame {frame}"
    assert len(set(pairs.values())) == len(pairs)
    return len(pairs)


@pytest.mark.parametrize(("seed", "people"), [(0, 4), (1, 12), (2, 25), (3, 12)])
def test_same_tracks_as_deep_sort_realtime_on_people_who_cross(seed, people):
    # 45 frames stay under the reference's budget of 100, of which it stores each embedding twice
    assert assert_same_tracks(walk(seed, people, 45)) >= people * 0.7


@pytest.mark.parametrize("seed", [0, 1])
def test_same_tracks_on_random_boxes_and_embeddings(seed):
    rng = np.random.default_rng(seed)

    def noise():
        for _ in range(40):
            n = rng.integers(0, 9)
            low = rng.integers(0, 4, (n, 2)) * 60 + rng.normal(0, 6, (n, 2))
            boxes = np.concatenate([low, low + rng.uniform(40, 80, (n, 2))], axis=1)
            yield found(boxes), rng.uniform(0, 1, (n, 8)).astype(np.float32)

    assert assert_same_tracks(noise(), replace(KNOBS, appearance=0.1, keep_lost=5)) > 3


@pytest.mark.parametrize("clip", ["TUD-Campus", "TUD-Stadtmitte"])
def test_same_tracks_on_real_detections(assets, clip):
    """The truth's boxes of a real clip, shaken and sometimes missed, with what is really in them."""
    from engine.tracking.appearance import colours_of
    from engine.tracking.score import read_mot

    truth = read_mot(assets / "mot" / clip / "gt" / "gt.txt")
    rng = np.random.default_rng(0)

    def sequence():
        capture = cv2.VideoCapture(str(assets / "video" / f"{clip}.mp4"))
        for frame in range(1, 49):
            image = capture.read()[1]
            boxes = truth[truth[:, 0] == frame, 2:6]
            boxes = boxes[rng.random(len(boxes)) > 0.15] + rng.normal(0, 3, 4)
            detections = found(np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1))
            yield detections, colours_of(image, detections.boxes)

    assert assert_same_tracks(sequence()) >= 5


def test_a_box_without_width_does_not_shift_the_embeddings_of_the_others():
    """deep-sort-realtime drops the box and keeps its embedding."""
    tracker = DeepSort(PAPER)
    a, b = [10, 10, 50, 110], [300, 10, 340, 110]
    for _ in range(4):
        tracks = tracker.update(found([[200, 50, 200, 80], a, b]), look(9, 1, 2), None, KNOBS)
    assert tracks.rows.tolist() == [1, 2]
    # both change places: by their looks each keeps its id
    first, second = tracks.ids
    near = [[10, 10, 50, 110], [22, 10, 62, 110]]
    tracker = DeepSort(PAPER)
    for _ in range(4):
        tracks = tracker.update(found([[5, 5, 5, 5], *near]), look(9, 1, 2), None, KNOBS)
    swapped = tracker.update(found([[5, 5, 5, 5], *near[::-1]]), look(9, 1, 2), None, KNOBS)
    assert dict(zip(tracks.rows.tolist(), tracks.ids.tolist(), strict=True)) == dict(
        zip(swapped.rows.tolist(), swapped.ids.tolist(), strict=True)
    )
    assert first != second


def test_memory_and_time_do_not_grow_without_a_budget_to_set():
    """deep-sort-realtime's nn_budget=None keeps every embedding for ever."""
    for method in (PAPER, SIGHTLINE):
        tracker = DeepSort(method)
        sizes = []
        for frame in range(260):
            x = frame * 1.5
            tracker.update(found([[x, 10, x + 40, 110]]), look(1), None, KNOBS)
            if frame in (120, 259):
                gallery = tracker._gallery
                sizes.append([part._values.nbytes for part in gallery._parts])
        assert sizes[0] == sizes[1]


def test_places_of_lost_tracks_are_used_again():
    tracker = DeepSort()
    rng = np.random.default_rng(0)
    for _ in range(200):
        low = rng.uniform(0, 500, (10, 2))
        tracker.update(found(np.concatenate([low, low + 40], axis=1)), look(*range(10)), None, KNOBS)
    assert tracker._gallery._size <= 64


def test_starting_anew_forgets_how_the_old_tracks_looked_and_never_reuses_an_id():
    """A reset of deep-sort-realtime counts from 1 again, and a new 1 inherits the old 1's appearance."""
    tracker = DeepSort(PAPER)
    for _ in range(4):
        before = tracker.update(found([[10, 10, 50, 110]]), look(1), None, KNOBS)
    tracker.start_anew()
    for _ in range(4):
        after = tracker.update(found([[10, 10, 50, 110]]), look(2), None, KNOBS)
    assert after.ids.min() > before.ids.max()
    # what looks like the old one is not taken for the new one, from which it is far away
    far = tracker.update(found([[25, 14, 65, 114], [11, 10, 51, 110]]), look(1, 2), None, KNOBS)
    assert far.rows.tolist() == [1]


def test_ids_are_numbers_and_two_trackers_count_apart():
    one, two = DeepSort(), DeepSort()
    for _ in range(4):
        a = one.update(found([[10, 10, 50, 110]]), look(1), None, KNOBS)
        b = two.update(found([[10, 10, 50, 110]]), look(1), None, KNOBS)
    assert a.ids.dtype == np.int64
    assert a.ids.tolist() == b.ids.tolist() == [1]


@pytest.mark.parametrize("method", [PAPER, SIGHTLINE])
def test_a_person_does_not_become_a_dog(method):
    """deep-sort-realtime ignores the class: its track goes on as a dog."""
    tracker = DeepSort(method)
    for _ in range(4):
        person = tracker.update(found([[10, 10, 50, 110]], classes=[0]), look(1), None, KNOBS)
    for _ in range(4):
        dog = tracker.update(found([[10, 10, 50, 110]], classes=[16]), look(1), None, KNOBS)
    assert person.ids.tolist() != dog.ids.tolist()
    assert dog.classes.tolist() == [16]


def test_confirm_after_one_shows_a_track_at_once():
    tracks = DeepSort(PAPER).update(found([[1, 1, 9, 9]]), look(1), None, replace(KNOBS, confirm_after=1))
    assert tracks.ids.tolist() == [1]


def test_a_zero_or_unknown_embedding_is_no_look_at_all():
    """deep-sort-realtime divides by its length, and the track is lost in NaN."""
    tracker = DeepSort(PAPER)
    for value in (1.0, 1.0, 0.0, np.nan, 1.0):
        tracks = tracker.update(found([[10, 10, 50, 110]]), look(1) * value, None, KNOBS)
    assert tracks.ids.tolist() == [1]


def test_knobs_may_change_between_frames():
    tracker = DeepSort(PAPER)
    person = found([[10, 10, 50, 110]])
    assert not len(tracker.update(person, look(1), None, replace(KNOBS, confirm_after=10)))
    assert len(tracker.update(person, look(1), None, replace(KNOBS, confirm_after=2)))
    for _ in range(3):
        tracker.update(Detections.none(), None, None, replace(KNOBS, keep_lost=20))
    tracker.update(Detections.none(), None, None, replace(KNOBS, keep_lost=1))
    for _ in range(3):
        again = tracker.update(person, look(1), None, KNOBS)
    assert again.ids.tolist() == [2]


def test_who_is_hidden_for_a_second_keeps_the_id_by_the_look():
    tracker = DeepSort()
    for x in range(0, 60, 4):
        before = tracker.update(found([[x, 10, x + 40, 110]]), look(1), None, KNOBS)
    for _ in range(15):
        tracker.update(Detections.none(), None, None, KNOBS)
    for x in range(120, 132, 4):
        after = tracker.update(found([[x, 10, x + 40, 110]]), look(1), None, KNOBS)
    assert after.ids.tolist() == before.ids.tolist()


def test_a_thing_that_is_never_sure_waits_longer_for_its_number():
    tracker = DeepSort()
    knobs = TrackKnobs(confirm_after=2, sure=0.6)
    unsure, sure = found([[10, 10, 50, 110]], 0.4), found([[10, 10, 50, 110]], 0.7)
    shown = [len(tracker.update(unsure, look(1), None, knobs)) for _ in range(20)]
    assert shown.index(1) == 2 * SIGHTLINE.hesitates - 1
    tracker.start_anew()
    assert [len(tracker.update(sure, look(1), None, knobs)) for _ in range(3)] == [0, 1, 1]


def test_the_network_is_asked_only_where_colours_do_not_decide():
    tracker = DeepSort()
    a, b = [10, 10, 50, 110], [30, 10, 70, 110]

    def looks(*kinds):
        return np.pad(look(*kinds, d=COLOURS), ((0, 0), (0, 4)), constant_values=np.nan)

    for _ in range(3):
        tracker.update(found([a, b]), looks(1, 2), None, KNOBS)
    assert tracker.wanted(found([a, b]), look(1, 2, d=COLOURS), KNOBS).tolist() == []
    tracker.start_anew()
    for _ in range(3):
        tracker.update(found([a, b]), looks(1, 1), None, KNOBS)
    assert tracker.wanted(found([a, b]), look(1, 1, d=COLOURS), KNOBS).tolist() == [0, 1]
    # far apart nothing can be mistaken, however alike they look
    tracker.start_anew()
    far = [[10, 10, 50, 110], [500, 10, 540, 110]]
    for _ in range(3):
        tracker.update(found(far), looks(1, 1), None, KNOBS)
    assert tracker.wanted(found(far), look(1, 1, d=COLOURS), KNOBS).tolist() == []


@pytest.mark.parametrize("n", [0, 1, 500])
def test_any_number_of_detections(n):
    tracker = DeepSort()
    low = np.random.default_rng(0).uniform(0, 600, (n, 2))
    detections = found(np.concatenate([low, low + 30], axis=1))
    for _ in range(3):
        tracker.wanted(detections, np.ones((n, COLOURS), np.float32), KNOBS)
        tracks = tracker.update(detections, np.ones((n, COLOURS + 4), np.float32), None, KNOBS)
    assert len(tracks) == n
