"""PatchCore against anomalib's: the coreset's time and memory, and one picture from array to verdict.

uv run python tests/bench_patchcore.py             all of it
uv run python tests/bench_patchcore.py coreset     or: large, picture
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from engine import runtime

runtime.prepare()

import numpy as np

from engine.inspection.coreset import choosing
from engine.job import drive
from engine.samples.textures import TEXTURES, defective, good

CORESET_AT_LEAST, MEMORY_AT_MOST, PICTURE_AT_LEAST = 5, 1 / 3, 2.5


def drawn(count: int, side: int):
    """Good pictures of all textures in turn, as batches of one."""
    from engine.inspection.knobs import FitKnobs
    from engine.inspection.preparation import Preparation

    preparation = Preparation(FitKnobs(size=side))
    for number in range(count):
        image = good(TEXTURES[number % len(TEXTURES)], number, (side, side))
        yield preparation.cut(image).batch


def patches_of(layers: tuple[str, ...], count: int, side: int):
    """(n, d) float32: patch features of drawn textures, from the MobileNetV2 that is always here."""
    from engine.inspection.backbone import make_backbone
    from engine.inspection.knobs import FitKnobs
    from engine.inspection.runtime import run_on

    network = run_on(make_backbone(FitKnobs(layers=layers)).module, "cpu")
    return np.concatenate([found.reshape(-1, found.shape[-1]) for found in map(network, drawn(count, side))])


# the coreset, each side in a process of its own


def measured(call):
    """What a call returns, its seconds, and by how many MiB the process grew meanwhile at most."""
    before = _kib("VmRSS")
    try:
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    except OSError:
        print("the peak cannot be reset here: memory is that of the whole process", file=sys.stderr)
    begun = time.perf_counter()
    result = call()
    seconds = time.perf_counter() - begun
    return result, seconds, (_kib("VmHWM") - before) / 1024


def _kib(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))


def side_of_anomalib(folder: Path, ratio: float) -> dict[str, float]:
    import torch
    from anomalib.models.components import KCenterGreedy

    torch.manual_seed(0)
    np.random.seed(0)  # what their projection draws from
    sampler = KCenterGreedy(torch.from_numpy(np.load(folder / "patches.npy")), ratio)
    # drawing the projection is no part of the choice, and Sightline is given this one
    sampler.model.fit(sampler.embedding)
    sampler.model.fit = lambda _embedding: None
    KCenterGreedy(sampler.embedding[:2000], 0.01).select_coreset_idxs()
    chosen, seconds, mib = measured(sampler.select_coreset_idxs)
    np.save(folder / "chosen.npy", np.array(chosen))
    np.save(folder / "projection.npy", sampler.model.sparse_random_matrix.numpy())
    return {"seconds": seconds, "mib": mib}


def side_of_sightline(folder: Path, ratio: float) -> dict[str, float]:
    import torch  # noqa: F401 - not counted: anomalib has it loaded by then too

    patches, want = np.load(folder / "patches.npy"), np.load(folder / "chosen.npy")
    drive(choosing(patches[:2000], 20))  # what torch loads when it is first used is not counted, on either side
    projection = np.load(folder / "projection.npy").T
    call = lambda: drive(choosing(patches, int(len(patches) * ratio), first=int(want[0]), projection=projection))  # noqa: E731
    chosen, seconds, mib = measured(call)
    assert np.array_equal(chosen, want), f"differs from place {int(np.argmin(chosen == want[: len(chosen)]))} on"
    return {"seconds": seconds, "mib": mib}


def apart(side: str, folder: Path, ratio: float) -> dict[str, float]:
    """One side in a fresh process."""
    command = [sys.executable, "-W", "ignore", __file__, "--side", side, str(folder), str(ratio)]
    out = subprocess.run(command, check=True, stdout=subprocess.PIPE, env={**os.environ, "TQDM_DISABLE": "1"})
    found: dict[str, float] = json.loads(out.stdout.decode().splitlines()[-1])
    return found


def coreset_against_anomalib() -> None:
    patches = patches_of(("features.10", "features.17"), 30, 512)
    assert patches.shape == (30_720, 384), patches.shape
    best: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory(prefix="sightline-") as temporary:
        folder = Path(temporary)
        np.save(folder / "patches.npy", patches)
        for _ in range(2):
            # Sightline's side asserts that its indices are anomalib's
            for side in ("anomalib", "sightline"):
                found = apart(side, folder, 0.02)
                kept = best.setdefault(side, found)
                best[side] = {name: min(kept[name], found[name]) for name in found}
    ours, theirs = best["sightline"], best["anomalib"]
    print("coreset, 30,720 x 384, ratio 0.02, anomalib's projection to 255 and first index: the same 614 indices")
    print(f"  Sightline {ours['seconds']:.2f} s, anomalib {theirs['seconds']:.2f} s")
    print(f"ratio {theirs['seconds'] / ours['seconds']:.1f} (at least {CORESET_AT_LEAST})")
    print(f"  Sightline {ours['mib']:.0f} MiB more at its peak, anomalib {theirs['mib']:.0f}")
    print(f"ratio {ours['mib'] / theirs['mib']:.2f} (at most {MEMORY_AT_MOST:.2f})")


def large_coreset() -> None:
    patches = patches_of(("features.6", "features.13"), 120, 256)
    assert patches.shape == (122_880, 128), patches.shape
    chosen, seconds, mib = measured(lambda: drive(choosing(patches, len(patches) // 10, seed=0)))
    assert len(np.unique(chosen)) == 12_288
    print(f"coreset, 122,880 x 128, ratio 0.1, Sightline alone: {seconds:.1f} s, {mib:.0f} MiB more at its peak")


# one picture, from array to verdict


def picture_against_anomalib(name: str, rows: int) -> None:
    import torch
    from anomalib.models.image.patchcore.torch_model import PatchcoreModel

    from engine.inspection.backbone import DEVIATION, LAYERS, MEAN, Backbone, patch_features
    from engine.inspection.knobs import FitKnobs
    from engine.inspection.model import FittedModel, ModelCard
    from engine.inspection.patchcore import PatchCore
    from engine.inspection.preparation import Preparation
    from engine.inspection.runtime import run_on
    from engine.inspection.types import Calibration

    module = network_of(name)
    backbone = Backbone(name, LAYERS[name], "", patch_features(module, name, LAYERS[name]))
    network = run_on(backbone.module, "cpu")
    # as many rows as a coreset of so many pictures has; which they are does not matter to the time
    patches = np.concatenate([found.reshape(-1, found.shape[-1]) for found in map(network, drawn(30, 256))])
    choice = np.random.default_rng(0).permutation(len(patches))[:rows]
    bank = np.ascontiguousarray(patches[choice])
    owners = np.stack([choice // 1024, choice // 32 % 32, choice % 32], 1).astype(np.int32)
    scorer = PatchCore(backbone, network, bank, owners, (32, 32))
    knobs = FitKnobs(backbone=name)
    card = ModelCard(
        "", "patchcore", name, LAYERS[name], knobs, Calibration(3, 1, 3, 1), 0.5, "", "", 30, rows, "", 0, 0, {}
    )
    model = FittedModel(card, scorer, Preparation(knobs), sources=[""] * 30, shapes=[(256, 256)] * 30)
    theirs = PatchcoreModel(LAYERS[name], module, pre_trained=False).eval()
    theirs.memory_bank = torch.from_numpy(bank)
    mean, deviation = (torch.tensor(value).view(1, 3, 1, 1) for value in (MEAN, DEVIATION))

    def anomalib(image):
        with torch.inference_mode():
            batch = torch.from_numpy(np.ascontiguousarray(image[:, :, ::-1])).permute(2, 0, 1)[None].float() / 255
            out = theirs((batch - mean) / deviation)
        return float(out.pred_score), out.anomaly_map[0, 0].numpy()

    def sightline(image):
        verdict = model.examine(image)
        return verdict.raw, verdict.raw_map

    # none of which was learned from: where a patch lies in the bank both sides give rounding instead of 0
    images = [defective("tile", "crack", 1000 + seed, (256, 256))[0] for seed in range(4)]
    off = 0.0
    for image in images:
        (raw, found), (want, wanted) = sightline(image), anomalib(image)
        off = max(off, abs(raw - want) / want, float(np.abs(found - wanted).max() / wanted.max()))
    assert off < 1e-4, off
    spent: dict[str, list[float]] = {"sightline": [], "anomalib": []}
    for turn in range(40):
        for side, call in (("sightline", sightline), ("anomalib", anomalib)):
            begun = time.perf_counter()
            call(images[turn % len(images)])
            spent[side].append(1e3 * (time.perf_counter() - begun))
    best = {side: min(values) for side, values in spent.items()}
    usual = {side: float(np.median(values)) for side, values in spent.items()}
    print(f"one picture of 256 px, {name}, {rows:,} rows, float32: scores and maps {off:.0e} apart")
    print(f"  Sightline {best['sightline']:.1f} ms (median {usual['sightline']:.1f}), ", end="")
    print(f"anomalib {best['anomalib']:.1f} ms (median {usual['anomalib']:.1f})")
    print(f"ratio {best['anomalib'] / best['sightline']:.1f} (at least {PICTURE_AT_LEAST}), ", end="")
    print(f"of the medians {usual['anomalib'] / usual['sightline']:.1f}")


def network_of(name: str):
    """MobileNetV2 as shipped; of others random numbers with the statistics of what they see: the time is the same."""
    import torch
    import torchvision

    from engine.weights.networks import pretrained_network

    if name == "mobilenet_v2":
        return pretrained_network(name)[0]
    torch.manual_seed(0)
    module = torchvision.models.get_model(name, weights=None).train()
    for layer in module.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = 1.0
    with torch.no_grad():
        module(torch.from_numpy(np.concatenate(list(drawn(6, 256)))))
    return module.eval()


if __name__ == "__main__":
    if "--side" in sys.argv:
        which, where, share = sys.argv[2:]
        sides = {"anomalib": side_of_anomalib, "sightline": side_of_sightline}
        print(json.dumps(sides[which](Path(where), float(share))))
        sys.exit()
    wanted = sys.argv[1:] or ["coreset", "large", "picture"]
    print("CPU:", runtime.cores(), "cores,", ", ".join(runtime.cpu_features()))
    print("load", " ".join(f"{value:.1f}" for value in os.getloadavg()))
    if "coreset" in wanted:
        coreset_against_anomalib()
    if "large" in wanted:
        large_coreset()
    if "picture" in wanted:
        for network, size in (("mobilenet_v2", 614), ("mobilenet_v2", 12_288), ("resnet18", 614)):
            picture_against_anomalib(network, size)
    print("load", " ".join(f"{value:.1f}" for value in os.getloadavg()))
