"""A fitted model says why, is kept whole or not at all, can be moved; what is wrong with its folder is one sentence."""

import dataclasses
import errno
import itertools
import json
import math
import shutil
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from engine import runtime
from engine.errors import SightlineError
from engine.inspection import keeping
from engine.inspection.calibration import calibrating, from_good
from engine.inspection.examine import Examined, examine_all
from engine.inspection.fit import fit
from engine.inspection.keeping import (
    delete_model,
    is_model,
    models,
    open_model,
    read_card,
    rename_model,
    save_model,
    set_threshold,
)
from engine.inspection.knobs import FitKnobs
from engine.inspection.preparation import Pictures
from engine.inspection.types import Category, Item
from engine.job import Notice, Progress, drive
from engine.samples.textures import defective, good

SIDE = 96
KNOBS = FitKnobs(size=64, coreset=0.4)


@pytest.fixture(autouse=True)
def _own_home(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("SIGHTLINE_HOME", str(tmp_path_factory.mktemp("home")))


def category_in(folder, count=6, sizes=((SIDE, SIDE),)):
    """A category of drawn tiles of these sizes in turn."""
    folder.mkdir(parents=True)
    items = []
    for number, size in zip(range(count), itertools.cycle(sizes), strict=False):
        cv2.imwrite(str(folder / f"{number:03}.png"), good("tile", number, size))
        items.append(Item(folder / f"{number:03}.png", split="train"))
    return Category("tile", folder, tuple(items))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A category, the model fitted on it, the folder in which that was kept, and a picture with a defect."""
    base = tmp_path_factory.mktemp("made")
    category = category_in(base / "tile")
    model = drive(fit(category, KNOBS, device="cpu", seed=2))
    drive(save_model(model, base / "kept"))
    image, _ = defective("tile", "oil", 7, (SIDE, SIDE))
    return SimpleNamespace(category=category, model=model, folder=base / "kept", image=image)


@pytest.fixture
def kept(made, tmp_path):
    """A copy of the kept model to do things to."""
    return shutil.copytree(made.folder, tmp_path / "models" / "one")


@pytest.fixture
def ready(made, monkeypatch):
    """The network is there already: nothing is converted and compiled again."""
    scorer = made.model.scorer
    monkeypatch.setattr("engine.inspection.patchcore.make_backbone", lambda _knobs: scorer.backbone)
    monkeypatch.setattr("engine.inspection.patchcore.rebuild_backbone", lambda *_: scorer.backbone)
    monkeypatch.setattr("engine.inspection.patchcore.run_on", lambda *_: scorer.network)


def sentence(call, words=None):
    with pytest.raises(SightlineError, match=words) as error:
        call()
    say = str(error.value)
    assert say.endswith(".")
    assert "\n" not in say
    return say


def files_of(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def changed(folder, change):
    """Rewrite a kept model's JSON."""
    path = folder / "model.json"
    whole = json.loads(path.read_text(encoding="utf-8"))
    change(whole)
    path.write_text(json.dumps(whole), encoding="utf-8")
    return folder


# fit and verdict


def test_a_fitted_model_knows_where_it_comes_from(made):
    card = made.model.card
    assert (card.method, card.backbone, card.layers) == ("patchcore", "mobilenet_v2", ("features.6", "features.13"))
    assert (card.category, card.source, card.pictures, card.seed) == ("tile", str(made.category.folder), 6, 2)
    assert card.patches == len(made.model.scorer.bank) == int(6 * 64 * 0.4)
    assert card.knobs == KNOBS
    assert card.threshold == 0.5
    assert {"torch", "openvino", "python"} <= set(card.versions)
    assert "MobileNetV2" in card.notes[0]


def test_a_verdict(made):
    verdict = made.model.examine(made.image, "a name")
    assert verdict.name == "a name"
    assert verdict.map.shape == verdict.raw_map.shape == (SIDE, SIDE)
    assert verdict.map.dtype == np.float32
    assert verdict.map.min() >= 0
    assert verdict.map.max() <= 1
    x, y = verdict.hottest
    assert verdict.raw_map[y, x] == verdict.raw_map.max()
    assert verdict.score == pytest.approx(float(made.model.card.calibration.score(verdict.raw)))
    assert {"prepare", "network", "score", "map"} <= set(verdict.ms)
    assert verdict.patches.shape == (8, 8)


def test_what_the_model_does_not_see_is_no_defect(made, ready):
    category = made.category
    model = drive(fit(category, FitKnobs(size=64, coreset=0.4, region=(0.25, 0.25, 0.5, 0.5)), device="cpu"))
    verdict = model.examine(made.image)
    assert (verdict.map[:24] == 0).all()
    assert (verdict.map[:, 72:] == 0).all()
    assert np.isfinite(verdict.raw_map).all()
    assert 24 <= verdict.hottest[0] < 72
    assert 24 <= verdict.hottest[1] < 72
    assert model.nearest_patches(made.image, 3, 3) == ()


def test_good_scores_below_and_defects_above(made):
    scores = [made.model.examine(good("tile", 100 + seed, (SIDE, SIDE))).score for seed in range(8)]
    bad = [made.model.examine(defective("tile", "crack", 100 + seed, (SIDE, SIDE))[0]).score for seed in range(8)]
    assert np.median(bad) > np.median(scores)


def test_another_threshold(made):
    score = made.model.examine(made.image).score
    strict, lax = made.model.with_threshold(score), made.model.with_threshold(min(1.0, score + 1e-6))
    assert strict.examine(made.image).abnormal
    assert not lax.examine(made.image).abnormal
    assert made.model.card.threshold == 0.5


def test_vectors_have_length_one(made):
    verdict = made.model.examine(made.image)
    for region in (None, (10, 10, 30, 20), (0, 0, SIDE, SIDE)):
        for vector in made.model.vectors(made.image, verdict, region):
            assert vector.dtype == np.float32
            assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("abnormal", [False, True])
def test_without_a_good_picture_nothing_is_fitted(made, tmp_path, abnormal):
    items = tuple(Item(item.path, "crack") for item in made.category.items) if abnormal else ()
    sentence(lambda: drive(fit(items, KNOBS, device="cpu")), "no good picture")
    sentence(lambda: drive(fit(Category("empty", tmp_path, items), KNOBS, device="cpu")), "empty holds no good picture")


def test_one_good_picture_is_too_few(made, tmp_path):
    sentence(lambda: drive(fit(made.category.items[:1], KNOBS, device="cpu")), "at least 2")
    (tmp_path / "bad.png").write_bytes(b"no picture")
    items = [made.category.items[0], Item(tmp_path / "bad.png", split="train")]
    sentence(lambda: drive(fit(items, KNOBS, device="cpu")), "Only one good picture")


def test_a_corrupt_file_among_good_ones_is_said(made, ready, tmp_path):
    (tmp_path / "bad.png").write_bytes(b"no picture")
    items = [Item(tmp_path / "bad.png", split="train"), *made.category.items]
    seen = []
    model = drive(fit(items, KNOBS, device="cpu", seed=2), seen.append)
    assert any(isinstance(event, Notice) and "bad.png" in event.text for event in seen)
    assert model.sources == [str(item.path) for item in made.category.items]
    np.testing.assert_array_equal(model.scorer.owners, made.model.scorer.owners)


def test_pictures_of_every_kind_are_fitted(made, ready, tmp_path):
    """Grey, 16 bits, with alpha, of other sizes."""
    grey = good("tile", 50, (64, 80))[:, :, 0]
    for name, image in {
        "grey.png": grey, "deep.png": grey.astype(np.uint16) * 257, "alpha.png": np.dstack([grey] * 4),
        "large.png": good("tile", 51, (200, 120)), "tiny.png": good("tile", 52, (16, 16)),
    }.items():  # fmt: skip
        cv2.imwrite(str(tmp_path / name), image)
    items = [Item(path, split="train") for path in sorted(tmp_path.iterdir())]
    model = drive(fit(items, KNOBS, device="cpu"))
    assert model.card.pictures == 5
    for item in items:
        assert math.isfinite(model.examine(model.read(item.path)).score)


def test_no_such_device(made):
    sentence(lambda: drive(fit(made.category, KNOBS, device="abacus")), "no device “abacus”")


def test_a_fit_can_be_stopped_anywhere(made, ready):
    total = len(list(fit(made.category, KNOBS, device="cpu")))
    for after in range(1, total + 1):
        job = fit(made.category, KNOBS, device="cpu")
        assert all(isinstance(event, Progress) for event in itertools.islice(job, after))
        job.close()


def test_a_folder_of_pictures_is_examined(made, tmp_path):
    (tmp_path / "bad.png").write_bytes(b"no picture")
    items = [made.category.items[0], Item(tmp_path / "bad.png"), made.category.items[1]]
    seen = []
    assert drive(examine_all(made.model, items), seen.append) == 2
    found = [event for event in seen if isinstance(event, Examined)]
    assert [(one.item, one.index, one.total) for one in found] == [(items[0], 0, 3), (items[2], 2, 3)]
    assert found[0].verdict.name == str(items[0].path)
    assert sum(isinstance(event, Notice) for event in seen) == 1
    assert [event.done for event in seen if isinstance(event, Progress)][-1] == 3


# calibration


def test_calibration_is_learned_from_good_scores():
    raws = np.linspace(1, 2, 101)
    found = from_good(raws, raws * 3, 0.99)
    assert found.score(np.quantile(raws, 0.99)) == pytest.approx(0.5)
    assert found.score(np.median(raws)) == pytest.approx(0.2)
    pixels = found.pixels(np.array([[np.quantile(raws * 3, 0.99), np.median(raws * 3)]], np.float32))
    np.testing.assert_allclose(pixels, [[0.5, 0.2]], atol=1e-5)
    values = found.score(np.linspace(-100, 100, 500))
    assert (np.diff(values) > 0).all()
    assert values.min() > 0
    assert values.max() < 1


@pytest.mark.parametrize("raws", [[0.0, 0.0, 0.0], [5.0, 5.0], [3.0], [1e-9, 1e-9]])
def test_calibration_of_equal_scores_divides_by_nothing(raws):
    found = from_good(raws, raws, 0.99)
    assert found.scale > 0
    assert found.map_scale > 0
    assert found.score(raws[0]) == pytest.approx(0.5)


def test_training_pictures_are_scored_without_themselves(made):
    pictures = Pictures([item.path for item in made.category.items], made.model.preparation)
    seen = []
    found = drive(calibrating(made.model.scorer, pictures, 0.99), seen.append)
    assert found == made.model.card.calibration
    assert [event.done for event in seen] == list(range(1, 7))


# why


def hot_patch_of(model, row):
    """The picture that a row of the bank was cut from, and the pixel in the middle of that patch."""
    picture, down, across = model.scorer.owners[row].tolist()
    image = model.read(Path(model.sources[picture]))
    tile, down = divmod(down, model.scorer.grid[0])
    left, top, w, h = model.preparation.cut(image).places[tile]
    rows, columns = model.scorer.grid
    return image, int(left + (across + 0.5) * w / columns), int(top + (down + 0.5) * h / rows)


@pytest.mark.parametrize("row", [0, 40, 120])
def test_the_nearest_patch_of_a_good_picture_is_its_own(made, row):
    model = made.model
    image, x, y = hot_patch_of(model, row)
    near = model.nearest_patches(image, x, y, 4)
    assert len(near) == 4
    assert [one.distance for one in near] == sorted(one.distance for one in near)
    assert near[0].distance < 0.02 * near[-1].distance + 1e-3
    own = near[0]
    assert own.path == model.sources[model.scorer.owners[row, 0]]
    np.testing.assert_array_equal(own.picture, image)
    left, top, w, h = own.box
    assert left <= x < left + w
    assert top <= y < top + h
    for one in near:
        height, width = one.picture.shape[:2]
        left, top, w, h = one.box
        assert 0 <= left < left + w <= width
        assert 0 <= top < top + h <= height


def test_distances_of_nearest_patches_are_the_scores(made):
    verdict = made.model.examine(made.image)
    row, column = np.unravel_index(verdict.patches.argmax(), (8, 8))
    near = made.model.nearest_patches(made.image, int(column * 12 + 6), int(row * 12 + 6), 1)
    assert near[0].distance == pytest.approx(verdict.patches.max(), rel=1e-3)


def test_nearest_patches_outside_the_picture(made):
    assert made.model.nearest_patches(made.image, -1, 5) == ()
    assert made.model.nearest_patches(made.image, 5, SIDE) == ()


def test_another_picture_is_looked_at_afresh(made):
    """The page asks of the picture that was examined last; a script may ask of any."""
    made.model.examine(made.image)
    other = good("tile", 3, (SIDE, SIDE))
    first = made.model.nearest_patches(other, 30, 30, 1)
    made.model.examine(made.image)
    assert made.model.nearest_patches(other.copy(), 30, 30, 1)[0].distance == pytest.approx(first[0].distance)


@pytest.mark.parametrize("gone", [False, True])
@pytest.mark.parametrize(("others", "sizes"), [
    ({"tile": 400}, [(600, 800), (900, 500)]), ({"keep_shape": True}, [(64, 96), (160, 64), (64, 64)]),
    ({"crop": 48}, [(96, 64), (700, 600)]),
    ({"tile": 300, "keep_shape": True, "region": (0.1, 0.2, 0.8, 0.7)}, [(700, 500), (300, 310)]),
])  # fmt: skip
def test_a_patch_is_shown_where_it_lies(ready, tmp_path, others, sizes, gone):
    """In a tile of a large picture, in pictures of several shapes, and in the kept copy of at most 512 pixels."""
    category = category_in(tmp_path / "tile", 4, sizes)
    model = drive(fit(category, FitKnobs(size=64, coreset=0.05, **others), device="cpu"))
    drive(save_model(model, tmp_path / "kept"))
    if gone:
        shutil.move(category.folder, tmp_path / "elsewhere")
        model = drive(open_model(tmp_path / "kept"))
    images = [cv2.imread(str(next(tmp_path.rglob(item.path.name)))) for item in category.items]
    for row in range(0, len(model.scorer.bank), 7):
        picture = int(model.scorer.owners[row, 0])
        image = images[picture]
        height, width = image.shape[:2]
        # where the model itself finds that row again
        cut, scored = model._scored(image)
        place = np.unravel_index(
            np.linalg.norm(scored.features - model.scorer.bank[row], axis=-1).argmin(), scored.features.shape[:3]
        )
        left, top, w, h = cut.places[place[0]]
        x = (left + (place[2] + 0.5) / scored.features.shape[2] * w) / width
        y = (top + (place[1] + 0.5) / scored.features.shape[1] * h) / height
        if sum(a <= x * width < a + w and b <= y * height < b + h for a, b, w, h in cut.places) > 1:
            continue  # of several tiles the strangest is asked
        (own,) = model.nearest_patches(image, int(x * width), int(y * height), 1)
        shown_high, shown_wide = own.picture.shape[:2]
        assert own.path == str(category.items[picture].path)
        assert (max(shown_high, shown_wide) <= 512) or not gone
        left, top, w, h = own.box
        assert left - 1 <= x * shown_wide <= left + w + 1
        assert top - 1 <= y * shown_high <= top + h + 1


# keep and open


def test_opened_again_it_says_the_same(made, kept):
    opened = drive(open_model(kept))
    want, have = made.model.examine(made.image), opened.examine(made.image)
    assert (have.raw, have.score, have.hottest) == (want.raw, want.score, want.hottest)
    np.testing.assert_array_equal(have.map, want.map)
    assert opened.card == dataclasses.replace(made.model.card, folder=kept)
    assert opened.sources == made.model.sources
    assert opened.read(made.category.items[0].path).shape == (SIDE, SIDE, 3)


def test_a_folder_that_was_moved_shows_its_own_copies(made, kept, ready, tmp_path):
    """On another machine the training pictures are not there."""
    moved = tmp_path / "elsewhere" / "named anew"
    moved.parent.mkdir()
    shutil.move(kept, moved)
    changed(moved, lambda whole: whole.update(sources=[f"/gone/{n}.png" for n in range(6)]))
    opened = drive(open_model(moved))
    assert opened.examine(made.image).raw == made.model.examine(made.image).raw
    want, have = (model.nearest_patches(made.image, 40, 50) for model in (made.model, opened))
    assert [one.box for one in have] == [one.box for one in want]
    assert [one.distance for one in have] == [one.distance for one in want]
    assert all(one.path.startswith("/gone/") for one in have)
    for one, other in zip(have, want, strict=True):
        assert np.abs(one.picture.astype(int) - other.picture).mean() < 8  # a JPEG


def test_without_originals_and_copies_there_is_nothing_to_show(made, kept, ready):
    shutil.rmtree(kept / "pictures")
    changed(kept, lambda whole: whole.update(sources=["/gone.png"] * 6))
    opened = drive(open_model(kept))
    assert opened.nearest_patches(made.image, 40, 50) == ()
    assert math.isfinite(opened.examine(made.image).score)
    # and it can be kept again
    drive(save_model(opened, kept.parent / "two"))


def test_a_kept_model_is_tensors_json_and_pictures(made):
    names = set(files_of(made.folder))
    assert {"model.json", "model.safetensors"} <= names
    assert all(
        name.startswith("pictures/") and name.endswith(".jpg") for name in names - {"model.json", "model.safetensors"}
    )
    shown = {f"pictures/{number:05}.jpg" for number in made.model.scorer.owners[:, 0]}
    assert names - {"model.json", "model.safetensors"} == shown
    json.loads((made.folder / "model.json").read_text(encoding="utf-8"))


def test_keeping_it_where_it_lies_replaces_it(made, kept, ready):
    """Its own copies are read while the new folder is written."""
    changed(kept, lambda whole: whole.update(sources=["/gone.png"] * 6))
    before = set(files_of(kept))
    opened = drive(open_model(kept))
    card = drive(save_model(opened.with_threshold(0.7), kept))
    assert card.folder == kept
    assert set(files_of(kept)) == before
    assert read_card(kept).threshold == 0.7
    assert [path.name for path in kept.parent.iterdir()] == ["one"]


def test_without_a_folder_each_gets_its_own(made):
    cards = [drive(save_model(made.model)) for _ in range(3)]
    assert len({card.folder for card in cards}) == 3
    assert all(card.folder.parent == runtime.models_folder() for card in cards)
    assert all(is_model(card.folder) for card in cards)


@pytest.mark.parametrize(
    "name", ["../../up", "a/b\\c:d", "n" * 500, "  ", "Fliesen – größer", ".hidden", "con", "a\0b"]
)
def test_any_name_makes_a_folder(made, name):
    card = made.model.card
    made.model.card = dataclasses.replace(card, name=name)
    try:
        folder = drive(save_model(made.model)).folder
    finally:
        made.model.card = card
    assert folder.parent == runtime.models_folder()
    assert not folder.name.startswith(".")
    assert read_card(folder).name == name


# list, rename, delete


def test_models_are_listed_newest_first(kept):
    base = kept.parent
    for number, name in enumerate(("two", "three")):
        changed(
            shutil.copytree(kept, base / name), lambda whole, n=number: whole["card"].update(fitted=f"203{n}-01-01")
        )
    (base / "other").mkdir()
    (base / "a file").write_bytes(b"x")
    shutil.copytree(kept, base / ".one.123.part")
    (shutil.copytree(kept, base / "broken") / "model.json").write_text("{", encoding="utf-8")
    changed(shutil.copytree(kept, base / "future"), lambda whole: whole.update(format=99))
    changed(shutil.copytree(kept, base / "odd"), lambda whole: whole["card"].update(fitted=7, name=["x"], versions=3))
    assert [card.folder.name for card in models(base)] == ["three", "two", "one"]
    assert models(base / "nowhere") == []
    assert models() == []


def test_a_model_is_renamed_where_it_lies(kept):
    before = files_of(kept)
    assert rename_model(kept, "  Tiles, second line \n").name == "Tiles, second line"
    assert read_card(kept).name == "Tiles, second line"
    after = files_of(kept)
    assert {name for name in before if before[name] != after[name]} == {"model.json"}
    assert set(after) == set(before)
    sentence(lambda: rename_model(kept, "   "), "needs a name")


def test_a_threshold_is_kept(kept):
    assert set_threshold(kept, 0.31).threshold == 0.31
    assert read_card(kept).threshold == 0.31
    assert set_threshold(kept, 7).threshold == 1
    assert set_threshold(kept, float("nan")).threshold in (0, 1)
    json.loads((kept / "model.json").read_text(), parse_constant=pytest.fail)


def test_a_model_is_deleted(kept):
    delete_model(kept)
    assert not kept.exists()
    sentence(lambda: delete_model(kept), "no model")


@pytest.fixture
def foreign(tmp_path):
    """Another program's model: the same names, and somebody's notes."""
    folder = tmp_path / "theirs"
    folder.mkdir()
    (folder / "model.json").write_text('{"format": "layers-model"}', encoding="utf-8")
    (folder / "model.safetensors").write_bytes(b"weights")
    (folder / "notes.txt").write_text("mine", encoding="utf-8")
    return folder


def test_nothing_else_is_overwritten_or_deleted(made, foreign, tmp_path):
    before = files_of(foreign)
    sentence(lambda: drive(save_model(made.model, foreign)), "something else")
    sentence(lambda: delete_model(foreign), "no model")
    sentence(lambda: rename_model(foreign, "mine"))
    sentence(lambda: set_threshold(foreign, 0.2))
    sentence(lambda: drive(open_model(foreign)), "no model of Sightline's")
    assert not is_model(foreign)
    assert files_of(foreign) == before
    (foreign / "model.json").write_text("{", encoding="utf-8")
    sentence(lambda: drive(save_model(made.model, foreign)), "something else")
    file = tmp_path / "file"
    file.write_bytes(b"mine")
    sentence(lambda: drive(save_model(made.model, file)), "something else")
    sentence(lambda: drive(save_model(made.model, file / "below")))
    assert file.read_bytes() == b"mine"


def test_an_empty_folder_is_filled(made, tmp_path):
    (tmp_path / "empty").mkdir()
    drive(save_model(made.model, tmp_path / "empty"))
    assert is_model(tmp_path / "empty")


# interrupted


def steps(model, folder):
    return sum(1 for _ in save_model(model, folder))


@pytest.mark.parametrize("there", [False, True])
def test_stopped_while_it_is_kept(made, kept, there):
    """At every yield: what was there is there, and nothing else is."""
    target = kept if there else kept.parent / "new"
    before = files_of(kept.parent)
    total = steps(made.model, kept.parent.parent / "count")
    for after in range(1, total + 1):
        job = save_model(made.model.with_threshold(0.9), target)
        assert len(list(itertools.islice(job, after))) == after
        job.close()
        assert files_of(kept.parent) == before
        assert {path.name for path in kept.parent.iterdir()} == {"one"}


class Died(BaseException):
    """Not an `Exception`: as if the process were gone."""


@pytest.mark.parametrize("where", ["sha256_of", "_write_json", "_copy_picture", "swap_folder"])
def test_killed_while_it_is_kept(made, kept, monkeypatch, where):
    def die(*_args):
        raise Died

    before = files_of(kept)
    monkeypatch.setattr(keeping, where, die)
    monkeypatch.setattr(keeping.shutil, "rmtree", lambda *_args, **_others: None)  # nobody tidies up after a kill
    with pytest.raises(Died):
        drive(save_model(made.model.with_threshold(0.9), kept))
    monkeypatch.undo()
    assert files_of(kept) == before
    assert [card.folder for card in models(kept.parent)] == [kept]
    drive(save_model(made.model.with_threshold(0.9), kept))
    assert read_card(kept).threshold == 0.9


def full(*_args, **_others):
    raise OSError(errno.ENOSPC, "No space left on device")


def full_in_rust(*_args, **_others):
    from safetensors import SafetensorError

    raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")


@pytest.mark.parametrize(("what", "how"), [
    ("pathlib.Path.write_bytes", full), ("safetensors.torch.save_file", full_in_rust), ("json.dump", full),
    ("os.fsync", full), ("pathlib.Path.mkdir", full), ("pathlib.Path.rename", full),
])  # fmt: skip
def test_a_full_disk_is_one_sentence(made, kept, monkeypatch, what, how):
    before, card = files_of(kept.parent), made.model.card
    monkeypatch.setattr(what, how)
    sentence(lambda: drive(save_model(made.model, kept)), "no room left on the disk")
    monkeypatch.undo()
    assert files_of(kept.parent) == before
    assert made.model.card is card


def test_a_full_disk_while_renaming(kept, monkeypatch):
    before = files_of(kept)
    monkeypatch.setattr("os.fsync", full)
    sentence(lambda: rename_model(kept, "another"), "no room left")
    sentence(lambda: set_threshold(kept, 0.1), "no room left")
    monkeypatch.undo()
    assert files_of(kept) == before


def test_a_folder_that_cannot_be_written(made, kept, monkeypatch):
    def refuse(*_args, **_others):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("pathlib.Path.mkdir", refuse)
    sentence(lambda: drive(save_model(made.model, kept.parent / "new")), "permission denied")


def test_the_second_rename_fails(made, kept, monkeypatch):
    """The old model is away already: it is put back."""
    before, rename = files_of(kept), Path.rename

    def some(self, target):
        if self.name.endswith(".part"):
            full()
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", some)
    sentence(lambda: drive(save_model(made.model.with_threshold(0.9), kept)), "no room")
    monkeypatch.undo()
    assert files_of(kept) == before
    assert {path.name for path in kept.parent.iterdir()} == {"one"}


# damaged and hostile


def refused(folder, words=None):
    """It cannot be opened, and it harms no list."""
    models(folder.parent)
    return sentence(lambda: drive(open_model(folder, "cpu")), words)


@pytest.mark.parametrize("how", ["flipped", "short", "empty", "gone"])
def test_damaged_tensors_are_refused(kept, how):
    path = kept / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    if how == "gone":
        path.unlink()
    else:
        path.write_bytes({"flipped": bytes(data), "short": bytes(data[:-10]), "empty": b""}[how])
    assert "not the file that was kept" in refused(kept)


@pytest.mark.parametrize("content", [b"", b"\xff" * 64, b"\x10\0\0\0\0\0\0\0{}", b"\x80\x04pickle"])
def test_tensors_that_only_pretend_are_refused(kept, content):
    """The hash fits, the file does not."""
    import hashlib

    (kept / "model.safetensors").write_bytes(content)
    changed(kept, lambda whole: whole.update(sha256=hashlib.sha256(content).hexdigest()))
    refused(kept, "damaged")


@pytest.mark.parametrize("text", [
    "", "{", "[]", "null", "7", '"model"', "{}", '{"sightline": "anomaly model"}', "[" * 100_000, '{"a":' * 100_000,
    '{"sightline": "anomaly model", "format": 1}', "\ufeff{}", "\0",
])  # fmt: skip
def test_json_that_is_no_model_is_refused(kept, text):
    (kept / "model.json").write_text(text, encoding="utf-8")
    refused(kept)
    sentence(lambda: rename_model(kept, "new"))
    assert (kept / "model.json").read_text(encoding="utf-8") == text


def test_json_in_another_coding_is_refused(kept):
    (kept / "model.json").write_bytes(b"\xff\xfe\x00")
    refused(kept, "damaged")


@pytest.mark.parametrize("number", [0, 2, 99, "1", None, [1], 1.5])
def test_another_format_is_refused(kept, number):
    changed(kept, lambda whole: whole.update(format=number))
    assert "another version" in refused(kept)
    # it is still a model of ours, and can be deleted
    assert is_model(kept)


def without(*keys):
    def change(whole):
        for key in keys[:-1]:
            whole = whole[key]
        del whole[keys[-1]]

    return change


def put(*keys):
    def change(whole):
        for key in keys[:-2]:
            whole = whole[key]
        whole[keys[-2]] = keys[-1]

    return change


@pytest.mark.parametrize("keys", [
    ("card",), ("knobs",), ("scorer",), ("sources",), ("shapes",),
    ("sha256",), ("scorer", "backbone"), ("scorer", "grid"),
    ("card", "name"), ("card", "method"), ("card", "calibration"), ("card", "calibration", "scale"),
    ("card", "layers"), ("card", "threshold"), ("card", "fitted"), ("card", "notes"), ("card", "white"),
], ids=".".join)  # fmt: skip
def test_missing_keys_are_refused(kept, ready, keys):
    changed(kept, without(*keys))
    refused(kept)


@pytest.mark.parametrize("keys", [
    ("card", []), ("card", None), ("card", "x"), ("knobs", []), ("knobs", None), ("scorer", []), ("scorer", "x"),
    ("sources", None), ("sources", "pictures"), ("sources", []), ("sources", ["one.png"]), ("sources", {"a": 1}),
    ("shapes", []), ("shapes", [[1, 2, 3]] * 6), ("shapes", [[0, 5]] * 6), ("shapes", 3), ("shapes", ["ab"] * 6),
    ("card", "calibration", [1, 2, 3, 4]), ("card", "calibration", "scale", 0), ("card", "calibration", "scale", -1),
    ("card", "calibration", "scale", "wide"), ("card", "calibration", "centre", float("nan")),
    ("card", "calibration", "map_scale", float("inf")), ("card", "calibration", "centre", None),
    ("card", "calibration", "centre", 10**400), ("card", "calibration", "more", 1),
    ("card", "threshold", "half"), ("card", "threshold", float("nan")), ("card", "threshold", 3), ("card", "layers", 3),
    ("card", "notes", 3), ("card", "notes", None), ("card", "versions", [1]), ("card", "white", "bright"),
    ("card", "white", 0), ("card", "pictures", "many"), ("card", "seed", []), ("card", "fit_s", {}),
    ("card", "unknown", 1),
    ("knobs", "size", "large"), ("knobs", "size", 0), ("knobs", "size", -5), ("knobs", "size", 10**9),
    ("knobs", "size", True), ("knobs", "size", 64.0), ("knobs", "crop", None), ("knobs", "crop", -1),
    ("knobs", "tile", "x"), ("knobs", "tile", -3), ("knobs", "keep_shape", "no"), ("knobs", "region", [0, 0, 1]),
    ("knobs", "region", [0, 0, 2, 1]), ("knobs", "region", [-0.5, 0, 1, 1]), ("knobs", "region", [0, 0, 0, 1]),
    ("knobs", "region", ["a", "b", "c", "d"]), ("knobs", "region", [0, 0, float("nan"), 1]), ("knobs", "region", 7),
    ("knobs", "precision", 16), ("knobs", "quantile", "most"), ("knobs", "layers", "features.6"),
    ("scorer", "grid", [0, 0]), ("scorer", "grid", "8"), ("scorer", "neighbours", 0), ("scorer", "neighbours", {}),
], ids=str)  # fmt: skip
def test_hostile_values_are_refused(kept, ready, keys):
    changed(kept, put(*keys))
    refused(kept)


@pytest.mark.parametrize("method", ["../../evil", "os.system", "", "no such method"])
def test_a_method_that_is_not_known_is_refused(kept, method):
    changed(kept, put("card", "method", method))
    refused(kept)


def test_what_a_later_version_adds_to_the_knobs_is_passed_over(made, kept, ready):
    changed(kept, put("knobs", "something new", 5))
    assert drive(open_model(kept)).card.knobs == KNOBS


@pytest.mark.parametrize("path", ["/nowhere", "/etc/hostname", ""])
def test_what_is_no_folder_of_a_model_is_refused(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sentence(lambda: drive(open_model(path)))


def test_a_replacement_that_was_killed_between_its_renames_is_undone(made, tmp_path):
    folder = tmp_path / "models" / "a.b"
    card = drive(save_model(made.model, folder))
    folder.rename(folder.with_name(".a.b.123.old"))
    assert [one.name for one in models(folder.parent)] == [card.name]
    assert folder.is_dir()
    folder.rename(folder.with_name(".a.b.123.old"))
    assert read_card(folder).name == card.name
