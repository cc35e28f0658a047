"""PatchCore gives anomalib's coreset, scores and maps, given the same network, bank, projection and first index.

anomalib takes more than ten seconds to import: among PatchCore's tests only this file does.
"""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest

from engine.errors import SightlineError
from engine.inspection.backbone import LAYERS
from engine.inspection.coreset import choosing
from engine.inspection.knobs import FitKnobs
from engine.inspection.nearest import Nearest
from engine.inspection.patchcore import PatchCore, fit_patchcore, load_patchcore, smooth_map
from engine.inspection.runtime import run_on
from engine.job import Notice, Progress, drive
from engine.samples.textures import defective, good

NETWORKS = ("mobilenet_v2", "resnet18")
PICTURES = 6


def batch_of(*images):
    """(n, 3, h, w) float32 RGB 0..1."""
    return np.stack([np.ascontiguousarray(image[:, :, ::-1].transpose(2, 0, 1)) for image in images]) / np.float32(255)


class Drawn:
    """A `PictureSet` of drawn tiles."""

    def __init__(self, count=PICTURES, size=(64, 64), first=0):
        self.size = size
        self.batches = [batch_of(good("tile", first + seed, size)) for seed in range(count)]

    def __len__(self):
        return len(self.batches)

    def batch(self, index):
        return self.batches[index]


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    """Networks with random but fixed numbers: for Sightline as a file, for anomalib as a module."""
    import torch
    import torchvision

    made = {}
    for name in NETWORKS:
        torch.manual_seed(5)
        module = torchvision.models.get_model(name, weights=None).train()
        # statistics of what will be seen: random networks let it fade away otherwise
        for layer in module.modules():
            if isinstance(layer, torch.nn.BatchNorm2d):
                layer.momentum = 1.0
        with torch.no_grad():
            module(normalised(np.concatenate(Drawn(4, first=300).batches)))
        path = tmp_path_factory.mktemp("weights") / f"{name}.pth"
        torch.save(module.eval().state_dict(), path)
        made[name] = SimpleNamespace(name=name, module=module, layers=LAYERS[name], path=path)
    return made


@pytest.fixture(scope="module")
def network(networks):
    """The one that is cut, converted and compiled soonest."""
    return networks["resnet18"]


def knobs_for(network, **others):
    return FitKnobs(backbone=network.name, weights=str(network.path), **{"coreset": 0.3, "projection": -1, **others})


@pytest.fixture(scope="module")
def all_fitted(networks):
    return {name: drive(fit_patchcore(Drawn(), knobs_for(one), device="cpu", seed=3)) for name, one in networks.items()}


@pytest.fixture(scope="module")
def fitted(all_fitted):
    return all_fitted["resnet18"]


@pytest.fixture(scope="module", params=NETWORKS)
def both(request, networks, all_fitted):
    """Sightline's model and anomalib's around the same network."""
    from anomalib.models.image.patchcore.torch_model import PatchcoreModel

    one = networks[request.param]
    return all_fitted[request.param], PatchcoreModel(one.layers, one.module, pre_trained=False).eval()


@pytest.fixture
def ready(monkeypatch, fitted):
    """The network is there already: a fit takes no second to cut and convert it."""
    monkeypatch.setattr("engine.inspection.patchcore.make_backbone", lambda _knobs: fitted.backbone)
    monkeypatch.setattr("engine.inspection.patchcore.run_on", lambda *_: fitted.network)


def normalised(batch):
    import torch

    mean, deviation = (np.array(v, np.float32).reshape(1, 3, 1, 1) for v in
                       ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))  # fmt: skip
    return torch.from_numpy((batch - mean) / deviation)


def asked(theirs, bank, batch, neighbours=9):
    """anomalib's scores and maps."""
    import torch

    theirs.memory_bank, theirs.num_neighbors = torch.from_numpy(bank), neighbours
    with torch.inference_mode():
        out = theirs.eval()(normalised(batch))
    return out.pred_score.numpy().ravel(), out.anomaly_map.numpy()[:, 0]


def same(ours, theirs):
    """To 1e-4 of the largest."""
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() <= 1e-4 * np.abs(theirs).max()


