"""Data sets are found in every layout, and what a person says about their pictures is kept."""

import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from engine import runtime
from engine.errors import SightlineError
from engine.inspection import labels
from engine.inspection.dataset import read_any_folder, read_category, read_folders, read_root, relabel, save_mask
from engine.inspection.labels import forget_label, region_of, relabelled, set_region, with_mask
from engine.inspection.pictures import read_mask
from engine.inspection.types import GOOD


@pytest.fixture(autouse=True)
def _own_home(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("SIGHTLINE_HOME", str(tmp_path_factory.mktemp("home")))


def pictures(folder, names, real=False):
    folder.mkdir(parents=True, exist_ok=True)
    data = cv2.imencode(".png", np.full((12, 16), 90, np.uint8))[1].tobytes() if real else b""
    for name in names:
        (folder / (name if "." in name else f"{name}.png")).write_bytes(data)
    return folder


def mvtec(folder, good=6, kinds=(("crack", 3), ("scratch", 2)), test_good=2, masks=True, real=True):
    pictures(folder / "train" / "good", [f"{n:03}" for n in range(good)], real)
    if test_good:
        pictures(folder / "test" / "good", [f"{n:03}" for n in range(test_good)], real)
    for kind, count in kinds:
        pictures(folder / "test" / kind, [f"{n:03}" for n in range(count)], real)
        if masks:
            pictures(folder / "ground_truth" / kind, [f"{n:03}_mask" for n in range(count)], real)
    return folder


def seen(category):
    return [(item.path.relative_to(category.folder).as_posix(), item.kind, item.split) for item in category.items]


def item_of(category, end):
    return next(item for item in category.items if item.path.as_posix().endswith(end))


def test_a_category_in_mvtecs_layout(tmp_path):
    category = read_category(mvtec(tmp_path / "tile"))
    assert (category.name, category.folder) == ("tile", tmp_path / "tile")
    assert len(category.train) == 6
    assert category.counts == {"good": 2, "crack": 3, "scratch": 2}
    assert list(category.counts) == ["good", "crack", "scratch"]
    assert seen(category)[:2] == [("train/good/000.png", "good", "train"), ("train/good/001.png", "good", "train")]
    assert item_of(category, "crack/002.png").mask == tmp_path / "tile/ground_truth/crack/002_mask.png"
    assert all((item.mask is not None) == item.abnormal for item in category.items)
    assert read_any_folder(tmp_path / "tile") == read_root(tmp_path / "tile") == (category,)


def test_pictures_come_in_natural_order_and_nothing_else_comes(tmp_path):
    folder = mvtec(tmp_path / "tile", good=0, real=False)
    pictures(folder / "train" / "good", ["p10", "p9", "P2", "p1.JPG", ".hidden.png", "notes.txt", "Thumbs.db"])
    (folder / "train" / "good" / "folder.png").mkdir()
    names = [item.path.name for item in read_category(folder).train]
    assert names == ["p1.JPG", "P2.png", "p9.png", "p10.png"]


def test_masks_and_pictures_need_not_match(tmp_path):
    folder = mvtec(tmp_path / "tile", masks=False)
    truth = pictures(folder / "ground_truth" / "crack", ["000_mask.bmp", "001", "077_mask", "001_mask.tif"])
    category = read_category(folder)
    assert item_of(category, "crack/000.png").mask == truth / "000_mask.bmp"
    assert item_of(category, "crack/001.png").mask == truth / "001_mask.tif"
    assert item_of(category, "crack/002.png").mask is None
    assert item_of(category, "scratch/000.png").mask is None


def test_a_category_without_bad_pictures_or_test_pictures(tmp_path):
    assert read_category(mvtec(tmp_path / "a", kinds=())).counts == {"good": 2}
    category = read_category(mvtec(tmp_path / "b", kinds=(), test_good=0, good=1))
    assert (len(category.train), category.test) == (1, ())


def test_a_root_lists_tile_leather_and_grid_first(tmp_path):
    for name in ("wood", "grid", "bottle", "zip10", "zip9", "leather", "tile"):
        mvtec(tmp_path / name, good=2, real=False)
    mvtec(tmp_path / "empty", good=0, real=False)
    pictures(tmp_path / "papers", ["figure"])
    (tmp_path / "readme.txt").write_text("MVTec")
    names = [category.name for category in read_root(tmp_path)]
    assert names == ["tile", "leather", "grid", "bottle", "wood", "zip9", "zip10"]
    assert read_any_folder(tmp_path) == read_root(tmp_path)


def test_a_folder_of_good_pictures_alone_is_learned_from_whole(tmp_path):
    good = pictures(tmp_path / "plates", [f"{n}" for n in range(12)])
    category = read_folders(good)
    assert (category.name, len(category.train), len(category.test)) == ("plates", 12, 0)
    assert read_any_folder(good) == (category,)
    assert read_folders(good, name="steel").name == "steel"


def test_every_fifth_good_picture_is_kept_where_there_are_bad_ones(tmp_path):
    good = pictures(tmp_path / "good", [f"{n}" for n in range(1, 13)])
    bad = pictures(tmp_path / "scratched", ["a", "b"])
    category = read_folders(good, bad)
    assert [item.path.stem for item in category.test if not item.abnormal] == ["5", "10"]
    assert [item.path.stem for item in category.train] == ["1", "2", "3", "4", "6", "7", "8", "9", "11", "12"]
    assert category.counts == {"good": 2, "scratched": 2}
    assert read_folders(good, bad) == category


def test_folders_in_the_bad_one_are_its_kinds(tmp_path):
    good = pictures(tmp_path / "good", [f"{n}" for n in range(10)])
    bad = pictures(tmp_path / "bad", ["loose"])
    pictures(bad / "crack", ["1", "2"])
    pictures(bad / "hole", ["1"])
    pictures(bad / "ground_truth" / "crack", ["1_mask"])
    category = read_folders(good, bad)
    assert category.counts == {"good": 2, "bad": 1, "crack": 2, "hole": 1}
    assert item_of(category, "crack/1.png").mask == bad / "ground_truth/crack/1_mask.png"
    assert item_of(category, "hole/1.png").mask is None


def test_good_test_pictures_beside_the_bad_ones_spare_the_good_folder(tmp_path):
    good = pictures(tmp_path / "good", [f"{n}" for n in range(10)])
    pictures(tmp_path / "test" / "good", ["x"])
    pictures(tmp_path / "test" / "crack", ["y"])
    category = read_folders(good, tmp_path / "test")
    assert (len(category.train), category.counts) == (10, {"good": 1, "crack": 1})
    assert read_any_folder(tmp_path) == (read_folders(good, tmp_path / "test", tmp_path.name),)


def test_masks_beside_the_pictures_are_no_pictures(tmp_path):
    good = pictures(tmp_path / "good", ["1", "2_mask"])
    bad = pictures(tmp_path / "bad", ["a", "a_mask", "b"])
    category = read_folders(good, bad)
    assert len(category.train) == 2
    assert category.counts == {"bad": 2}
    assert item_of(category, "bad/a.png").mask == bad / "a_mask.png"


def test_a_mask_that_could_belong_to_two_pictures_belongs_to_none(tmp_path):
    pictures(tmp_path / "good", ["1"])
    for kind in ("crack", "hole"):
        pictures(tmp_path / kind, ["1", kind])
    pictures(tmp_path / "masks", ["1_mask", "crack_mask"])
    (category,) = read_any_folder(tmp_path)
    assert [item.path.stem for item in category.items if item.mask] == ["crack"]


@pytest.mark.parametrize(
    ("good", "bad"),
    [("good", "bad"), ("ok", "NG"), ("Normal", "abnormal"), ("good", "defect"), ("train/good2", None)],
)
def test_folders_called_good_and_bad_are_found(tmp_path, good, bad):
    if bad is None:
        pictures(tmp_path / "train", [f"{n}" for n in range(5)])
        bad = "test/hole"
    else:
        pictures(tmp_path / good, [f"{n}" for n in range(5)])
    pictures(tmp_path / bad, ["x"])
    (category,) = read_any_folder(tmp_path)
    assert category.counts == {"good": 1, Path(bad).name: 1}
    assert (category.name, len(category.train)) == (tmp_path.name, 4)


def test_folders_beside_the_good_one_are_kinds(tmp_path):
    pictures(tmp_path / "good", [f"{n}" for n in range(5)])
    pictures(tmp_path / "crack", ["x"])
    pictures(tmp_path / "masks" / "crack", ["x"])
    (category,) = read_any_folder(tmp_path)
    assert category.counts == {"good": 1, "crack": 1}
    assert item_of(category, "crack/x.png").mask == tmp_path / "masks/crack/x.png"


def test_parts_of_a_category_can_be_opened(tmp_path):
    folder = mvtec(tmp_path / "tile", real=False)
    (test,) = read_any_folder(folder / "test")
    assert (test.name, len(test.train), test.counts) == ("tile", 2, {"crack": 3, "scratch": 2})
    assert sum(item.mask is not None for item in test.items) == 5
    (train,) = read_any_folder(folder / "train")
    assert (train.name, len(train.train), train.test) == ("tile", 6, ())
    assert read_any_folder(folder / "train" / "good")[0].name == "tile"


def test_what_is_no_data_set_is_said_in_one_sentence(tmp_path):
    def refused(call, *words):
        with pytest.raises(SightlineError) as caught:
            call()
        for word in words:
            assert word in str(caught.value)
        assert "\n" not in str(caught.value)

    empty = tmp_path / "empty"
    empty.mkdir()
    for read in (read_any_folder, read_root, read_category, read_folders):
        refused(lambda read=read: read(tmp_path / "nowhere"), "There is no folder", "nowhere")
    refused(lambda: read_any_folder(empty), "There is no picture in", "empty")
    refused(lambda: read_root(empty), "There is no category in")
    refused(lambda: read_category(empty), "train/good")
    refused(lambda: read_folders(empty), "There is no good picture in")
    none_good = mvtec(tmp_path / "none", good=0)
    refused(lambda: read_category(none_good), "There is no good picture in", "train")
    (tmp_path / "file.png").touch()
    refused(lambda: read_any_folder(tmp_path / "file.png"), "is a file")
    good = pictures(tmp_path / "good", ["1"])
    refused(lambda: read_folders(good, empty), "There is no picture in", "empty")
    refused(lambda: read_folders(good, good), "both")
    pictures(tmp_path / "unnamed" / "cats", ["1"])
    refused(lambda: read_any_folder(tmp_path / "unnamed"), "Nothing says which pictures")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read(tmp_path):
    good = pictures(tmp_path / "good", ["1"])
    good.chmod(0)
    try:
        with pytest.raises(SightlineError, match="cannot be read"):
            read_folders(good)
    finally:
        good.chmod(0o700)


def test_a_folder_that_cannot_be_listed_is_named(tmp_path, monkeypatch):
    good = pictures(tmp_path / "good", ["1"])

    def scandir(_path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(SightlineError, match=r"good cannot be read \(permission denied\)"):
        read_folders(good)


def test_a_good_picture_called_bad_leaves_the_training_and_comes_back(tmp_path):
    before = read_category(mvtec(tmp_path / "tile"))
    item = item_of(before, "train/good/002.png")
    after = relabel(before, item, "crack")
    assert len(after.train) == 5
    assert after.counts == {"good": 2, "crack": 4, "scratch": 2}
    assert item_of(after, "train/good/002.png").mask is None
    assert read_category(tmp_path / "tile") == after
    assert relabelled(after) == {item.path: GOOD}
    assert item.path.is_file()
    again = relabel(after, item, "good")
    assert again == before == read_category(tmp_path / "tile")
    assert relabelled(again) == {}


def test_a_bad_picture_called_good_is_learned_from_and_its_mask_rests(tmp_path):
    before = read_category(mvtec(tmp_path / "tile"))
    item = item_of(before, "crack/001.png")
    after = relabel(before, item, "Good")
    found = item_of(after, "crack/001.png")
    assert (found.kind, found.split, found.mask) == ("good", "train", None)
    assert read_category(tmp_path / "tile") == after
    assert forget_label(after, found) == before == read_category(tmp_path / "tile")
    # or it stays a test picture, if somebody says so
    kept = relabel(before, item, "good", split="test")
    assert item_of(kept, "crack/001.png").split == "test"
    assert kept.counts["good"] == 3
    assert forget_label(kept, item) == before


def test_another_kind_keeps_the_mask(tmp_path):
    before = read_category(mvtec(tmp_path / "tile"))
    item = item_of(before, "crack/001.png")
    after = relabel(relabel(before, item, "hole"), item, "dent")
    assert item_of(after, "crack/001.png").kind == "dent"
    assert item_of(after, "crack/001.png").mask == item.mask
    assert read_category(tmp_path / "tile") == after
    good = relabel(after, item, "good")
    assert item_of(good, "crack/001.png").mask is None
    cracked = relabel(read_category(tmp_path / "tile"), item, "dent")
    assert item_of(cracked, "crack/001.png").mask == item.mask
    assert forget_label(cracked, item) == before


def test_a_good_test_picture_can_be_sent_to_the_training(tmp_path):
    before = read_category(mvtec(tmp_path / "tile"))
    after = relabel(before, item_of(before, "test/good/000.png"), "good", split="train")
    assert (len(after.train), after.counts["good"]) == (7, 1)
    assert read_category(tmp_path / "tile") == after


def test_labels_are_those_of_the_folder_however_it_is_opened(tmp_path, monkeypatch):
    good = pictures(tmp_path / "good", [f"{n}" for n in range(5)])
    bad = pictures(tmp_path / "bad", ["x"])
    relabel(read_folders(good, bad), read_folders(good, bad).train[0], "hole")
    (category,) = read_any_folder(tmp_path)
    assert category.counts == {"good": 1, "bad": 1, "hole": 1}
    monkeypatch.chdir(tmp_path)
    assert read_folders(Path("good"), Path("bad")).counts == category.counts
    # a bad folder elsewhere is known by its whole path
    elsewhere = pictures(tmp_path / "far" / "away", ["y"])
    apart = read_folders(good, elsewhere)
    relabel(apart, item_of(apart, "y.png"), "dent")
    assert read_folders(good, elsewhere).counts == {"good": 1, "dent": 1, "hole": 1}


@pytest.mark.parametrize("kind", ["", "  ", "a/b", "..", "c:\\d", ".hidden", "x" * 99, "what?"])
def test_a_kind_must_be_able_to_name_a_folder(tmp_path, kind):
    category = read_category(mvtec(tmp_path / "tile"))
    with pytest.raises(SightlineError, match="cannot be a kind of defect"):
        relabel(category, category.items[0], kind)


def test_a_picture_of_another_category_is_refused(tmp_path):
    tile, grid = read_category(mvtec(tmp_path / "tile")), read_category(mvtec(tmp_path / "grid"))
    with pytest.raises(SightlineError, match="is not a picture of tile"):
        relabel(tile, grid.items[0], "crack")


def labels_file():
    (found,) = (runtime.data_folder() / "inspection" / "labels").rglob("labels*.json")
    return found


def test_damaged_labels_do_not_keep_the_pictures_away_and_are_not_lost(tmp_path):
    before = read_category(mvtec(tmp_path / "tile"))
    relabel(before, before.items[0], "crack")
    path = labels_file()
    path.write_text("{ half a fi")
    assert read_category(tmp_path / "tile") == before
    relabel(before, before.items[1], "crack")
    assert path.with_name("labels.damaged.json").read_text() == "{ half a fi"
    assert len(read_category(tmp_path / "tile").train) == 5


@pytest.mark.parametrize("change", [{"pictures": 5}, {"masks": [1]}, {"region": "all"}, {"pictures": {"a": {"b": 1}}}])
def test_strange_labels_count_as_not_said(tmp_path, change):
    before = read_category(mvtec(tmp_path / "tile"))
    relabel(before, before.items[0], "crack")
    path = labels_file()
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    read_category(tmp_path / "tile")
    path.write_text("[]")
    assert read_category(tmp_path / "tile") == before


def test_a_full_disk_is_said_and_what_was_there_stays(tmp_path, monkeypatch):
    before = read_category(mvtec(tmp_path / "tile"))
    after = relabel(before, before.items[0], "crack")

    def no_room(_self, data):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", no_room)
        with pytest.raises(SightlineError, match="no room left"):
            relabel(after, after.items[0], "hole")
        with pytest.raises(SightlineError, match="no room left"):
            save_mask(after, item_of(after, "crack/000.png"), spot())
    assert read_category(tmp_path / "tile") == after
    assert not list(tmp_path.rglob("*.part"))


def spot():
    mask = np.zeros((12, 16), bool)
    mask[3:6, 4:9] = True
    return mask


def test_a_painted_mask_is_saved_in_mvtecs_layout_and_found_again(tmp_path):
    folder = mvtec(tmp_path / "tile", masks=False)
    category = read_category(folder)
    item = item_of(category, "crack/001.png")
    path = save_mask(category, item, spot())
    assert path == folder / "ground_truth" / "crack" / "001_mask.png"
    assert [f.name for f in path.parent.iterdir()] == ["001_mask.png"]
    assert set(np.unique(cv2.imread(str(path), cv2.IMREAD_UNCHANGED))) == {0, 255}
    again = read_category(folder)
    assert item_of(again, "crack/001.png").mask == path
    assert with_mask(category, item, path) == again
    assert (read_mask(path, (12, 16)) == spot()).all()
    # painted again: the same file, whole
    assert save_mask(again, item, spot().T.reshape(12, 16)) == path
    assert read_mask(path, (12, 16)).sum() == spot().sum()


def test_the_mask_of_a_relabelled_picture_does_not_take_anothers_place(tmp_path):
    folder = mvtec(tmp_path / "tile")
    category = read_category(folder)
    item = item_of(category, "train/good/001.png")
    category = relabel(category, item, "crack")
    path = save_mask(category, item, spot())
    assert runtime.data_folder() in path.parents
    again = read_category(folder)
    assert item_of(again, "train/good/001.png").mask == path
    assert item_of(again, "crack/001.png").mask == folder / "ground_truth/crack/001_mask.png"
    # where the place is free, it is MVTec's
    other = item_of(again, "train/good/005.png")
    path = save_mask(relabel(again, other, "crack"), other, spot())
    assert path == folder / "ground_truth/crack/005_mask.png"
    # and stays that picture's when another one of the name comes
    pictures(folder / "test" / "crack", ["005"], real=True)
    again = read_category(folder)
    assert item_of(again, "train/good/005.png").mask == path
    assert item_of(again, "crack/005.png").mask is None
    second = save_mask(again, item_of(again, "crack/005.png"), ~spot())
    assert second != path
    assert (read_mask(path, (12, 16)) == spot()).all()


def test_masks_for_folders_and_for_folders_that_may_not_be_written_are_kept_by_us(tmp_path, monkeypatch):
    good = pictures(tmp_path / "good", ["1"], real=True)
    bad = pictures(tmp_path / "bad", ["x"], real=True)
    category = read_folders(good, bad)
    path = save_mask(category, category.test[0], spot())
    assert runtime.data_folder() in path.parents
    assert item_of(read_folders(good, bad), "x.png").mask == path

    folder = mvtec(tmp_path / "tile", masks=False)
    category = read_category(folder)
    write = labels._write

    def read_only(target, data):
        if folder in target.parents:
            raise PermissionError(13, "Permission denied")
        write(target, data)

    monkeypatch.setattr(labels, "_write", read_only)
    path = save_mask(category, item_of(category, "crack/000.png"), spot())
    assert runtime.data_folder() in path.parents
    assert item_of(read_category(folder), "crack/000.png").mask == path


def test_pictures_of_one_name_have_masks_of_their_own(tmp_path):
    pictures(tmp_path / "good", ["1"], real=True)
    for kind in ("crack", "hole"):
        pictures(tmp_path / kind, ["1"], real=True)
    (category,) = read_any_folder(tmp_path)
    category = relabel(category, item_of(category, "hole/1.png"), "crack")
    first = save_mask(category, item_of(category, "crack/1.png"), spot())
    (category,) = read_any_folder(tmp_path)
    second = save_mask(category, item_of(category, "hole/1.png"), ~spot())
    assert first != second
    (category,) = read_any_folder(tmp_path)
    assert item_of(category, "crack/1.png").mask == first
    assert item_of(category, "hole/1.png").mask == second


def test_masks_that_cannot_be_saved(tmp_path):
    category = read_category(mvtec(tmp_path / "tile"))
    item = item_of(category, "crack/001.png")
    with pytest.raises(SightlineError, match="is labelled good"):
        save_mask(category, category.train[0], spot())
    with pytest.raises(SightlineError, match="Nothing is painted"):
        save_mask(category, item, spot() & False)
    with pytest.raises(SightlineError, match=r"20 x 10 pixels and 001\.png 16 x 12"):
        save_mask(category, item, np.ones((10, 20), bool))
    item.path.write_bytes(b"")
    with pytest.raises(SightlineError, match="is empty"):
        save_mask(category, item, spot())


def test_the_region_of_interest_is_kept_for_each_category(tmp_path):
    tile, grid = read_category(mvtec(tmp_path / "tile")), read_category(mvtec(tmp_path / "grid"))
    assert region_of(tile) == (0, 0, 1, 1)
    set_region(tile, (0.25, 0.5, 0.5, 0.5))
    assert region_of(read_category(tmp_path / "tile")) == (0.25, 0.5, 0.5, 0.5)
    assert region_of(grid) == (0, 0, 1, 1)
    relabel(tile, tile.items[0], "crack")
    assert region_of(tile) == (0.25, 0.5, 0.5, 0.5)
    for wrong in ((0, 0, 0, 1), (0.5, 0, 0.6, 1), (-0.1, 0, 1, 1), (0, 0, float("nan"), 1)):
        with pytest.raises(SightlineError, match="region of interest"):
            set_region(tile, wrong)
    set_region(tile, labels.WHOLE)
    assert region_of(tile) == labels.WHOLE


def test_the_real_categories(assets):
    leather, magnetic = read_any_folder(assets / "anomaly")
    assert (leather.name, len(leather.train), sum(leather.counts.values())) == ("leather_tiles", 100, 84)
    assert (magnetic.name, len(magnetic.train), magnetic.counts["good"]) == ("magnetic_tile", 120, 40)
    assert set(magnetic.counts) == {"good", "blowhole", "break", "crack", "fray", "uneven"}
    for category in (leather, magnetic):
        assert all((item.mask is not None) == item.abnormal for item in category.items)
