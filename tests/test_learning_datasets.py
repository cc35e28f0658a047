"""Folders of pictures as data sets: how they are laid out, how they are split, and what is wrong with them."""

import cv2
import numpy as np
import pytest

from engine.errors import SightlineError
from engine.job import Notice, drive
from engine.learning.augment import augmented, relit
from engine.learning.datasets import Part, example_shapes, from_arrays, read_data, read_image_folder, split
from engine.learning.pictures import preparing
from engine.samples.shapes import shapes
from engine.weights.preprocessing import Preprocessing


def folder_of(root, count=5, names=("dog", "cat"), size=32):
    """A folder of drawn pictures for each name."""
    for number, name in enumerate(names):
        (root / name).mkdir(parents=True)
        pictures, _, _ = shapes(count, size, seed=number)
        for index, picture in enumerate(pictures):
            cv2.imwrite(str(root / name / f"{index}.png"), picture)
    return root


def test_a_folder_of_classes(tmp_path):
    found = read_image_folder(folder_of(tmp_path / "pets"))
    assert (found.name, found.names) == ("pets", ("cat", "dog"))
    assert found.train.labels.tolist() == [0] * 5 + [1] * 5
    assert [path.name for path in found.train.pictures[:5]] == ["0.png", "1.png", "2.png", "3.png", "4.png"]
    assert len(found.test) == 0
    assert np.array_equal(found.train.read(5), shapes(1, 32, seed=0)[0][0])


def test_a_folder_with_a_test_part(tmp_path):
    folder_of(tmp_path / "train")
    folder_of(tmp_path / "test", count=2)
    (tmp_path / "train" / "empty").mkdir()
    (tmp_path / "train" / "cat" / "notes.txt").write_text("no picture")
    found = read_image_folder(tmp_path)
    assert (len(found.train), len(found.test), found.names) == (10, 4, ("cat", "dog"))


def test_the_parts_share_nothing_and_every_class_gives_its_share():
    pictures = np.arange(40, dtype=np.uint8)[:, None, None, None] * np.ones((1, 4, 4, 3), np.uint8)
    data = from_arrays(pictures, [0] * 30 + [1] * 10, ("many", "few"))
    parts = split(data, 0.8, seed=4)
    assert [np.bincount(part.labels).tolist() for part in (parts.train, parts.val, parts.test)] == [
        [24, 8], [3, 1], [3, 1],
    ]  # fmt: skip
    numbers = [int(picture[0, 0, 0]) for part in (parts.train, parts.val, parts.test) for picture in part.pictures]
    assert sorted(numbers) == list(range(40))
    again, other = split(data, 0.8, seed=4), split(data, 0.8, seed=5)
    assert np.array_equal(again.val.pictures, parts.val.pictures)
    assert not np.array_equal(other.val.pictures, parts.val.pictures)


def test_a_set_with_a_test_part_keeps_it():
    data = example_shapes(train=50, test=10, size=32)
    parts = split(data, 0.8)
    assert (len(parts.train), len(parts.val)) == (40, 10)
    assert parts.test is data.test


def test_the_example_is_told_by_its_name():
    assert read_data("example:shapes").names == ("circle", "square", "triangle", "star", "cross")
    with pytest.raises(SightlineError, match="example:shapes"):
        read_data("example:letters")


def test_damaged_pictures_are_left_out_with_a_notice(tmp_path):
    found = read_image_folder(folder_of(tmp_path / "pets"))
    (tmp_path / "pets" / "cat" / "1.png").write_bytes(b"no picture")
    events = []
    made = drive(preparing(found.train, Preprocessing(32, 32), "the training pictures", whole=True), events.append)
    (notice,) = (event for event in events if isinstance(event, Notice))
    assert "1.png" in notice.text
    assert made.labels.tolist() == [0] * 4 + [1] * 5
    expected = [Preprocessing(32, 32).square(found.train.read(index)) for index in (2, 9)]
    assert np.array_equal(made.squares([1, 8]), np.stack(expected))