@pytest.fixture(scope="module")
def probes():
    """A good tile, and two with defects."""
    return batch_of(good("tile", 90, (64, 64)), *(defective("tile", kind, 7, (64, 64))[0] for kind in ("crack", "oil")))


def test_features_are_anomalibs(both, probes):
    fitted, theirs = both
    ours = fitted.network(probes)
    want = theirs.train()(normalised(probes)).numpy()
    assert ours.shape[:3] == (3, 8, 8)
    same(ours.reshape(want.shape), want)


@pytest.mark.parametrize("neighbours", [9, 1, 3])
def test_scores_and_maps_are_anomalibs(both, probes, neighbours):
    fitted, theirs = both
    raw, maps = asked(theirs, fitted.bank, probes, neighbours)
    other = PatchCore(fitted.backbone, fitted.network, fitted.bank, fitted.owners, fitted.grid, neighbours=neighbours)
    scored = other.score(probes)
    same(scored.raw, raw)
    same(scored.maps, maps)
    assert scored.patches.shape == (3, 8, 8)
    assert scored.features.shape[:3] == (3, 8, 8)
    assert set(scored.ms) == {"network", "score", "map"}


@pytest.mark.parametrize("size", [(72, 104), (100, 66), (65, 127), (224, 224)])
def test_sizes_that_do_not_divide(both, size):
    """As a crop or kept proportions make them."""
    fitted, theirs = both
    batch = batch_of(defective("leather", "cut", 3, size)[0])
    raw, maps = asked(theirs, fitted.bank, batch)
    scored = fitted.score(batch)
    same(scored.raw, raw)
    same(scored.maps, maps)
    assert scored.maps.shape == (1, *size)


@pytest.mark.parametrize("rows", [1, 2, 8])
def test_a_bank_of_fewer_rows_than_neighbours(both, probes, rows):
    fitted, theirs = both
    bank = np.ascontiguousarray(fitted.bank[:rows])
    raw, maps = asked(theirs, bank, probes)
    scored = PatchCore(fitted.backbone, fitted.network, bank, fitted.owners[:rows], fitted.grid).score(probes)
    same(scored.maps, maps)
    # of one row anomalib makes the neighbourhood of another picture of the batch; there is none
    same(scored.raw, raw if rows > 1 else scored.patches.max((1, 2)))


def test_every_index_of_the_map_is_torchs():
    """The patch of each pixel, for all sizes up to 70 patches on 300 pixels; float64 would put some elsewhere."""
    import torch

    from engine.inspection.patchcore import _spread

    for patches, pixels in itertools.product(range(1, 71), range(1, 301)):
        numbers = torch.arange(patches, dtype=torch.float32).view(1, 1, -1, 1)
        want = torch.nn.functional.interpolate(numbers, size=(pixels, 1)).view(-1).long().numpy()
        assert (_spread(patches, pixels) == want).all(), f"{patches} on {pixels}"


@pytest.mark.parametrize(("patches", "size"), [((8, 8), (64, 64)), ((69, 13), (258, 100)), ((28, 28), (224, 224))])
def test_a_smoothed_map_is_anomalibs(patches, size):
    import torch
    from anomalib.models.image.patchcore.anomaly_map import AnomalyMapGenerator

    values = np.random.default_rng(0).uniform(0, 5, patches).astype(np.float32)
    want = AnomalyMapGenerator()(torch.from_numpy(values)[None, None], size)[0, 0].numpy()
    np.testing.assert_allclose(smooth_map(values, size), want, atol=1e-4)


# without and with fewer dimensions than the features have; anomalib itself projects in either case
@pytest.mark.parametrize("ratio", [0.05, 0.2])
def test_the_coreset_is_anomalibs(both, ratio):
    import torch
    from anomalib.models.components import KCenterGreedy

    _, theirs = both
    drawn = Drawn(12, (96, 96))
    with torch.inference_mode():
        embedding = torch.cat([theirs.train()(normalised(drawn.batch(i))) for i in range(len(drawn))])
    theirs.embedding_store.clear()
    torch.manual_seed(4)
    np.random.seed(4)  # what their projection draws from
    sampler = KCenterGreedy(embedding, ratio)
    want = np.array(sampler.select_coreset_idxs())
    projection = sampler.model.sparse_random_matrix.numpy().T
    chosen = drive(choosing(embedding.numpy(), len(want), first=int(want[0]), projection=projection))
    assert len(want) == int(len(embedding) * ratio)
    np.testing.assert_array_equal(chosen, want)


