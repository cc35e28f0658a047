"""`inspect ...` without a window: the lines, the files, and one sentence for everything that is wrong."""

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image as Pillow

from engine import commands
from engine.commands_base import Show
from engine.commands_inspect import inspect
from engine.inspection.cases import model_title, pictures_at
from engine.inspection.gallery import open_gallery
from engine.inspection.map_files import map_stems
from engine.job import Progress
from engine.samples.textures import good, write_mvtec

ROOT = Path(__file__).parent.parent
SIDE = 72
QUICK = ("--size", 64, "--layers", "features.4", "--coreset", 0.2)
"""One early layer: the network is made in a moment, and painted defects are still told apart."""
FIT = {"model", "method", "backbone", "images", "patches", "fit_s"}
SCORE = {"image", "score", "raw", "threshold", "abnormal", "hottest", "ms"}
ROW = {"category", "method", "images", "image_auroc", "pixel_auroc", "aupro", "f1", "fit_s", "ms_per_image"}
NEAR = {"image", "rank", "path", "category", "kind", "score", "similarity"}


def run(capsys, *words):
    """Exit status, the lines of standard output as JSON, the lines of standard error."""
    status = commands.main(["inspect", *map(str, words)])
    out, err = capsys.readouterr()
    return status, [json.loads(line) for line in out.splitlines()], err.splitlines()


def refused(capsys, named, *words):
    """The command ends with status 2 and one sentence that names something."""
    status, lines, err = run(capsys, *words)
    assert status == 2, err
    assert "Traceback" not in "\n".join(err)
    assert str(named).lower() in err[-1].lower()
    assert err[-1].endswith(".")
    return lines, err


def begun(*words):
    """The command as the job that it is, to be stopped."""
    asked = commands._parser().parse_args(["inspect", *map(str, words)])
    return inspect(asked, Show())


def files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A data set's root with the category tile."""
    root = tmp_path_factory.mktemp("data")
    write_mvtec(root, "tile", train=8, good=2, each=1, size=(SIDE, SIDE))
    return root


