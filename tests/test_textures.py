"""Drawn textures: the same seed draws the same, masks are exact, and a category is written whole or not at all."""

import errno
from pathlib import Path

import cv2
import numpy as np
import pytest

from engine.errors import SightlineError
from engine.job import Progress, drive
from engine.samples import textures as module
from engine.samples.textures import (
    GENERIC_KINDS,
    TEXTURES,
    defect_kinds,
    defective,
    good,
    paint_defect,
    write_mvtec,
    writing_mvtec,
)

KINDS = [(name, kind) for name in TEXTURES for kind in defect_kinds(name)]
SIZES = [(16, 16), (33, 47), (129, 64), (300, 517)]


def is_picture(image: np.ndarray, size: tuple[int, int]) -> bool:
    return image.shape == (*size, 3) and image.dtype == np.uint8 and image.flags["C_CONTIGUOUS"]


def assert_exact(before: np.ndarray, after: np.ndarray, mask: np.ndarray) -> None:
    """Outside the mask nothing differs, inside it nearly all, and there is something inside."""
    assert mask.shape == before.shape[:2]
    assert mask.dtype == np.uint8
    assert set(np.unique(mask)) == {0, 255}
    apart = (before != after).any(2)
    assert not apart[mask == 0].any()
    assert apart[mask > 0].mean() > 0.8  # pinholes are filled


def test_there_are_the_flat_surfaces_of_mvtec_with_five_kinds_each():
    assert TEXTURES == ("tile", "leather", "grid")
    assert all(len(set(defect_kinds(name))) == 5 for name in TEXTURES)
    assert defect_kinds("leather") == ("color", "cut", "fold", "glue", "poke")


@pytest.mark.parametrize("name", TEXTURES)
def test_a_seed_draws_one_picture_and_another_seed_another(name):
    first = good(name, 3)
    assert is_picture(first, (256, 256))
    assert np.array_equal(first, good(name, 3))
    other = good(name, 4)
    # more than noise: grain and light are elsewhere too
    assert cv2.absdiff(first, other).mean() > 8
    assert first.std() > 8
    assert abs(float(first.mean()) - float(other.mean())) < 25  # the same material


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", TEXTURES)
def test_pictures_of_any_size(name, size):
    assert is_picture(good(name, 5, size), size)
    for kind in defect_kinds(name):
        image, mask = defective(name, kind, 5, size)
        assert is_picture(image, size)
        assert_exact(good(name, 5, size), image, mask)


def test_a_larger_picture_shows_more_not_larger_grains():
    def detail(name: str, side: int) -> float:
        pictures = [good(name, seed, (side, side)).astype(np.float32) for seed in range(6)]
        return float(np.median([np.abs(cv2.Laplacian(picture, cv2.CV_32F)).mean() for picture in pictures]))

    for name in TEXTURES:
        assert detail(name, 600) == pytest.approx(detail(name, 200), rel=0.15)


@pytest.mark.parametrize(("name", "kind"), KINDS)
def test_a_defect_is_where_its_mask_says_and_nowhere_else(name, kind):
    shares, places = [], []
    for seed in range(8):
        image, mask = defective(name, kind, seed)
        before = good(name, seed)
        assert_exact(before, image, mask)
        shares.append(float((mask > 0).mean()))
        places.append(np.argwhere(mask).mean(0))
        # it can be seen: the change stands out of the sensor's noise somewhere
        assert cv2.absdiff(before, image).max() > 12
    assert min(shares) >= 12 / 256**2
    assert max(shares) < 0.5
    assert max(shares) > 1.2 * min(shares)  # of several sizes
    assert np.std(places, 0).min() > 8  # in several places
    again = defective(name, kind, 3)
    assert all(np.array_equal(a, b) for a, b in zip(defective(name, kind, 3), again, strict=True))


@pytest.mark.parametrize(("name", "kind"), [("tile", "oil"), ("leather", "color"), ("grid", "glue")])
def test_defects_run_from_subtle_to_obvious(name, kind):
    changes = []
    for seed in range(12):
        image, mask = defective(name, kind, seed)
        changes.append(float(cv2.absdiff(good(name, seed), image)[mask > 0].mean()))
    assert max(changes) > 1.6 * min(changes)


def test_unknown_names_are_answered_with_those_that_exist():
    for call in (lambda: good("wood", 0), lambda: defect_kinds("wood"), lambda: write_mvtec(Path("nowhere"), "wood")):
        with pytest.raises(SightlineError, match="'wood': choose one of tile, leather, grid"):
            call()
    with pytest.raises(SightlineError, match="'hole' of grid: choose one of bent, broken"):
        defective("grid", "hole", 0)
    with pytest.raises(SightlineError, match="choose one of scratch, crack"):
        paint_defect(good("tile", 0), "hole", 0)
    with pytest.raises(SightlineError, match="9 x 40 pixels are too few"):
        good("tile", 0, (40, 9))


