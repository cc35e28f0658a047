"""Methods over categories: the figures are those of the pictures that were examined, and nothing stays behind."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from engine.errors import SightlineError
from engine.inspection.dataset import read_category
from engine.inspection.evaluate import AVERAGE, Result, average, evaluate, method_names, to_csv, to_json
from engine.inspection.knobs import FitKnobs
from engine.inspection.metrics import aupro
from engine.inspection.pictures import read_any
from engine.inspection.report import write_report
from engine.inspection.types import Category, Item, NearPatch, Verdict
from engine.job import Notice, Progress, drive
from engine.samples.textures import write_mvtec

ROW = ["category", "method", "images", "image_auroc", "pixel_auroc", "aupro", "f1", "fit_s", "ms_per_image"]


class Brightness:
    """A model that takes bright for abnormal. It counts how many of it are open."""

    open = 0

    def __init__(self, gain=1.0, blind=0.0):
        self.gain, self.blind, self.closed = gain, blind, False
        Brightness.open += 1

    def read(self, path):
        return read_any(path)

    def examine(self, image, name=""):
        raw = image[:, :, 2].astype(np.float32) * self.gain
        calibrated = (raw + 300) / 600
        calibrated[: int(self.blind * len(raw))] = 0  # not looked at
        y, x = np.unravel_index(raw.argmax(), raw.shape)
        return Verdict(name, float(raw.max()), float(raw.max()) / 256, 0.5, calibrated, raw, (int(x), int(y)))

    def nearest_patches(self, image, x, y, _top=6):
        return (NearPatch(0.5, image, "good.png", (x, y, 1, 1)),)

    def close(self):
        assert not self.closed
        self.closed = True
        Brightness.open -= 1


class Pointing(Brightness):
    """One that sees what is abnormal as a direction: 0.4 rad for the first picture, then 0.8, ..."""

    asked = 0

    def vectors(self, image, verdict):
        assert image.shape[:2] == verdict.map.shape
        self.asked += 1
        angle = 0.4 * self.asked
        return np.ones(3, np.float32), np.array([np.cos(angle), np.sin(angle)], np.float32)


class Blind(Brightness):
    """One whose vectors need what is not here."""

    def vectors(self, _image, _verdict):
        raise SightlineError("The weights are not here.")


def bright(category, knobs, *, name, device, seed):
    """A fit of it; "dark" takes dark for abnormal, "pointing" and "blind" are as above."""
    assert (name.startswith(category.name), device, seed) == (True, "cpu", 3)
    yield Progress("Looking", 1, 2)
    yield Notice("it is bright")
    if not category.train:
        raise SightlineError("There is no good picture to learn from.")
    kind = {"pointing": Pointing, "blind": Blind}.get(knobs.method, Brightness)
    return kind(-1.0 if knobs.method == "dark" else 1.0, knobs.region[1])


@pytest.fixture(scope="module")
def sk():
    """scikit-learn's metrics."""
    import sklearn.metrics

    return sklearn.metrics


@pytest.fixture(autouse=True)
def _none_is_left_open():
    yield
    assert Brightness.open == 0


def draw(folder: Path, seed=0, good=6, bad=8, size=(40, 56), masks=True, overlap=60) -> Category:
    """A category whose defects are brighter than the ground, mostly."""
    rng = np.random.default_rng(seed)
    folder.mkdir()
    items = [Item(folder / "train.png", split="train")]
    cv2.imwrite(str(items[0].path), np.zeros((*size, 3), np.uint8))
    for index in range(good + bad):
        kind = "good" if index < good else ("scratch", "spot")[index % 2]
        image = rng.integers(0, 120 + (overlap if index == 0 else 0), (*size, 3), dtype=np.uint8)
        mask = np.zeros(size, np.uint8)
        path = folder / f"{index:03}.png"
        if kind != "good":
            cv2.circle(mask, (int(rng.integers(8, 48)), int(rng.integers(8, 32))), int(rng.integers(2, 6)), 255, -1)
            image[mask > 0] = np.minimum(image[mask > 0] + rng.integers(0, 140), 255)
            cv2.imwrite(str(path.with_suffix(".mask.png")), mask)
        cv2.imwrite(str(path), image)
        with_mask = path.with_suffix(".mask.png") if masks and kind != "good" else None
        items.append(Item(path, kind, "test", with_mask))
    return Category(folder.name, folder, tuple(items))