def test_the_fitted_bank_is_the_chosen_patches(fitted):
    drawn = Drawn()
    patches = np.concatenate([fitted.network(drawn.batch(i)).reshape(64, -1) for i in range(PICTURES)])
    rows = drive(choosing(patches, int(len(patches) * 0.3), seed=3))
    assert len(fitted.bank) == len(rows) == 115
    np.testing.assert_allclose(fitted.bank, patches[rows], atol=1e-5)
    picture, row, column = fitted.owners.T
    np.testing.assert_array_equal(picture * 64 + row * 8 + column, rows)
    assert fitted.grid == (8, 8)


def test_a_fit_is_repeated_by_its_seed(network, ready):
    one, again, other = (
        drive(fit_patchcore(Drawn(3), knobs_for(network, projection=40), device="cpu", seed=seed)) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one.bank, again.bank)
    np.testing.assert_array_equal(one.owners, again.owners)
    assert (one.owners != other.owners).any()


def test_a_whole_coreset_keeps_every_patch(network, ready):
    kept = drive(fit_patchcore(Drawn(2), knobs_for(network, coreset=1.0), device="cpu", seed=0))
    assert len(kept.bank) == 2 * 64
    scored = kept.score(Drawn(2).batch(1))
    assert scored.raw[0] < 1e-2 * np.linalg.norm(kept.bank[0])  # its own patches are in the bank


def test_it_finds_what_is_painted(fitted):
    """Random weights see a plain defect well enough."""
    size = (64, 64)
    whole = np.mean([fitted.score(batch_of(good("tile", 50 + i, size))).raw[0] for i in range(6)])
    image = good("tile", 70, size)
    image[20:44, 20:44] = (0, 0, 255)
    scored = fitted.score(batch_of(image))
    assert scored.raw[0] > whole
    hot = np.unravel_index(scored.maps[0].argmax(), size)
    assert all(12 <= place < 52 for place in hot)


# leave one out


def test_leaving_one_out_is_a_bank_without_its_rows(fitted):
    drawn = Drawn()
    for picture in (0, 4):
        kept = fitted.owners[:, 0] != picture
        assert not kept.all()
        bank = np.ascontiguousarray(fitted.bank[kept])
        want = PatchCore(fitted.backbone, fitted.network, bank, fitted.owners[kept], fitted.grid)
        scored = want.score(drawn.batch(picture))
        raw, maps = fitted.score_without(drawn.batch(picture), picture)
        same(np.array([raw]), scored.raw)
        same(maps, scored.maps)
        assert raw > fitted.score(drawn.batch(picture)).raw[0]


def test_leaving_out_the_only_picture(network, ready):
    kept = drive(fit_patchcore(Drawn(1), knobs_for(network), device="cpu", seed=0))
    assert kept.score_without(Drawn(1).batch(0), 0) is None


def test_a_picture_of_several_tiles_counts_by_its_strangest(fitted, probes):
    alone = [fitted.score(probes[i : i + 1]).raw[0] for i in range(len(probes))]
    np.testing.assert_allclose(fitted.score(probes).raw, alone, rtol=1e-5)
    raw, maps = fitted.score_without(probes, 2)
    assert maps.shape == (3, 64, 64)
    assert raw == max(fitted.score_without(probes[i : i + 1], 2)[0] for i in range(3))


# the job


def test_it_tells_how_far_it_is(network, ready):
    seen = []
    drive(fit_patchcore(Drawn(3), knobs_for(network), device="cpu", seed=0), seen.append)
    assert all(isinstance(event, Progress) for event in seen)
    looked = [event for event in seen if event.what == "Looking at good pictures"]
    assert [event.done for event in looked] == [1, 2, 3]
    assert {event.total for event in looked} == {3}