@pytest.mark.parametrize("kind", GENERIC_KINDS)
def test_any_picture_can_be_given_a_defect(kind):
    rng = np.random.default_rng(0)
    slope = np.broadcast_to(np.linspace(20, 230, 101, dtype=np.float32)[None, :, None], (70, 101, 3))
    pictures = [
        good("leather", 1, (128, 160)),
        (slope + rng.normal(0, 4, slope.shape)).clip(0, 255).astype(np.uint8),
        np.zeros((64, 64, 3), np.uint8),  # in which nothing can be smeared or pasted
        np.full((48, 200, 3), 255, np.uint8),
        good("grid", 2, (16, 16)),
    ]
    for number, picture in enumerate(pictures):
        for seed in range(3):
            kept = picture.copy()
            image, mask = paint_defect(picture, kind, seed)
            assert np.array_equal(picture, kept)
            assert is_picture(image, picture.shape[:2])
            assert_exact(picture, image, mask)
            again, same = paint_defect(picture, kind, seed)
            assert np.array_equal(image, again), number
            assert np.array_equal(mask, same)


def test_any_kind_means_all_of_them_and_grey_stays_grey():
    picture = good("tile", 3, (96, 96))
    grey = cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    images = [paint_defect(grey, None, seed)[0] for seed in range(20)]
    assert len({image.tobytes() for image in images}) == 20
    assert all((image == image[..., :1]).all() for image in images)
    coloured = [paint_defect(picture, None, seed)[0] for seed in range(20)]
    assert len({image.tobytes() for image in coloured}) == 20


def test_a_category_lies_as_mvtec_ad_lays_it_out(tmp_path):
    folder = write_mvtec(tmp_path / "drawn", "grid", train=3, good=2, each=2, seed=7, size=(64, 80))
    assert folder == tmp_path / "drawn" / "grid"
    assert [path.name for path in folder.parent.iterdir()] == ["grid"]
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    kinds = defect_kinds("grid")
    expected = {f"train/good/{i:03d}.png" for i in range(3)} | {f"test/good/{i:03d}.png" for i in range(2)}
    expected |= {f"test/{kind}/{i:03d}.png" for kind in kinds for i in range(2)}
    expected |= {f"ground_truth/{kind}/{i:03d}_mask.png" for kind in kinds for i in range(2)}
    assert files == expected
    pictures = [path for path in folder.rglob("*.png") if "ground_truth" not in path.parts]
    # no picture is there twice, not in training and test either
    assert len({path.read_bytes() for path in pictures}) == len(pictures)
    for kind in kinds:
        image = cv2.imread(str(folder / f"test/{kind}/001.png"), cv2.IMREAD_UNCHANGED)
        mask = cv2.imread(str(folder / f"ground_truth/{kind}/001_mask.png"), cv2.IMREAD_UNCHANGED)
        assert image.shape == (64, 80, 3)
        assert mask.shape == (64, 80)
        assert set(np.unique(mask)) == {0, 255}


def test_the_same_seed_writes_the_same_bytes(tmp_path):
    def written(folder: str, seed: int) -> dict[str, bytes]:
        root = write_mvtec(tmp_path / folder, "leather", train=2, good=1, each=1, seed=seed, size=(48, 48))
        return {path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(root.rglob("*.png"))}

    first, again, other = written("a", 1), written("b", 1), written("c", 2)
    assert first == again
    assert not set(first.values()) & set(other.values())


def test_it_says_how_far_it_is(tmp_path):
    seen: list[Progress] = []
    drive(writing_mvtec(tmp_path, "tile", train=2, good=1, each=1, size=(32, 32)), seen.append)
    assert [event.done for event in seen] == list(range(9))
    assert {event.total for event in seen} == {8}
    assert {event.unit for event in seen} == {"pictures"}


def test_what_is_there_already_is_left_alone(tmp_path):
    mine = tmp_path / "tile" / "test" / "good" / "mine.png"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"mine")
    with pytest.raises(SightlineError, match="is there already: choose another folder"):
        write_mvtec(tmp_path, "tile", train=1, good=0, each=0, size=(32, 32))
    assert mine.read_bytes() == b"mine"
    assert [path.name for path in tmp_path.iterdir()] == ["tile"]


def test_a_category_that_was_stopped_leaves_nothing(tmp_path):
    job = writing_mvtec(tmp_path, "tile", train=5, size=(32, 32))
    for _ in range(4):
        next(job)
    assert not (tmp_path / "tile").exists()  # nothing has its name before it is whole
    assert len(list(tmp_path.iterdir())) == 1
    job.close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("number", "sentence"), [(errno.ENOSPC, "is full: make room"), (errno.EACCES, "cannot be written")]
)
def test_a_category_that_failed_leaves_nothing_and_says_why(tmp_path, monkeypatch, number, sentence):
    real, calls = Path.write_bytes, []

    def write(path: Path, data: bytes) -> int:
        calls.append(path)
        if len(calls) == 4:
            raise OSError(number, "the disk says no")
        return real(path, data)

    monkeypatch.setattr(Path, "write_bytes", write)
    with pytest.raises(SightlineError, match=sentence):
        write_mvtec(tmp_path, "leather", train=6, size=(32, 32))
    assert list(tmp_path.iterdir()) == []


def test_a_defect_of_ours_leaves_nothing_either(tmp_path, monkeypatch):
    def broken(*_args: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(module, "defective", broken)
    with pytest.raises(ZeroDivisionError):
        write_mvtec(tmp_path, "grid", train=1, good=1, each=1, size=(32, 32))
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_way_is_said_in_one_sentence(tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(SightlineError, match="cannot be written"):
        write_mvtec(tmp_path / "file", "tile", train=1, good=0, each=0, size=(32, 32))