def run(categories, *methods, **more):
    """Everything a run yields, and what it returns."""
    events = []
    settings = [method if isinstance(method, FitKnobs) else FitKnobs(method) for method in methods or ("bright",)]
    returned = drive(evaluate(categories, settings, device="cpu", seed=3, fit=bright, **more), events.append)
    results = [event for event in events if isinstance(event, Result)]
    assert returned == tuple(results)
    return results, events


def notices(events):
    return [event.text for event in events if isinstance(event, Notice)]


def test_figures_are_those_of_the_pictures(sk, tmp_path):
    category = draw(tmp_path / "cloth")
    (result, mean), events = run([category])
    reds = [cv2.imread(str(item.path))[:, :, 2] for item in category.test]
    masks = [cv2.imread(str(item.mask), 0) if item.mask else np.zeros((40, 56), np.uint8) for item in category.test]
    truth = np.array([item.abnormal for item in category.test])
    highest = np.array([red.max() for red in reds]) / 256

    assert (result.category, result.method, result.images) == ("cloth", "bright", 14)
    assert result.image_auroc == pytest.approx(sk.roc_auc_score(truth, highest), abs=1e-12)
    assert result.average_precision == pytest.approx(sk.average_precision_score(truth, highest), abs=1e-12)
    pixels = np.concatenate([mask.ravel() > 0 for mask in masks])
    expected = sk.roc_auc_score(pixels, np.concatenate([red.ravel() for red in reds]))
    assert result.pixel_auroc == pytest.approx(expected, abs=1e-12)
    assert result.aupro == pytest.approx(aupro(np.array(reds, np.float32), masks), abs=1e-12)
    called = highest >= result.threshold
    assert result.f1 == pytest.approx(sk.f1_score(truth, called), abs=1e-12)
    assert result.f1 == pytest.approx(max(sk.f1_score(truth, highest >= t) for t in highest), abs=1e-12)

    assert [seen.item for seen in result.scores] == list(category.test)
    assert {seen.item for seen in result.wrong} == {
        item for item, says in zip(category.test, called, strict=True) if says != item.abnormal
    }
    far = [abs(seen.score - result.threshold) for seen in result.wrong]
    assert far == sorted(far, reverse=True)
    assert far
    assert np.trapezoid(result.roc.y, result.roc.x) == pytest.approx(result.image_auroc)
    assert result.known.f1(result.threshold) == result.f1
    assert result.ms_per_image > 0
    assert (mean.category, mean.images, mean.averaged, mean.row()["f1"]) == (AVERAGE, 14, 1, result.f1)
    assert notices(events) == ["cloth, bright: it is bright"]
    assert list(result.row()) == ROW


def test_order_average_and_progress(tmp_path):
    categories = [draw(tmp_path / "a", 1), draw(tmp_path / "b", 2, good=3, bad=2), draw(tmp_path / "c", 3, masks=False)]
    results, events = run(categories, "bright", "dark")
    assert [(result.category, result.method) for result in results] == [
        (name, method) for name in (*"abc", AVERAGE) for method in ("bright", "dark")
    ]
    mean, dark = results[-2:]
    bright_ones = results[0:6:2]
    assert mean.image_auroc == pytest.approx(np.mean([result.image_auroc for result in bright_ones]))
    assert mean.pixel_auroc == pytest.approx(np.mean([result.pixel_auroc for result in bright_ones[:2]]))
    assert bright_ones[2].pixel_auroc is bright_ones[2].aupro is None
    assert (mean.images, mean.averaged, mean.threshold) == (14 + 5 + 14, 3, None)
    assert mean.pixel_auroc > 0.8 > 0.2 > dark.pixel_auroc

    told = [event for event in events if isinstance(event, Progress)]
    done = [event.done for event in told]
    assert done == sorted(done)
    assert (told[0].total, done[-1]) == (2 * (15 + 6 + 15), 72)
    assert told[-1].left_s == 0
    # from the second run on it is known how long a fit takes
    assert all(event.left_s is not None for event in told if event.what.startswith(("b", "c")))
    assert told[0].what == "a, bright: Looking"


