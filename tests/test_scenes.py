"""Drawn scenes: the truth is exact, any frame can be drawn at any time, and the truth file is MOTChallenge's."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.samples import scenes as module
from engine.samples.pictures import LEAST_SEEN, training_pictures
from engine.samples.scenes import Scene, crowd, scenes
from engine.samples.sprites import KINDS

NAMES = ["crowd", "crossing", "occlusion", "return", "look-alikes", "pan"]


def some_frames(scene: Scene, step: int = 67) -> range:
    return range(20, scene.frames, step)


def drawn_pixels(scene: Scene, index: int) -> np.ndarray:
    """(H, W) bool: where the things and props of a scene change a black or a white ground."""
    changed = np.zeros((scene.height, scene.width), bool)
    for value in (0, 255):
        ground = np.full_like(scene.ground, value)
        changed |= (replace(scene, ground=ground).draw(index) != value).any(2)
    return changed


def only(scene: Scene, number: int) -> Scene:
    thing = next(thing for thing in scene.things if thing.id == number)
    return replace(scene, things=(thing,), props=(), lives=np.array([[thing.start, thing.end]]))


def without(scene: Scene, number: int) -> Scene:
    kept = [i for i, thing in enumerate(scene.things) if thing.id != number]
    return replace(scene, things=tuple(scene.things[i] for i in kept), lives=scene.lives[kept])


def test_the_scenes_are_the_ones_that_trackers_find_hard():
    assert list(scenes()) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_boxes_are_tight_around_the_drawn_pixels(name, monkeypatch):
    monkeypatch.setattr(module, "_SHADOWS", {})  # a shadow is not part of the thing
    scene = scenes()[name](3)
    compared = 0
    for index in some_frames(scene):
        truth = scene.truth(index)
        for number, box in zip(truth.ids, truth.boxes, strict=True):
            ys, xs = np.nonzero(drawn_pixels(only(scene, number), index))
            assert box.tolist() == [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]
            compared += 1
    assert compared >= 12


@pytest.mark.parametrize("name", ["crowd", "occlusion"])
def test_the_visible_share_is_what_is_left_to_see(name, monkeypatch):
    monkeypatch.setattr(module, "_SHADOWS", {})
    scene = scenes()[name](1)
    compared = []
    for index in some_frames(scene, 97 if name == "crowd" else 23):
        truth = scene.truth(index)
        for number, box, seen in zip(truth.ids, truth.boxes, truth.seen, strict=True):
            if box[0] == 0 or box[1] == 0 or box[2] == scene.width or box[3] == scene.height:
                continue  # what lies outside the picture cannot be counted in it
            alone = drawn_pixels(only(scene, number), index)
            matters = np.zeros_like(alone)
            for value in (0, 255):
                plain = replace(scene, ground=np.full_like(scene.ground, value))
                matters |= (plain.draw(index) != without(plain, number).draw(index)).any(2)
            compared.append((float(seen), matters.sum() / alone.sum()))
    given, counted = np.array(compared).T
    assert len(given) > 20
    assert given.min() < 0.7  # some are hidden, or this shows nothing
    assert np.abs(given - counted).max() < 0.12  # soft edges count in one and not in the other
    assert np.abs(given - counted).mean() < 0.03


@pytest.mark.parametrize("name", NAMES)
def test_any_frame_can_be_drawn_at_any_time(name):
    scene = scenes()[name](5)
    forward = {index: scene.draw(index) for index in some_frames(scene)}
    again = scenes()[name](5)
    for index in reversed(list(forward)):
        picture = again.draw(index)
        assert picture.shape == (480, 640, 3)
        assert picture.dtype == np.uint8
        assert (picture == forward[index]).all()
    assert (scenes()[name](6).draw(20) != forward[20]).any()


def test_a_picture_may_be_written_on():
    scene = crowd(seed=2)
    first = scene.draw(7)
    kept = first.copy()
    first[:] = 0
    assert (scene.draw(7) == kept).all()


@pytest.mark.parametrize("name", NAMES)
def test_ids_stay_with_their_things(name):
    scene = scenes()[name](4)
    before: dict[int, tuple[np.ndarray, int, int]] = {}
    for index in range(scene.frames):
        truth = scene.truth(index)
        assert len(set(truth.ids.tolist())) == len(truth.ids)
        assert ((truth.seen >= 0) & (truth.seen <= 1)).all()
        for number, box, kind in zip(truth.ids.tolist(), truth.boxes, truth.classes.tolist(), strict=True):
            middle = (box[:2] + box[2:]) / 2
            whole = (box[:2] > 0).all() and (box[2:] < (scene.width, scene.height)).all()
            if number in before:
                last, when, same = before[number]
                assert kind == same
                if whole and when == index - 1:
                    assert np.abs(middle - last).max() < 15
            before[number] = middle, index if whole else -9, kind
    assert len(before) >= 5


def test_who_leaves_comes_back_with_the_same_id():
    scene = scenes()["return"](0)
    present = np.array([np.isin(np.arange(1, 5), scene.truth(index).ids) for index in range(scene.frames)])
    for one in present.T:
        away = np.diff(np.flatnonzero(one)) - 1
        assert away.max() >= 15


def test_behind_the_pillars_nothing_is_seen():
    scene = scenes()["occlusion"](0)
    seen: dict[int, list[float]] = {}
    for index in range(scene.frames):
        truth = scene.truth(index)
        for number, share in zip(truth.ids.tolist(), truth.seen.tolist(), strict=True):
            seen.setdefault(number, []).append(share)
    hidden = [number for number, shares in seen.items() if min(shares[10:-10], default=1) < 0.02 and max(shares) > 0.98]
    assert len(hidden) >= 4


def test_look_alikes_look_alike_and_others_do_not():
    walkers = [thing.look for thing in scenes()["look-alikes"](0).things if thing.look.kind == "walker"]
    assert len(walkers) == 6
    assert len(set(walkers)) == 1
    others = [thing.look for thing in scenes()["crowd"](0).things if thing.look.kind == "walker"]
    assert len(set(others)) == len(others)


def test_the_camera_of_pan_moves_over_textured_ground():
    scene = scenes()["pan"](0)
    assert np.ptp(scene.camera[:, 0]) >= 500
    assert scene.ground.std(axis=(0, 1)).min() > 10
    x, y = scene.camera[200]
    empty = replace(scene, things=(), props=(), lives=scene.lives[:0])
    assert (empty.draw(200) == scene.ground[y : y + 480, x : x + 640]).all()


def test_a_crowd_has_as_many_as_asked_for_and_every_kind():
    scene = crowd(50, seed=1, size=(1280, 720), frames=120)
    counts = [len(scene.truth(index).ids) for index in range(0, 120, 20)]
    assert 40 <= np.mean(counts) <= 52
    assert {thing.look.kind for thing in scene.things} == set(KINDS)
    assert scene.draw(119).shape == (720, 1280, 3)


def test_a_frame_outside_is_refused():
    scene = crowd()
    for index in (-1, scene.frames):
        with pytest.raises(IndexError, match="crowd"):
            scene.draw(index)
        with pytest.raises(IndexError, match="crowd"):
            scene.truth(index)


def test_the_truth_file_is_read_by_trackeval(tmp_path: Path):
    """The truth, given to TrackEval as both sides of a MOT17 sequence, scores 100 and has all boxes and ids."""
    from trackeval.datasets import MotChallenge2DBox
    from trackeval.metrics import HOTA

    scene = replace(crowd(seed=8), frames=60)
    folder = tmp_path / "gt" / "crowd"
    tracks = tmp_path / "trackers" / "itself" / "data"
    (folder / "gt").mkdir(parents=True)
    tracks.mkdir(parents=True)
    scene.write_mot_truth(folder / "gt" / "gt.txt")
    assert [path.name for path in (folder / "gt").iterdir()] == ["gt.txt"]
    rows = [line.split(",") for line in (folder / "gt" / "gt.txt").read_text().splitlines()]
    assert {len(row) for row in rows} == {9}
    counted = [row for row in rows if row[6] == "1"]
    tracks.joinpath("crowd.txt").write_text("".join(",".join([*row[:6], "1,-1,-1,-1"]) + "\n" for row in counted))
    data = MotChallenge2DBox(
        {
            "GT_FOLDER": str(tmp_path / "gt"), "TRACKERS_FOLDER": str(tmp_path / "trackers"), "BENCHMARK": "MOT17",
            "SKIP_SPLIT_FOL": True, "SEQ_INFO": {"crowd": 60}, "PRINT_CONFIG": False, "TRACKERS_TO_EVAL": ["itself"],
        }
    )  # fmt: skip
    read = data.get_preprocessed_seq_data(data.get_raw_seq_data("itself", "crowd"), "pedestrian")
    truths = [scene.truth(index) for index in range(60)]
    assert read["num_gt_dets"] == len(counted) == sum(int((truth.seen >= module.HIDDEN).sum()) for truth in truths)
    assert read["num_gt_ids"] == len({number for truth in truths for number in truth.ids[truth.seen >= module.HIDDEN]})
    assert HOTA().eval_sequence(read)["HOTA"].mean() == pytest.approx(1.0)


def test_training_pictures_are_varied_and_their_boxes_lie_inside():
    pictures = list(training_pictures(40, seed=1, size=320))
    counts = [len(picture.boxes) for picture in pictures]
    assert min(counts) <= 1
    assert 8 <= max(counts) <= 20
    boxes = np.concatenate([picture.boxes for picture in pictures])
    assert (boxes >= 0).all()
    assert (boxes <= 320).all()
    heights = boxes[:, 3] - boxes[:, 1]
    assert heights.min() < 25
    assert heights.max() > 150
    assert set(np.concatenate([picture.classes for picture in pictures])) == set(range(len(KINDS)))
    assert np.concatenate([picture.seen for picture in pictures]).min() >= LEAST_SEEN
    again = list(training_pictures(3, seed=1, size=320))
    assert all((a.image == b.image).all() for a, b in zip(pictures, again, strict=False))
