"""AUPRO on 100 maps of 256x256 against anomalib's, pixel AUROC against scikit-learn's, both sides in turn.

uv run python tests/bench_metrics.py
"""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from engine import runtime

runtime.prepare()

import cv2
import numpy as np

from engine.inspection.metrics import PixelScores, aupro, pixel_auroc

AT_LEAST = 20


def drawn(count=100, side=256):
    """Smooth maps (count, side, side) float32 and masks uint8; 30 good pictures, then 1 to 3 ellipses in each."""
    rng = np.random.default_rng(0)
    maps, masks = np.empty((count, side, side), np.float32), np.zeros((count, side, side), np.uint8)
    for index in range(count):
        noise = cv2.GaussianBlur(rng.normal(0, 1, (side, side)).astype(np.float32), (0, 0), 4)
        for _ in range(rng.integers(1, 4) if index >= 30 else 0):
            middle, axes = rng.integers(20, side - 20, 2).tolist(), rng.integers(4, 24, 2).tolist()
            cv2.ellipse(masks[index], middle, axes, float(rng.integers(0, 180)), 0, 360, 1, -1)
        maps[index] = noise / noise.std() + 1.5 * cv2.GaussianBlur(masks[index].astype(np.float32), (0, 0), 3)
    return maps, masks


def in_turn(rounds, **sides):
    """What each side returns, and the best of its times in ms."""
    best, returned = dict.fromkeys(sides, 1e9), {}
    for _ in range(rounds):
        for name, call in sides.items():
            begun = time.perf_counter()
            returned[name] = call()
            best[name] = min(best[name], 1e3 * (time.perf_counter() - begun))
    return returned, best


def aupro_against_anomalib(maps, masks) -> None:
    import torch
    from anomalib.metrics.aupro import _AUPRO

    def theirs() -> float:
        metric = _AUPRO()
        metric.update(torch.from_numpy(maps), torch.from_numpy(masks))
        return float(metric.compute())

    values, ms = in_turn(5, sightline=lambda: aupro(maps, masks), anomalib=theirs)
    assert abs(values["sightline"] - values["anomalib"]) < 1e-5, values
    ratio = ms["anomalib"] / ms["sightline"]
    print(f"AUPRO, 100 maps of 256x256: {values['sightline']:.6f}, anomalib {values['anomalib']:.6f}")
    print(f"  Sightline {ms['sightline']:.0f} ms, anomalib {ms['anomalib']:.0f} ms")
    print(f"ratio {ratio:.0f} (at least {AT_LEAST})")


def auroc_against_sklearn(maps, masks) -> None:
    from sklearn.metrics import roc_auc_score

    values, ms = in_turn(
        3,
        sightline=lambda: pixel_auroc(maps, masks),
        sklearn=lambda: float(roc_auc_score(masks.ravel(), maps.ravel())),
    )
    assert abs(values["sightline"] - values["sklearn"]) < 1e-9, values
    print(f"pixel AUROC, the same maps: {values['sightline']:.6f}")
    print(f"  Sightline {ms['sightline']:.0f} ms, scikit-learn {ms['sklearn']:.0f} ms")
    print(f"ratio {ms['sklearn'] / ms['sightline']:.0f}")


def one_after_the_other(maps, masks) -> None:
    """Kept as they are, and counted in bins as beyond 67 million pixels."""

    def both(scores: PixelScores) -> tuple[float | None, float | None]:
        for values, mask in zip(maps, masks, strict=True):
            scores.add(values, mask)
        return scores.auroc(), scores.aupro()

    values, ms = in_turn(3, kept=lambda: both(PixelScores()), bins=lambda: both(PixelScores(exact=0)))
    apart = np.abs(np.subtract(values["kept"], values["bins"])).max()
    assert apart < 1e-5, values
    print(f"both, one map after the other: kept {ms['kept']:.0f} ms, in bins {ms['bins']:.0f} ms, {apart:.1e} apart")


if __name__ == "__main__":
    print("CPU:", runtime.cores(), "cores,", ", ".join(runtime.cpu_features()))
    pair = drawn()
    aupro_against_anomalib(*pair)
    auroc_against_sklearn(*pair)
    one_after_the_other(*pair)
