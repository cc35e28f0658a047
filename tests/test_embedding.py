"""The two vectors of a picture: which patches count, and how they differ from good ones."""

import numpy as np
import pytest

from engine.inspection.embedding import SHARPNESS, STRONGEST, _Good, _strongest, _unit
from engine.inspection.fit import fit
from engine.inspection.knobs import FitKnobs
from engine.inspection.types import Item
from engine.job import drive
from engine.samples.textures import defective, write_mvtec

KINDS = ("crack", "oil", "glue_strip")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = write_mvtec(tmp_path_factory.mktemp("set"), "tile", train=8, good=0, each=0, size=(128, 128))
    items = [Item(path, split="train") for path in sorted((folder / "train" / "good").iterdir())]
    made = drive(fit(items, FitKnobs(size=128, coreset=0.2), device="cpu"))
    yield made
    made.close()


def ones(count):
    return np.ones(count, np.float32)


def test_the_strongest_patches_count_by_a_power_of_the_map():
    strange = np.linspace(0, 1, 100, dtype=np.float32)
    places, weights = _strongest(strange, ones(100))
    assert places.tolist() == list(range(100 - STRONGEST, 100))
    assert weights.sum() == pytest.approx(1)
    assert weights[-2] / weights[-1] == pytest.approx((98 / 99) ** SHARPNESS, rel=1e-4)


def test_where_nothing_stands_out_all_patches_count_alike():
    for value in (0.0, 0.4):
        places, weights = _strongest(np.full(50, value, np.float32), ones(50))
        assert len(places) == 50
        assert np.allclose(weights, 1 / 50)


def test_only_the_meant_part_counts():
    strange = np.zeros(100, np.float32)
    strange[7], strange[60] = 1.0, 0.3
    inside = np.zeros(100, np.float32)
    inside[50:70] = 1
    places, weights = _strongest(strange, inside)
    assert set(places) <= set(range(50, 70))
    assert places[weights.argmax()] == 60


def test_a_patch_is_taken_apart_from_its_nearest_good_one():
    rng = np.random.default_rng(0)
    bank = rng.normal(3, 2, (300, 8)).astype(np.float32)
    good = _Good(bank)
    patches = bank[[5, 17]] + np.float32(0.01)
    nearest = bank[[int(np.linalg.norm(bank - patch, axis=1).argmin()) for patch in patches]]
    expected = (0.5 * (patches - nearest)).sum(0) / (bank.std(0) + 1e-6) @ good._whiten
    assert np.allclose(good.apart(patches, np.array([0.5, 0.5], np.float32)), expected, atol=1e-5)
    assert np.allclose(good.apart(bank[:2], np.array([0.5, 0.5], np.float32)), 0)


def test_a_bank_in_which_hardly_anything_varies_is_no_trouble():
    bank = np.zeros((3, 16), np.float32)
    bank[1, 0] = 1
    found = _Good(bank).apart(np.ones((2, 16), np.float32), np.array([0.5, 0.5], np.float32))
    assert np.isfinite(found).all()


def test_no_difference_gives_a_vector_all_the_same():
    assert np.linalg.norm(_unit(np.zeros(9, np.float32))) == pytest.approx(1)


def test_defects_of_a_kind_are_nearer_to_each_other_than_to_others(model):
    vectors, kinds = [], []
    for kind in KINDS:
        for seed in (3, 7, 11):
            image, _mask = defective("tile", kind, 500 + seed, (128, 128))
            whole, defect = model.vectors(image, model.examine(image))
            assert whole.dtype == defect.dtype == np.float32
            assert np.linalg.norm(whole) == pytest.approx(1, abs=1e-5)
            assert np.linalg.norm(defect) == pytest.approx(1, abs=1e-5)
            vectors.append(defect)
            kinds.append(kind)
    cosines = np.array(vectors) @ np.array(vectors).T
    alike = np.array(kinds)[:, None] == np.array(kinds)[None]
    np.fill_diagonal(alike, False)
    assert cosines[alike].mean() > cosines[np.array(kinds)[:, None] != np.array(kinds)[None]].mean() + 0.1


def test_a_region_asks_for_what_is_in_it(model):
    image, mask = defective("tile", "oil", 511, (128, 128))
    verdict = model.examine(image)
    whole, defect = model.vectors(image, verdict)
    rows, columns = np.nonzero(mask)
    box = (int(columns.min()), int(rows.min()), int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1)
    again, within = model.vectors(image, verdict, box)
    assert np.allclose(whole, again, atol=1e-6)
    corner = (0, 0, 16, 16) if box[0] > 20 or box[1] > 20 else (112, 112, 16, 16)
    _, beside = model.vectors(image, verdict, corner)
    assert within @ defect > beside @ defect
