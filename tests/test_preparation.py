"""Pictures are cut as the knobs say, and maps come back to where they belong."""

import itertools

import cv2
import numpy as np
import pytest

from engine.errors import SightlineError
from engine.inspection.knobs import FitKnobs
from engine.inspection.preparation import OVERLAP, Pictures, Preparation, _starts
from engine.job import Notice, Progress, drive


def picture(height, width, seed=0):
    """Smooth noise, so that resizing loses little."""
    noise = np.random.default_rng(seed).uniform(0, 255, (height // 8 + 2, width // 8 + 2, 3)).astype(np.float32)
    return cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC).clip(0, 255).astype(np.uint8)


def ramps(height, width):
    """Two maps that say where each pixel lies: x and y as shares of the picture."""
    x, y = (np.arange(width) + 0.5) / width, (np.arange(height) + 0.5) / height
    return np.meshgrid(x, y)


def places_as_maps(preparation, image):
    """What the network would give if it told where in the picture each pixel of its input lies, pasted: x and y."""
    cut = preparation.cut(image)
    height, width = cut.shape
    pasted = []
    for axis in (0, 1):
        maps = []
        for left, top, w, h in cut.places:
            across, down = ramps(*cut.tiles.shape[1:3])
            maps.append((left + across * w) / width if axis == 0 else (top + down * h) / height)
        pasted.append(preparation.paste(cut, np.stack(maps).astype(np.float32)))
    return pasted


def test_a_picture_becomes_a_batch():
    image = np.zeros((40, 60, 3), np.uint8)
    image[:] = (10, 100, 250)  # blue, green, red
    cut = Preparation(FitKnobs(size=32)).cut(image)
    assert cut.tiles.shape == (1, 32, 32, 3)
    assert cut.places == ((0, 0, 60, 40),)
    assert cut.shape == (40, 60)
    batch = cut.batch
    assert batch.shape == (1, 3, 32, 32)
    assert batch.dtype == np.float32
    assert batch.flags.c_contiguous
    np.testing.assert_allclose(batch[0, :, 5, 5], np.array([250, 100, 10]) / 255, atol=1e-6)


@pytest.mark.parametrize("shape", [(64, 64), (200, 300), (100, 37), (31, 500)])
@pytest.mark.parametrize("others", [
    {}, {"crop": 48}, {"keep_shape": True}, {"keep_shape": True, "crop": 48}, {"tile": 90}, {"tile": 90, "crop": 56},
    {"region": (0.25, 0.1, 0.5, 0.8)}, {"region": (0.1, 0.3, 0.9, 0.7), "tile": 70, "keep_shape": True},
])  # fmt: skip
def test_maps_come_back_to_their_place(shape, others):
    """To a pixel of the network's input, or of the picture where that is coarser."""
    knobs = FitKnobs(size=64, **others)
    height, width = shape
    preparation = Preparation(knobs)
    found = places_as_maps(preparation, picture(*shape))
    seen = ~np.isnan(found[0])
    assert seen.any()
    tile = knobs.tile if max(shape) > knobs.tile else max(shape)
    for have, want, side in zip(found, ramps(height, width), (width, height), strict=True):
        assert have.shape == shape
        off = np.abs(have - want)[seen] * side
        assert tuple(preparation.places(shape)[0]) == preparation.cut(picture(*shape)).places
        # linear resizing stops half a pixel of the input before the border; places are rounded to pixels
        assert off.max() <= 1 + min(side, tile) / 64


@pytest.mark.parametrize("shape", [(64, 64), (50, 70), (8, 8), (300, 9)])
def test_without_crop_or_region_everything_is_looked_at(shape):
    for keep_shape in (False, True) if min(shape) > 9 else (False,):
        preparation = Preparation(FitKnobs(size=64, keep_shape=keep_shape))
        cut = preparation.cut(picture(*shape))
        maps = np.ones((1, *cut.tiles.shape[1:3]), np.float32)
        assert (preparation.paste(cut, maps) == 1).all()


def test_a_crop_looks_at_the_middle():
    preparation = Preparation(FitKnobs(size=256, crop=224))
    image = picture(512, 256)
    cut = preparation.cut(image)
    assert cut.tiles.shape == (1, 224, 224, 3)
    assert cut.places == ((16, 32, 224, 448),)
    whole = preparation.paste(cut, np.ones((1, 224, 224), np.float32))
    assert np.isnan(whole[:32]).all()
    assert np.isnan(whole[:, :16]).all()
    assert (whole[32:480, 16:240] == 1).all()
    want = cv2.resize(image, (256, 256), interpolation=cv2.INTER_AREA)[16:240, 16:240, ::-1]
    np.testing.assert_array_equal(cut.tiles[0], want)


def test_a_crop_larger_than_the_picture_is_none():
    assert Preparation(FitKnobs(size=128, crop=224)).cut(picture(64, 64)).tiles.shape == (1, 128, 128, 3)


@pytest.mark.parametrize("crop", [1, 16, 40])
def test_a_narrow_crop_of_a_tiny_picture(crop):
    preparation = Preparation(FitKnobs(size=256, crop=crop))
    cut = preparation.cut(picture(8, 8))
    whole = preparation.paste(cut, np.ones((1, crop, crop), np.float32))
    assert (whole == 1).sum() >= 1


def test_a_region_is_all_that_is_seen():
    image = np.zeros((100, 200, 3), np.uint8)
    image[20:70, 40:140] = 255
    preparation = Preparation(FitKnobs(size=64, region=(0.2, 0.2, 0.5, 0.5)))
    cut = preparation.cut(image)
    assert (cut.tiles == 255).all()
    assert cut.places == ((40, 20, 100, 50),)
    whole = preparation.paste(cut, np.zeros((1, 64, 64), np.float32))
    np.testing.assert_array_equal(~np.isnan(whole), image[:, :, 0] == 255)


@pytest.mark.parametrize(("shape", "size"), [
    ((100, 200), (64, 128)), ((200, 100), (128, 64)), ((64, 64), (64, 64)), ((100, 110), (64, 64)),
    ((10, 45), (64, 288)),
])  # fmt: skip
def test_kept_proportions(shape, size):
    cut = Preparation(FitKnobs(size=64, keep_shape=True)).cut(picture(*shape))
    assert cut.tiles.shape[1:3] == size


@pytest.mark.parametrize(("length", "tile"), [
    *((n, 100) for n in (1, 99, 100, 101, 150, 187, 188, 189, 200, 275, 276, 1000, 1001)), (12_345, 1024), (9, 8),
])  # fmt: skip
def test_tiles_cover_a_length(length, tile):
    starts = _starts(length, tile)
    assert starts[0] == 0
    if length <= tile:
        assert starts == [0]
        return
    assert starts[-1] == length - tile
    steps = np.diff(starts)
    assert (steps > 0).all()
    assert steps.max() - steps.min() <= 1
    assert steps.max() <= tile * (1 - OVERLAP) + 1
    # and no more of them than that takes
    assert len(starts) == 2 or (len(starts) - 2) * tile * (1 - OVERLAP) + tile < length


def test_a_large_picture_is_tiled():
    image = picture(300, 500)
    preparation = Preparation(FitKnobs(size=100, tile=100))
    cut = preparation.cut(image)
    covered = np.zeros(image.shape[:2], int)
    for tile, (left, top, w, h) in zip(cut.tiles, cut.places, strict=True):
        assert (w, h) == (100, 100)
        part = slice(int(top), int(top + h)), slice(int(left), int(left + w))
        covered[part] += 1
        np.testing.assert_array_equal(tile, image[part][:, :, ::-1])
    assert covered.min() == 1
    assert len(cut.tiles) == 4 * 6


def test_where_tiles_overlap_the_larger_counts():
    preparation = Preparation(FitKnobs(size=64, tile=64))
    cut = preparation.cut(picture(64, 100))
    maps = np.zeros((len(cut.tiles), 64, 64), np.float32)
    maps[1] = 2
    whole = preparation.paste(cut, maps)
    start = int(cut.places[1][0])
    assert (whole[:, start:] == 2).all()
    assert (whole[:, :start] == 0).all()


def test_no_tiles_where_they_are_switched_off_or_not_needed():
    assert len(Preparation(FitKnobs(size=32, tile=0)).cut(picture(3000, 40)).tiles) == 1
    assert len(Preparation(FitKnobs(size=32, tile=64)).cut(picture(64, 64)).tiles) == 1
    assert len(Preparation(FitKnobs(size=32, tile=64)).cut(picture(64, 65)).tiles) == 2


@pytest.mark.parametrize("shape", [(7, 100), (100, 7), (1, 1)])
def test_a_tiny_picture_is_refused(shape):
    with pytest.raises(SightlineError, match=f"{shape[1]}x{shape[0]} pixels is too small"):
        Preparation(FitKnobs(size=64)).cut(picture(*shape))


def test_a_tiny_region_is_refused():
    with pytest.raises(SightlineError, match="too small"):
        Preparation(FitKnobs(size=64, region=(0.5, 0.5, 0.01, 0.5))).cut(picture(100, 100))


def test_the_smallest_that_is_inspected():
    preparation = Preparation(FitKnobs(size=64))
    cut = preparation.cut(picture(8, 8))
    maps = np.random.default_rng(0).random((1, 64, 64), np.float32)
    assert preparation.paste(cut, maps).shape == (8, 8)


@pytest.mark.parametrize("others", [{}, {"crop": 48}, {"tile": 60}, {"region": (0.2, 0.3, 0.5, 0.6)}])
def test_which_patch_shows_a_point(others):
    preparation, grid = Preparation(FitKnobs(size=64, **others)), (8, 6)
    cut = preparation.cut(picture(90, 120))
    shown = 0
    for x, y in itertools.product(range(0, 120, 7), range(0, 90, 7)):
        found = preparation.to_patch(cut, x, y, grid)
        inside = [n for n, (left, top, w, h) in enumerate(cut.places)
                  if left <= x < left + w and top <= y < top + h]  # fmt: skip
        if not inside:
            assert found is None
            continue
        tile, row, column = found
        left, top, w, h = cut.places[tile]
        assert tile in inside
        assert left + column * w / 6 <= x < left + (column + 1) * w / 6 + 1e-6
        assert top + row * h / 8 <= y < top + (row + 1) * h / 8 + 1e-6
        shown += 1
    assert shown > 20


def test_of_overlapping_tiles_the_strangest_patch_counts():
    preparation = Preparation(FitKnobs(size=64, tile=60))
    cut = preparation.cut(picture(60, 90))
    (first, second), scores = cut.places, np.zeros((2, 8, 8), np.float32)
    x = (second[0] + first[2]) / 2
    for tile in (0, 1):
        scores[:] = 0
        scores[tile] = 1
        assert preparation.to_patch(cut, x, 20, (8, 8), scores)[0] == tile
    assert preparation.to_patch(cut, x, 20, (8, 8))[0] == 0
    assert preparation.to_patch(cut, 200, 20, (8, 8), scores) is None


def test_no_patch_shows_what_is_outside():
    preparation = Preparation(FitKnobs(size=64))
    cut = preparation.cut(picture(90, 120))
    for x, y in ((-1, 5), (5, -1), (120, 5), (5, 90)):
        assert preparation.to_patch(cut, x, y, (8, 8)) is None


# training pictures


@pytest.fixture
def folder(tmp_path):
    for number in range(4):
        cv2.imwrite(str(tmp_path / f"{number}.png"), picture(40, 50, number))
    (tmp_path / "4.png").write_bytes(b"not a picture")
    cv2.imwrite(str(tmp_path / "5.png"), picture(5, 50))
    return tmp_path


def test_what_cannot_be_read_is_left_out(folder):
    pictures = Pictures(sorted(folder.iterdir())[::-1], Preparation(FitKnobs(size=32)))
    seen = []
    drive(pictures.checking(), seen.append)
    notices = [event.text for event in seen if isinstance(event, Notice)]
    assert len(notices) == 2
    assert any("too small" in text for text in notices)
    assert all(text.startswith("Left out: ") and text.endswith(".") for text in notices)
    assert [event.done for event in seen if isinstance(event, Progress)] == [3, 4, 5, 6]
    assert [path.name for path in pictures.paths] == ["3.png", "2.png", "1.png", "0.png"]
    assert len(pictures) == 4
    assert pictures.size == (32, 32)
    for index, path in enumerate(pictures.paths):
        want = Preparation(FitKnobs(size=32)).cut(cv2.imread(str(path))).batch
        np.testing.assert_array_equal(pictures.batch(index), want)


def test_nothing_that_can_be_read(folder):
    with pytest.raises(SightlineError, match=r"4\.png"):
        drive(Pictures([folder / "4.png"], Preparation(FitKnobs())).checking())
    with pytest.raises(SightlineError, match="no good picture"):
        drive(Pictures([], Preparation(FitKnobs())).checking())


def test_what_has_no_room_is_read_again(folder, monkeypatch):
    from engine.inspection import preparation

    reads = []
    read = preparation.read_any
    monkeypatch.setattr(preparation, "read_any", lambda path, white: reads.append(path.name) or read(path, white))
    paths = [folder / f"{number}.png" for number in range(4)]
    roomy = Pictures(paths, Preparation(FitKnobs(size=32)))
    drive(roomy.checking())
    batches = [roomy.batch(i) for i in range(4)]
    assert len(reads) == 4
    tight = Pictures(paths, Preparation(FitKnobs(size=32)), keep_mib=0)
    drive(tight.checking())
    for index in range(4):
        np.testing.assert_array_equal(tight.batch(index), batches[index])
    assert len(reads) == 4 + 4 + 4


def test_some_of_them(folder):
    pictures = Pictures([folder / f"{number}.png" for number in range(4)], Preparation(FitKnobs(size=32)))
    drive(pictures.checking())
    some = pictures.part([3, 1])
    assert len(some) == 2
    assert some.size == pictures.size
    np.testing.assert_array_equal(some.batch(0), pictures.batch(3))
    np.testing.assert_array_equal(some.batch(1), pictures.batch(1))


def test_kept_proportions_take_the_size_of_the_first(tmp_path):
    for number, shape in enumerate([(40, 80), (80, 40)]):
        cv2.imwrite(str(tmp_path / f"{number}.png"), picture(*shape))
    pictures = Pictures(sorted(tmp_path.iterdir()), Preparation(FitKnobs(size=32, keep_shape=True)))
    drive(pictures.checking())
    assert pictures.size == (32, 64)
    assert pictures.batch(1).shape == (1, 3, 64, 32)