@pytest.fixture(scope="module")
def model(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("fitted") / "model"
    assert commands.main(["inspect", "fit", str(data), "--out", str(folder), *map(str, QUICK)]) == 0
    return folder


@pytest.fixture(scope="module")
def gallery(data, model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("cases") / "gallery"
    assert commands.main(["inspect", "index", str(model), str(data / "tile"), "--gallery", str(folder)]) == 0
    return folder


def pictures(folder, count=4):
    """A folder of good pictures."""
    folder.mkdir(parents=True)
    for n in range(count):
        cv2.imwrite(str(folder / f"{n}.png"), good("leather", n, (SIDE, SIDE)))
    return folder


def odd_pictures(folder):
    """The same surface in every way that a picture can be stored, and a file that is none."""
    folder.mkdir(parents=True)
    for n, size in enumerate(((72, 72), (90, 66), (64, 128))):
        cv2.imwrite(str(folder / f"size{n}.png"), good("leather", n, size))
    image = good("leather", 9, (SIDE, SIDE))
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    cv2.imwrite(str(folder / "grey.png"), grey)
    cv2.imwrite(str(folder / "deep.png"), grey.astype(np.uint16) * 257)
    cv2.imwrite(str(folder / "clear.png"), np.dstack([image, np.full((SIDE, SIDE), 128, np.uint8)]))
    upright = Pillow.fromarray(np.ascontiguousarray(good("leather", 9, (48, 96))[:, :, ::-1]))
    upright.convert("CMYK").save(folder / "print.jpg", quality=95)
    turned = upright.getexif()
    turned[0x0112] = 6
    upright.save(folder / "turned.jpg", exif=turned, quality=95)
    (folder / "broken.png").write_bytes((folder / "grey.png").read_bytes()[:200])
    return folder


# -- fit


def test_fit_prints_one_line_and_keeps_the_model(capsys, tmp_path, data):
    out = tmp_path / "models" / "tile"
    status, lines, err = run(capsys, "fit", data, "--out", out, "--name", "my tile", *QUICK)
    assert status == 0, err
    (line,) = lines
    assert set(line) == FIT
    assert (line["model"], line["method"], line["backbone"]) == (str(out), "patchcore", "mobilenet_v2")
    assert line["images"] == 8
    assert line["patches"] == int(8 * 64 * 0.2)
    assert line["fit_s"] > 0
    assert sorted(path.name for path in out.iterdir()) == ["model.json", "model.safetensors", "pictures"]
    assert [path.name for path in out.parent.iterdir()] == ["tile"]
    assert json.loads((out / "model.json").read_text())["card"]["name"] == "my tile"


def test_any_kind_of_picture_is_learned_from_and_judged_and_a_corrupt_one_is_left_out(capsys, tmp_path):
    folder = odd_pictures(tmp_path / "leather")
    status, (line,), err = run(capsys, "fit", folder, "--out", tmp_path / "m", *QUICK)
    assert status == 0, err
    assert line["images"] == 8
    assert any("broken.png" in text and text.startswith("Left out") for text in err)
    status, lines, err = run(capsys, "score", tmp_path / "m", folder, "--maps", tmp_path / "maps")
    assert status == 0, err
    assert [Path(line["image"]).name for line in lines] == [
        "clear.png", "deep.png", "grey.png", "print.jpg", "size0.png", "size1.png", "size2.png", "turned.jpg",
    ]  # fmt: skip
    assert sum("broken.png" in text for text in err) == 1
    assert np.load(tmp_path / "maps" / "size1.npy").shape == (90, 66)
    assert np.load(tmp_path / "maps" / "turned.npy").shape == (96, 48), "as the picture stands upright"


def test_two_good_pictures_suffice_and_the_model_goes_among_the_kept_ones(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("SIGHTLINE_HOME", str(tmp_path / "home"))
    status, (line,), err = run(capsys, "fit", pictures(tmp_path / "two", 2), *QUICK)
    assert status == 0, err
    assert line["images"] == 2
    assert Path(line["model"]).parent == tmp_path / "home" / "data" / "models"
    assert Path(line["model"], "model.json").is_file()


def _no_folder(folder):
    return [folder / "gone"], "gone"


def _a_file(folder):
    (folder / "note.txt").write_text("note")
    return [folder / "note.txt"], "note.txt"


def _no_pictures(folder):
    (folder / "empty").mkdir()
    return [folder / "empty"], "empty"


def _no_good(folder):
    (folder / "tile" / "train" / "good").mkdir(parents=True)
    return [folder / "tile"], "no good picture"


def _one_good(folder):
    return [pictures(folder / "one", 1)], "one good picture"


def _one_that_can_be_read(folder):
    pictures(folder / "few", 1)
    (folder / "few" / "bad.png").write_bytes(b"no picture")
    return [folder / "few"], "one good picture"


def _two_categories(folder):
    for name in ("tile", "grid"):
        pictures(folder / "root" / name / "train" / "good", 2)
    return [folder / "root"], "tile, grid"


def _no_layer(folder):
    return [pictures(folder / "p"), "--layers", "features.99"], "features.99"


def _no_backbone(folder):
    return [pictures(folder / "p"), "--backbone", "notanet"], "notanet"


def _no_weights(folder):
    return [pictures(folder / "p"), "--weights", folder / "gone.pth"], "gone.pth"


def _no_method(folder):
    return [pictures(folder / "p"), "--method", "magic"], "magic"


def _small(folder):
    return [pictures(folder / "p"), "--size", "31"], "31"


def _large_crop(folder):
    return [pictures(folder / "p"), "--size", "64", "--crop", "96"], "96"


def _nothing_kept(folder):
    return [pictures(folder / "p"), "--coreset", "0"], "coreset"


def _no_seed(folder):
    return [pictures(folder / "p"), "--seed", "-1"], "seed"


def _out_taken(folder):
    return [pictures(folder / "p"), "--out", pictures(folder / "other")], "something else"


def _out_below_a_file(folder):
    (folder / "note").write_text("note")
    return [pictures(folder / "p"), "--out", folder / "note" / "m"], "cannot be written"


BAD = [
    _no_folder, _a_file, _no_pictures, _no_good, _one_good, _one_that_can_be_read, _two_categories, _no_layer,
    _no_backbone, _no_weights, _no_method, _small, _large_crop, _nothing_kept, _no_seed, _out_taken, _out_below_a_file,
]  # fmt: skip


@pytest.mark.parametrize("make", BAD, ids=lambda make: make.__name__[1:])
def test_what_cannot_be_fitted_is_one_sentence_and_leaves_nothing(capsys, tmp_path, make):
    words, named = make(tmp_path)
    out = [] if "--out" in words else ["--out", tmp_path / "out"]
    before = files(tmp_path)
    lines, _err = refused(capsys, named, "fit", *words, *out)
    assert lines == []
    assert files(tmp_path) == before
    assert not (tmp_path / "out").exists()


STAGES = ["Reading the good pictures", "Looking at good pictures", "Learning what good scores are", "Keeping the model"]


@pytest.mark.parametrize("stage", STAGES)
def test_a_fit_that_is_stopped_leaves_the_old_model_and_nothing_else(tmp_path, data, model, stage):
    out = tmp_path / "model"
    shutil.copytree(model, out)
    before = files(tmp_path)
    job = begun("fit", data, "--out", out, *QUICK)
    for event in job:
        if isinstance(event, Progress) and event.what == stage:
            break
    else:
        pytest.fail(f"it never said {stage}")
    job.close()
    assert files(tmp_path) == before
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_an_interrupt_ends_with_130_and_leaves_nothing(tmp_path, data):
    words = [sys.executable, "main.py", "inspect", "fit", str(data), "--out", str(tmp_path / "m"), "--coreset", "1"]
    process = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    first = process.stderr.readline()
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130, first + err
    assert out == ""
    assert list(tmp_path.iterdir()) == []


# -- score


def test_score_prints_a_line_a_picture_and_writes_maps_of_its_size(capsys, tmp_path, data, model):
    crack, fine = data / "tile" / "test" / "crack" / "000.png", data / "tile" / "test" / "good"
    status, lines, err = run(capsys, "score", model, crack, fine, "--maps", tmp_path / "maps")
    assert status == 0, err
    assert [line["image"] for line in lines] == [str(crack), str(fine / "000.png"), str(fine / "001.png")]
    for line in lines:
        assert set(line) >= SCORE
        assert line["abnormal"] == (line["score"] >= line["threshold"])
        assert len(f"{line['raw']:.9g}".replace(".", "").lstrip("0")) >= 6
        assert isinstance(line["ms"], float)
        shown = np.load(line["map"])
        assert shown.dtype == np.float32
        assert shown.shape == (SIDE, SIDE)
        assert 0 <= shown.min() <= shown.max() <= 1
        x, y = line["hottest"]
        assert shown[y, x] == shown.max()
        assert cv2.imread(line["overlay"]).shape == (SIDE, SIDE, 3)
    names = sorted(path.name for path in (tmp_path / "maps").iterdir())
    assert names == ["000.npy", "000.png", "001.npy", "001.png", "good_000.npy", "good_000.png"]


def test_maps_never_overwrite_each_other():
    paths = [Path("a/x.png"), Path("b/x.png"), Path("c/b/x.jpg"), Path("d/b/X.png"), Path("b_x.png"), Path("a/x.png")]
    stems = map_stems(paths)
    assert stems[0] == stems[-1] == "x"
    assert stems[1] == "b_x"
    assert stems[2] == "c_b_x"
    assert len({stem.casefold() for stem in stems}) == 5


def test_a_named_picture_that_cannot_be_read_makes_2_but_the_others_are_judged(capsys, tmp_path, data, model):
    (tmp_path / "bad.png").write_bytes(b"no picture")
    fine = data / "tile" / "test" / "good" / "000.png"
    lines, _err = refused(capsys, "bad.png", "score", model, tmp_path / "bad.png", fine)
    assert [line["image"] for line in lines] == [str(fine)]


def test_a_threshold_of_ones_own_decides(capsys, data, model):
    fine = data / "tile" / "test" / "good" / "000.png"
    status, (line,), err = run(capsys, "score", model, fine, "--threshold", 0)
    assert status == 0, err
    assert line["threshold"] == 0
    assert line["abnormal"]


def _model_gone(folder, _model):
    return folder / "gone", "no fitted model"


def _model_of_another_version(folder, model):
    shutil.copytree(model, folder / "m")
    card = folder / "m" / "model.json"
    card.write_text(card.read_text().replace('"format": 1', '"format": 99'))
    return folder / "m", "another version"


def _model_cut_short(folder, model):
    shutil.copytree(model, folder / "m")
    tensors = folder / "m" / "model.safetensors"
    tensors.write_bytes(tensors.read_bytes()[:1000])
    return folder / "m", "damaged"


def _model_without_words(folder, model):
    shutil.copytree(model, folder / "m")
    (folder / "m" / "model.json").write_text('{"format": 1, "sightline": "anomaly model"}')
    return folder / "m", "damaged"


@pytest.mark.parametrize(
    "make", [_model_gone, _model_of_another_version, _model_cut_short, _model_without_words],
    ids=lambda make: make.__name__[1:],
)  # fmt: skip
def test_a_model_that_cannot_be_opened_is_one_sentence_everywhere(capsys, tmp_path, data, model, make):
    folder, named = make(tmp_path, model)
    fine = data / "tile" / "test" / "good" / "000.png"
    refused(capsys, named, "score", folder, fine)
    refused(capsys, named, "index", folder, fine.parent, "--gallery", tmp_path / "g")
    refused(capsys, named, "export", folder, tmp_path / "m.xml")
    assert not (tmp_path / "g").exists()


def test_what_cannot_be_scored_is_one_sentence(capsys, tmp_path, data, model):
    fine = data / "tile" / "test" / "good" / "000.png"
    refused(capsys, "gone.png", "score", model, tmp_path / "gone.png")
    (tmp_path / "empty").mkdir()
    refused(capsys, "empty", "score", model, tmp_path / "empty")
    (tmp_path / "note").write_text("note")
    refused(capsys, "cannot be written", "score", model, fine, "--maps", tmp_path / "note" / "maps")
    assert (tmp_path / "note").read_text() == "note"


def test_scoring_that_is_stopped_leaves_whole_maps_alone(tmp_path, data, model):
    job = begun("score", model, data / "tile" / "test", "--maps", tmp_path / "maps")
    for event in job:
        if isinstance(event, Progress) and event.what == "Inspecting" and event.done == 2:
            break
    job.close()
    names = sorted(path.name for path in (tmp_path / "maps").iterdir())
    assert len(names) == 4
    assert not any(name.startswith(".") for name in names)
    assert all(np.load(path).shape == (SIDE, SIDE) for path in (tmp_path / "maps").glob("*.npy"))


# -- evaluate


def test_evaluate_prints_categories_then_the_average_and_writes_table_and_report(capsys, tmp_path, data):
    root = tmp_path / "root"
    shutil.copytree(data / "tile", root / "tile")
    mask = next((root / "tile" / "ground_truth" / "crack").iterdir())
    cv2.imwrite(str(mask), np.zeros((10, 10), np.uint8))
    # a category without a bad picture, and one that is not asked for
    pictures(root / "plain" / "train" / "good", 3)
    pictures(root / "plain" / "test" / "good", 2)
    pictures(root / "other" / "train" / "good", 3)
    words = ["--categories", "plain,tile", "--csv", tmp_path / "t.csv", "--report", tmp_path / "r.html"]
    status, lines, err = run(capsys, "evaluate", root, *words, "--json", tmp_path / "t.json", *QUICK)
    assert status == 0, err
    assert [(line["category"], line["method"]) for line in lines] == [
        ("plain", "patchcore"), ("tile", "patchcore"), ("average", "patchcore"),
    ]  # fmt: skip
    assert all(set(line) == ROW for line in lines)
    plain, tile, average = lines
    assert plain["image_auroc"] is plain["pixel_auroc"] is plain["aupro"] is plain["f1"] is None
    assert tile["images"] == 7
    assert 0 <= tile["image_auroc"] <= 1
    assert 0 <= tile["pixel_auroc"] <= 1
    assert average["image_auroc"] == tile["image_auroc"]
    assert average["images"] == plain["images"] + tile["images"]
    assert any("10 x 10" in text for text in err)
    rows = (tmp_path / "t.csv").read_text().splitlines()
    assert rows[0].startswith("category,method,images")
    assert len(rows) == 4
    assert len(json.loads((tmp_path / "t.json").read_text())["results"]) == 3
    assert "<html" in (tmp_path / "r.html").read_text(encoding="utf-8")
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_what_cannot_be_evaluated_is_one_sentence(capsys, tmp_path, data):
    refused(capsys, "gone", "evaluate", tmp_path / "gone")
    refused(capsys, "wood", "evaluate", data, "--categories", "tile,wood")
    refused(capsys, "no folder", "evaluate", data, "--csv", tmp_path / "not" / "t.csv")
    refused(capsys, "is a folder", "evaluate", data, "--report", tmp_path)
    folder = pictures(tmp_path / "good")
    refused(capsys, "test", "evaluate", folder, *QUICK)


def test_an_evaluation_that_is_stopped_writes_nothing(tmp_path, data):
    job = begun("evaluate", data, "--csv", tmp_path / "t.csv", "--report", tmp_path / "r.html", *QUICK)
    for event in job:
        if isinstance(event, Progress) and event.what.endswith("examining"):
            break
    job.close()
    assert list(tmp_path.iterdir()) == []


# -- index and similar


def test_pictures_are_known_by_their_category_or_by_their_folders_name(tmp_path, data, monkeypatch):
    known = {shown.item.path.parent.name: (shown.item.kind, shown.category) for shown in pictures_at(data)}
    assert known["good"] == ("good", "tile")
    assert known["crack"] == ("crack", "tile")
    assert not any("ground_truth" in shown.item.path.parts for shown in pictures_at(data))
    (shown,) = pictures_at(data / "tile" / "test" / "crack")
    assert (shown.item.kind, shown.category) == ("crack", "tile")
    assert shown.item.path == data / "tile" / "test" / "crack" / "000.png"
    monkeypatch.chdir(data / "tile" / "test")
    (shown,) = pictures_at(Path("crack"))
    assert shown.item.path == Path("crack/000.png"), "as it was given"
    pictures(tmp_path / "belt" / "scratches", 2)
    pictures(tmp_path / "belt" / "holes", 1)
    assert {(s.item.kind, s.category) for s in pictures_at(tmp_path / "belt" / "holes")} == {("holes", "belt")}
    assert {s.item.kind for s in pictures_at(tmp_path / "belt")} == {"scratches", "holes"}


def test_similar_finds_the_picture_itself_unless_it_is_left_out(capsys, data, gallery):
    crack = data / "tile" / "test" / "crack" / "000.png"
    status, lines, err = run(capsys, "similar", crack, "--gallery", gallery, "--top", 3)
    assert status == 0, err
    assert all(set(line) == NEAR for line in lines)
    assert [line["rank"] for line in lines] == [1, 2, 3]
    assert lines[0]["path"] == str(crack)
    assert lines[0]["kind"] == "crack"
    assert lines[0]["similarity"] == pytest.approx(1, abs=1e-4)
    status, others, err = run(
        capsys, "similar", crack, "--gallery", gallery, "--embedding", "whole", "--exclude-self", "--kind", "good"
    )
    assert status == 0, err
    assert len(others) == 5
    assert {line["kind"] for line in others} == {"good"}
    assert str(crack) not in {line["path"] for line in others}


def test_indexing_again_replaces_and_a_moved_model_is_still_known(capsys, tmp_path, data, model, gallery):
    moved = Path(shutil.copytree(model, tmp_path / "elsewhere"))
    copy = Path(shutil.copytree(gallery, tmp_path / "gallery"))
    broken = data / "tile" / "test" / "crack"
    status, (line,), err = run(capsys, "index", moved, broken, data / "tile" / "test" / "good", "--gallery", copy)
    assert status == 0, err
    assert set(line) == {"gallery", "points", "added", "s"}
    assert (line["gallery"], line["points"], line["added"]) == (str(copy), 15, 3)
    with open_gallery(copy) as opened:
        (key,) = opened.models()
    assert model_title(key) == "model"


def test_what_cannot_be_indexed_or_asked_is_one_sentence(capsys, tmp_path, data, model, gallery):
    crack = data / "tile" / "test" / "crack"
    picture = crack / "000.png"
    refused(capsys, "gone", "index", model, tmp_path / "gone", "--gallery", tmp_path / "g")
    refused(capsys, "no gallery", "similar", picture, "--gallery", tmp_path / "g")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "note").write_text("note")
    refused(capsys, "note", "index", model, crack, "--gallery", tmp_path / "note")
    with open_gallery(tmp_path / "short", lengths={"whole": 3, "defect": 3}) as other:
        refused(capsys, "open in another", "index", model, crack, "--gallery", tmp_path / "short")
        assert other.count() == 0
    refused(capsys, "3", "index", model, crack, "--gallery", tmp_path / "short")
    refused(capsys, "no case", "similar", picture, "--gallery", tmp_path / "short")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "x.png").write_bytes(b"no picture")
    refused(capsys, "x.png", "index", model, tmp_path / "bad", "--gallery", gallery)
    refused(capsys, "x.png", "similar", tmp_path / "bad" / "x.png", "--gallery", gallery)


def test_indexing_that_is_stopped_leaves_a_gallery_that_opens(capsys, tmp_path, data, model):
    job = begun("index", model, data / "tile", "--gallery", tmp_path / "g")
    for event in job:
        if isinstance(event, Progress) and event.what == "Adding to the gallery":
            break
    job.close()
    with open_gallery(tmp_path / "g") as opened:
        assert opened.count() == 0
    assert not list((tmp_path / "g").glob(".new-*"))