def test_it_can_be_stopped_anywhere(network, ready):
    total = len(list(fit_patchcore(Drawn(2), knobs_for(network), device="cpu", seed=0)))
    for after in range(1, total + 1):
        job = fit_patchcore(Drawn(2), knobs_for(network), device="cpu", seed=0)
        assert len(list(itertools.islice(job, after))) == after
        job.close()
        assert next(job, None) is None


def test_the_memory_cap_thins_out_evenly_and_says_so(network, ready, monkeypatch):
    from engine.inspection import patchcore

    rooms = []
    room = patchcore._room
    monkeypatch.setattr(patchcore, "_room", lambda *shape: rooms.append(shape) or room(*shape))
    drawn = Drawn(12, (256, 256))
    width = 384
    seen = []
    knobs = knobs_for(network, memory_mib=1, coreset=1.0)
    kept = drive(fit_patchcore(drawn, knobs, device="cpu", seed=0), seen.append)
    (notice,) = [event for event in seen if isinstance(event, Notice)]
    assert "GiB would" not in notice.text
    assert notice.text.endswith(".")
    assert kept.bank.nbytes <= 2**20 + 12 * width * 4
    assert kept.bank.nbytes > 0.95 * 2**20
    counts = np.bincount(kept.owners[:, 0], minlength=12)
    assert counts.max() - counts.min() <= 1
    assert [columns for _, columns in rooms] == [width]  # one room, big enough from the beginning
    # of each picture other places are kept
    assert len(np.unique(kept.owners[:, 1:], axis=0)) > 2 * counts.max()


def test_pictures_of_other_sizes_and_more_tiles(network, ready):
    drawn = Drawn(3)
    drawn.batches[1] = np.concatenate([drawn.batches[1]] * 5)
    drawn.batches[2] = batch_of(good("tile", 5, (96, 64)))
    kept = drive(fit_patchcore(drawn, knobs_for(network, coreset=1.0), device="cpu", seed=0))
    assert len(kept.bank) == 64 + 5 * 64 + 96
    assert kept.owners[:, 1].max() == 5 * 8 - 1
    assert drive(fit_patchcore(drawn, knobs_for(network), device="cpu", seed=0)).score(drawn.batch(2)).raw.shape == (1,)


def test_no_room_is_one_sentence():
    from engine.inspection.patchcore import _room

    with pytest.raises(SightlineError, match="are not free"):
        _room(2**40, 2**12)


@pytest.mark.parametrize(("others", "words"), [
    ({"backbone": "no_such_net"}, "no network named no_such_net"),
    ({"layers": ("nowhere",)}, "has no layer nowhere"),
    ({"layers": ("",)}, "cannot be taken out"),
    ({"weights": "/nowhere/own.pth"}, "no file /nowhere/own.pth"),
])  # fmt: skip
def test_what_cannot_be_had_is_said(network, others, words):
    knobs = FitKnobs(**{"backbone": network.name, "weights": str(network.path), **others})
    with pytest.raises(SightlineError, match=words):
        drive(fit_patchcore(Drawn(2), knobs, device="cpu", seed=0))


def test_other_precision_is_close(fitted, probes):
    """bfloat16 is taken where the processor has it; elsewhere OpenVINO goes on in float32."""
    quick = run_on(fitted.backbone.module, "cpu", "bfloat16")
    want = fitted.score(probes)
    have = PatchCore(fitted.backbone, quick, fitted.bank, fitted.owners, fitted.grid, precision="bfloat16").score(
        probes
    )
    assert np.abs(have.raw - want.raw).max() <= 0.05 * want.raw.max()
    assert np.abs(have.maps - want.maps).max() <= 0.05 * want.maps.max()
    assert have.raw.argsort().tolist() == want.raw.argsort().tolist()


# the search