def test_what_does_not_exist_is_said(tmp_path):
    without_bad, without_good = draw(tmp_path / "whole", bad=0), draw(tmp_path / "broken", good=0)
    unmasked = draw(tmp_path / "plain", masks=False)
    results, events = run([without_bad, without_good, unmasked])
    for result in results[:2]:
        assert (result.image_auroc, result.average_precision, result.f1, result.roc) == (None,) * 4
        assert result.wrong == ()
        assert len(result.scores) == result.images > 0
    assert (results[0].pixel_auroc, results[0].aupro) == (None, None)
    assert results[1].pixel_auroc > 0.5
    assert results[2].image_auroc > 0.5
    assert results[2].pixel_auroc is results[2].aupro is None
    said = [text for text in notices(events) if "it is bright" not in text]
    assert said == [
        "whole, bright: no defective test picture is there, so it has neither AUROC nor F1.",
        "broken, bright: no good test picture is there, so it has neither AUROC nor F1.",
        "plain, bright: the defects have no masks, so it has no pixel figures.",
    ]


def test_damaged_pictures_and_masks_are_left_out(tmp_path):
    category = draw(tmp_path / "a", good=4, bad=6)
    items = list(category.items)
    items[2].path.write_bytes(b"no picture")
    items[6] = replace(items[6], mask=None)
    cv2.imwrite(str(items[7].mask), np.zeros((10, 10), np.uint8))
    cv2.imwrite(str(items[8].mask), np.zeros((40, 56), np.uint8))
    (result, _), events = run([replace(category, items=tuple(items))])
    assert result.images == 9
    used = [item for item in items if item.split == "test" and item not in (items[2], items[6], items[7])]
    reds = [cv2.imread(str(item.path))[:, :, 2].astype(np.float32) for item in used]
    masks = [cv2.imread(str(item.mask), 0) if item.mask else None for item in used]
    assert result.aupro == pytest.approx(aupro(reds, masks), abs=1e-12)
    said = " ".join(notices(events))
    for word in (
        "a picture is left out. 001.png", "006.mask.png", "the mask 007.mask.png is empty",
        "2 without a mask are not in the pixel figures: 005.png, 006.png.",
    ):  # fmt: skip
        assert word in said


def test_what_is_not_looked_at_is_not_in_the_pixel_figures(tmp_path):
    category = draw(tmp_path / "a")
    (result, _), _ = run([category], FitKnobs("bright", region=(0.0, 0.5, 1.0, 0.5)))
    reds = [cv2.imread(str(item.path))[20:, :, 2].astype(np.float32) for item in category.test]
    masks = [cv2.imread(str(item.mask), 0)[20:] if item.mask else None for item in category.test]
    assert result.aupro == pytest.approx(aupro(reds, masks), abs=1e-12)


def test_a_category_that_cannot_be_fitted_stops_nothing(tmp_path):
    whole = draw(tmp_path / "a")
    nothing = replace(whole, name="empty", items=whole.test)
    untested = replace(whole, name="untested", items=whole.train)
    results, events = run([nothing, untested, whole])
    assert [result.category for result in results] == ["a", AVERAGE]
    said = notices(events)
    assert "empty, bright is left out: There is no good picture to learn from." in said
    assert any(text.startswith("untested, bright is left out: There are no test pictures in") for text in said)
    assert [event.done for event in events if isinstance(event, Progress)][-1] == 14 + 1 + 15
    with pytest.raises(SightlineError, match="no good picture to learn from"):
        run([nothing])
    with pytest.raises(SightlineError, match="nothing to evaluate"):
        run([])
    for item in whole.test:
        item.path.unlink()
    with pytest.raises(SightlineError, match="None of the 14"):
        run([whole])