def test_pictures_for_which_there_is_no_room_are_read_again(tmp_path):
    part = read_image_folder(folder_of(tmp_path / "pets")).train
    kept, read = (
        drive(preparing(part, Preprocessing(32, 32), "pictures", whole=True, kept_mib=mib)) for mib in (100, 0.004)
    )
    places = [9, 0, 3]
    assert np.array_equal(kept.squares(places), read.squares(places))
    views = [some.views(places, np.random.default_rng(1)) for some in (kept, read)]
    assert np.array_equal(*views)


def test_all_damaged_is_one_sentence(tmp_path):
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(b"")
    part = Part([tmp_path / "a.png", tmp_path / "b.png"], np.array([0, 1]))
    with pytest.raises(SightlineError, match=r"None of the pictures can be read"):
        drive(preparing(part, Preprocessing(), "the pictures"))


def test_a_view_shows_the_same_and_another_view_is_another():
    """Of a picture with a left and a right half, a view shows both colours, either way round."""
    image = np.zeros((60, 80, 3), np.uint8)
    image[:, :40], image[:, 40:] = (40, 60, 200), (200, 60, 40)
    lefts = []
    for seed in range(40):
        view = augmented(image, 32, np.random.default_rng(seed))
        assert view.shape == (32, 32, 3)
        assert np.array_equal(view, augmented(image, 32, np.random.default_rng(seed)))
        lefts.append(view[16, 2, 2] > view[16, 2, 0])
    assert 8 < sum(lefts) < 32
    assert len({augmented(image, 32, np.random.default_rng(seed)).tobytes() for seed in range(10)}) == 10


def test_light_is_changed_as_the_formulas_say():
    image = shapes(1, 48)[0][0]
    seen = relit(image, np.random.default_rng(3)).astype(int)
    bright, contrast, colour = np.random.default_rng(3).uniform(0.7, 1.3, 3)
    values = image.astype(np.float64)
    grey = values @ (0.114, 0.587, 0.299)
    values = grey[..., None] + colour * (values - grey[..., None])
    values = grey.mean() + contrast * (values - grey.mean())
    expected = np.clip(values * bright, 0, 255)
    assert np.abs(seen - expected).max() <= 1


def sentence(door):
    with pytest.raises(SightlineError) as error:
        door()
    said = str(error.value)
    assert said.endswith(".")
    assert "\n" not in said
    return said


def test_bad_folders_are_one_sentence_each(tmp_path):
    assert "There is no folder" in sentence(lambda: read_image_folder(tmp_path / "gone"))
    (tmp_path / "file").write_text("")
    assert "is a file" in sentence(lambda: read_image_folder(tmp_path / "file"))
    (tmp_path / "empty" / "cat").mkdir(parents=True)
    assert "holds no pictures" in sentence(lambda: read_image_folder(tmp_path / "empty"))
    one = folder_of(tmp_path / "one", names=("cat",))
    assert "one class alone (cat)" in sentence(lambda: read_image_folder(one))
    assert "in no class" in sentence(lambda: read_image_folder(one / "cat"))
    folder_of(tmp_path / "odd" / "train")
    folder_of(tmp_path / "odd" / "test", names=("cat", "horse"))
    assert "horse" in sentence(lambda: read_image_folder(tmp_path / "odd"))
    few = read_image_folder(folder_of(tmp_path / "few", count=2))
    assert "2 pictures" in sentence(lambda: split(few))
    assert "split" in sentence(lambda: split(few, 1.0))


def test_bad_arrays_are_one_sentence_each():
    pictures = np.zeros((4, 8, 8, 3), np.uint8)
    assert "3 labels" in sentence(lambda: from_arrays(pictures, [0, 1, 0], ("a", "b")))
    assert "outside" in sentence(lambda: from_arrays(pictures, [0, 1, 2, 0], ("a", "b")))
    assert "one class" in sentence(lambda: from_arrays(pictures, [0, 0, 0, 0], ("a", "b")))
    assert "no pictures" in sentence(lambda: from_arrays(pictures[:0], [], ("a", "b")))