@pytest.mark.parametrize(("rows", "d"), [(1, 4), (2, 3), (115, 128), (1537, 32), (4000, 16)])
def test_distances_to_the_nearest(rows, d):
    rng = np.random.default_rng(0)
    bank = rng.normal(30, 2, (rows, d)).astype(np.float32)
    patches = rng.normal(30, 3, (50, d)).astype(np.float32)
    apart = np.linalg.norm(patches[:, None].astype(np.float64) - bank, axis=2)
    search = Nearest(bank)
    np.testing.assert_allclose(search.distances(patches), apart.min(1), rtol=1e-4)
    np.testing.assert_allclose(search.distances(patches[:7]), apart.min(1)[:7], rtol=1e-4)  # another shape
    for patch, want in zip(patches[:5], apart, strict=False):
        distances, found = search.neighbours(patch, 6)
        np.testing.assert_array_equal(found, want.argsort()[:6])
        np.testing.assert_allclose(distances, np.sort(want)[:6], rtol=1e-5)


def test_distances_where_some_are_left_out():
    rng = np.random.default_rng(1)
    bank, patches = rng.normal(0, 1, (90, 8)).astype(np.float32), rng.normal(0, 1, (20, 8)).astype(np.float32)
    out = rng.random(90) < 0.5
    rest, search = Nearest(bank[~out]), Nearest(bank)
    np.testing.assert_allclose(search.distances_without(patches, out), rest.distances(patches), atol=1e-5)
    distances, rows = search.neighbours(patches[0], 200, out)
    assert len(rows) == (~out).sum()
    assert not out[rows].any()
    np.testing.assert_allclose(distances, rest.neighbours(patches[0], 200)[0], atol=1e-5)


def test_a_patch_of_the_bank_is_at_no_distance():
    bank = np.random.default_rng(2).normal(100, 1, (500, 24)).astype(np.float32)
    assert Nearest(bank).distances(bank).max() < 0.01
    assert Nearest(bank).neighbours(bank[7], 3)[1][0] == 7


# as tensors


def test_tensors_and_settings_make_the_same_model_again(fitted, probes):
    again = drive(load_patchcore(fitted.settings(), fitted.tensors(), device="cpu", precision="float32"))
    want, have = fitted.score(probes), again.score(probes)
    np.testing.assert_array_equal(have.raw, want.raw)
    np.testing.assert_array_equal(have.maps, want.maps)
    assert again.settings() == fitted.settings()
    np.testing.assert_array_equal(again.owners, fitted.owners)


def without(key):
    return lambda mapping: {k: v for k, v in mapping.items() if k != key}


def put(key, value):
    return lambda mapping: mapping | {key: value}


@pytest.mark.parametrize("change", [
    without("bank"), without("owners"), lambda tensors: {k: v for k, v in tensors.items() if "backbone" not in k},
    lambda tensors: put("bank", tensors["bank"][:0])(tensors), lambda tensors: put("bank", tensors["bank"][0])(tensors),
    lambda tensors: put("bank", tensors["bank"] * float("nan"))(tensors),
    lambda tensors: put("bank", tensors["bank"][:, :-1].contiguous())(tensors),
    lambda tensors: put("bank", tensors["bank"].bfloat16())(tensors),
    lambda tensors: put("owners", tensors["owners"][:-1])(tensors),
])  # fmt: skip
def test_damaged_tensors_are_refused(fitted, change):
    with pytest.raises(SightlineError, match="again"):
        drive(load_patchcore(fitted.settings(), change(fitted.tensors()), device="cpu", precision="float32"))


@pytest.mark.parametrize("change", [
    *(without(key) for key in ("backbone", "layers", "grid", "neighbours")),
    put("grid", [8]), put("grid", [0, 8]), put("grid", "x8"), put("grid", None), put("grid", [8, "x"]),
    put("neighbours", 0), put("neighbours", -3), put("neighbours", "many"), put("neighbours", None),
    put("backbone", "hf-hub:some/one"), put("backbone", 7), put("backbone", "fasterrcnn_resnet50_fpn"),
    put("layers", []), put("layers", "layer2"), put("layers", [3]), put("layers", None), put("layers", {"a": 1}),
])  # fmt: skip
def test_hostile_settings_are_refused(fitted, change):
    with pytest.raises(SightlineError) as error:
        drive(load_patchcore(change(fitted.settings()), fitted.tensors(), device="cpu", precision="float32"))
    assert "\n" not in str(error.value)