def test_cancelled_anywhere_nothing_stays(tmp_path):
    categories = [draw(tmp_path / "a"), draw(tmp_path / "b")]
    count = len(run(categories, "bright", "dark", examples=2)[1])
    before = sorted(tmp_path.rglob("*"))
    for stop in range(1, count):
        job = evaluate(categories, [FitKnobs("bright"), FitKnobs("dark")], device="cpu", seed=3, fit=bright, examples=2)
        for _ in range(stop):
            next(job)
        job.close()
        assert Brightness.open == 0
    assert sorted(tmp_path.rglob("*")) == before


def test_examples_are_the_worst_then_each_kind(tmp_path):
    (result, _), _ = run([draw(tmp_path / "a")], examples=6)
    assert len(result.examples) == 6
    assert result.examples[0].item == result.wrong[0].item
    assert {one.item.kind for one in result.examples} == {"good", "scratch", "spot"}
    first = result.examples[0]
    assert first.image.shape == (40, 56, 3)
    assert first.verdict.name == str(first.item.path)
    assert first.nearest[0].box[:2] == first.verdict.hottest
    truth = next(one for one in result.examples if one.item.abnormal)
    assert (truth.mask == (cv2.imread(str(truth.item.mask), 0) > 0)).all()
    assert [one.mask for one in result.examples if not one.item.abnormal] == [None] * (6 - 4)
    assert (result.bank, result.card) == (None, None)
    assert run([draw(tmp_path / "b")])[0][0].examples == ()


def test_the_most_similar_pictures_of_each_example(tmp_path):
    category = draw(tmp_path / "a", good=3, bad=5)
    (result, mean), _ = run([category], "pointing", examples=4)
    assert [item for item, _ in result.similar] == [one.item for one in result.examples if one.item.abnormal]
    for item, near in result.similar:
        own = category.test.index(item)
        # next in the row of angles is nearest; of two equally near rounding decides
        expected = sorted(abs(place - own) for place in range(8) if place != own)[:5]
        assert [one.similarity for one in near] == pytest.approx([np.cos(0.4 * apart) for apart in expected], abs=1e-6)
        assert [one.rank for one in near] == [1, 2, 3, 4, 5]
        seen = {str(other.path): other for other in category.test if other != item}
        for one in near:
            truth = seen.pop(one.case.path)
            assert (one.case.kind, one.case.category, one.case.model) == (truth.kind, "a", "a, pointing")
            assert (one.case.width, one.case.height, one.case.whole, one.case.defect) == (56, 40, None, None)
            assert abs(category.test.index(truth) - own) in expected
    assert mean.similar == ()
    assert run([category], "pointing")[0][0].similar == (), "nobody wants a report"

    # good ones are asked for only where there is nothing else; there may be fewer than five others
    good = draw(tmp_path / "b", good=3, bad=0)
    assert [len(near) for _, near in run([good], "pointing", examples=2)[0][0].similar] == [2, 2]
    assert run([draw(tmp_path / "c", good=0, bad=1)], "pointing", examples=2)[0][0].similar == ()


@pytest.mark.parametrize("method", ["bright", "blind"])
def test_without_vectors_nothing_is_similar_and_all_else_is_there(tmp_path, method):
    results, events = run([draw(tmp_path / "a")], method, examples=3)
    assert (results[0].images, len(results[0].examples), results[0].similar) == (14, 3, ())
    said = [text for text in notices(events) if "similar" in text]
    assert said == ["a, blind: no similar pictures are looked for. The weights are not here."] * (method == "blind")
    drive(write_report(results, tmp_path / "r.html"))
    assert 'id="similar"' not in (tmp_path / "r.html").read_text(encoding="utf-8")


