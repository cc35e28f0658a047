"""How often the five nearest defects are of the same kind, by the anomaly vector and by the whole picture.

uv run python tests/bench_neighbours.py [CATEGORY ...]
        folders laid out as MVTec AD; where none is given, `magnetic_tile` in SIGHTLINE_ASSETS and the drawn textures
"""

import os
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from engine import runtime

runtime.prepare()

import numpy as np

from engine.inspection.dataset import read_category
from engine.inspection.fit import fit
from engine.inspection.gallery import DEFECT, WHOLE
from engine.inspection.knobs import FitKnobs
from engine.job import drive
from engine.samples.textures import TEXTURES, write_mvtec

TOP = 5
LEAST = 0.6
"""The share of places that must be of the same kind on `magnetic_tile`."""
TITLES = {DEFECT: "what is abnormal", WHOLE: "the whole picture"}


def knobs(assets: Path | None) -> FitKnobs:
    """The usual ones, with MobileNetV2's weights for ImageNet where they are at hand."""
    weights = assets / "models" / "mobilenet_v2_imagenet.pth" if assets else None
    return FitKnobs(weights=str(weights) if weights and weights.is_file() else "")


def same_kind(vectors, kinds) -> float:
    """The share of the five nearest of each, itself left out, that are of its kind."""
    together = np.stack(vectors)
    cosines = together @ together.T
    np.fill_diagonal(cosines, -np.inf)
    nearest = np.argsort(-cosines, 1, kind="stable")[:, :TOP]
    named = np.array(kinds)
    return float((named[nearest] == named[:, None]).mean())


def measured(folder: Path, chosen: FitKnobs) -> dict[str, float]:
    """The shares of one category's defects, printed."""
    category = read_category(folder)
    begun = time.perf_counter()
    model = drive(fit(category, chosen, device="cpu"))
    fitted = time.perf_counter() - begun
    kinds: list[str] = []
    vectors: dict[str, list] = {WHOLE: [], DEFECT: []}
    took: list[float] = []
    for item in category.test:
        if item.abnormal:
            image = model.read(item.path)
            verdict = model.examine(image, str(item.path))
            begun = time.perf_counter()
            for name, vector in zip((WHOLE, DEFECT), model.vectors(image, verdict), strict=True):
                vectors[name].append(vector)
            took.append(time.perf_counter() - begun)
            kinds.append(item.kind)
    model.close()
    names = sorted(set(kinds))
    chance = sum(kinds.count(k) * (kinds.count(k) - 1) for k in names) / len(kinds) / (len(kinds) - 1)
    print(
        f"{category.name}: {len(kinds)} defects of {len(names)} kinds ({', '.join(names)}), fitted in {fitted:.0f} s, "
        f"both vectors in {1e3 * float(np.median(took)):.1f} ms"
    )
    shares = {name: same_kind(vectors[name], kinds) for name in (DEFECT, WHOLE)}
    for name, share in shares.items():
        by = f"by {TITLES[name]:18}"
        print(f"  same kind among the {TOP} nearest {by} {100 * share:5.1f} %  (chance {100 * chance:.1f} %)")
    return shares


def main() -> int:
    """Print the shares; 1 where a figure is missed."""
    given = os.environ.get("SIGHTLINE_ASSETS")
    assets = Path(given) if given else None
    chosen = knobs(assets)
    if sys.argv[1:]:
        for folder in sys.argv[1:]:
            measured(Path(folder), chosen)
        return 0
    with tempfile.TemporaryDirectory() as drawn:
        for name in TEXTURES:
            measured(write_mvtec(Path(drawn), name, train=30, good=1, each=12, seed=3), chosen)
    real = assets / "anomaly" / "magnetic_tile" if assets else None
    if real is None or not real.is_dir():
        print("magnetic_tile was not measured: set SIGHTLINE_ASSETS to the folder of real clips and weights.")
        return 0
    shares = measured(real, chosen)
    held = shares[DEFECT] >= LEAST and shares[DEFECT] >= shares[WHOLE]
    verdict = "holds" if held else "is missed"
    print(f"At least {LEAST:.0%} by what is abnormal, and not less than by the whole picture: {verdict}")
    return 0 if held else 1


if __name__ == "__main__":
    raise SystemExit(main())