def test_patchcore_on_a_drawn_category(tmp_path):
    """The real fit, offline: found by itself, closed by itself."""
    category = read_category(write_mvtec(tmp_path, "grid", train=6, good=4, each=1, size=(128, 128)))
    events = []
    results = drive(evaluate([category], [FitKnobs(size=128)], device="cpu", examples=3), events.append)
    assert [(one.category, one.method) for one in results] == [("grid", "patchcore"), (AVERAGE, "patchcore")]
    for result in results:
        assert result.image_auroc > 0.9
        assert 1 > result.pixel_auroc > 0.85
        assert result.aupro > 0.6
        assert result.fit_s > 0 < result.ms_per_image
        assert result.images == len(category.test)
    assert all(example.nearest for example in results[0].examples)
    assert [event for event in events if isinstance(event, Progress)][-1].done == len(category.items)


def test_settings_of_one_method_have_names_of_their_own():
    plain = FitKnobs()
    assert method_names([plain, FitKnobs("efficientad")]) == ("patchcore", "efficientad")
    assert method_names([plain, replace(plain, coreset=0.01), replace(plain, layers=("a", "b"))]) == (
        "patchcore, layers usual, coreset 0.1",
        "patchcore, layers usual, coreset 0.01",
        "patchcore, layers a b, coreset 0.1",
    )
    assert method_names([plain, replace(plain, keep_shape=True)]) == (
        "patchcore, keep shape off",
        "patchcore, keep shape on",
    )
    assert method_names([plain, plain]) == ("patchcore", "patchcore (2)")


def test_numbers_are_written(tmp_path):
    results, _ = run([draw(tmp_path / "a, b"), draw(tmp_path / "Straße", masks=False)])
    out = tmp_path / "out"
    out.mkdir()
    to_csv(results, out / "figures.csv")
    to_json(results, out / "figures.json")
    with (out / "figures.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["category"] for row in rows] == ["a, b", "Straße", AVERAGE]
    assert list(rows[0]) == [*ROW, "threshold"]
    assert float(rows[0]["aupro"]) == results[0].aupro
    assert (rows[1]["aupro"], rows[2]["threshold"]) == ("", "")

    told = json.loads((out / "figures.json").read_text(encoding="utf-8"))["results"]
    assert [{name: one[name] for name in ROW} for one in told] == [result.row() for result in results]
    assert told[0]["settings"]["method"] == "bright"
    assert told[0]["roc"]["threshold"][0] is None
    assert told[0]["roc"]["true_positive_rate"][-1] == 1
    assert len(told[0]["scores"]) == 14
    assert [one["image"] for one in told[0]["wrong"]] == [str(seen.item.path) for seen in results[0].wrong]
    assert told[2]["roc"] is None
    assert sorted(file.name for file in out.iterdir()) == ["figures.csv", "figures.json"]
    to_csv([], out / "none.csv")
    assert (out / "none.csv").read_text().strip() == ",".join([*ROW, "threshold"])


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch):
    result = Result("a", "b", FitKnobs(), image_auroc=0.5)
    path = tmp_path / "figures.csv"
    path.write_text("old")
    with pytest.raises(SightlineError, match="save it elsewhere"):
        to_csv([result], tmp_path / "missing" / "figures.csv")

    def full(*_args, **_more):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(SightlineError, match="no space left"):
        to_csv([result], path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_average_of_what_exists():
    knobs = FitKnobs()
    mean = average([Result("a", "m", knobs, 3, image_auroc=0.5, f1=1.0), Result("b", "m", knobs, 4, f1=0.5)])
    assert (mean.image_auroc, mean.f1, mean.aupro, mean.images, mean.averaged) == (0.5, 0.75, None, 7, 2)
