"""Insertion and deletion of MobileNetV2's maps for each picture, against maps that know nothing.

SIGHTLINE_ASSETS=FOLDER uv run python tests/bench_trust.py                    Integrated Gradients and Grad-CAM
SIGHTLINE_ASSETS=FOLDER uv run python tests/bench_trust.py saliency rise      or others

All pictures are printed; the averages are over those of which the network itself is sure.
"""

import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from engine import runtime

runtime.prepare()

from engine.job import Notice, drive
from engine.saliency.knobs import ExplainKnobs
from engine.saliency.ranking import CHANCE, RankedPicture, Ranking, rank, table

KEYS = ("integrated_gradients", "grad_cam")
SURE = 0.5
KNOBS = ExplainKnobs(steps=50, double=False)


def main(words: list[str]) -> int:
    """Print both tables; 1 where a method does not beat chance on average."""
    from engine.saliency.networks import open_classifier

    assets = Path(os.environ["SIGHTLINE_ASSETS"])
    classifier = open_classifier("mobilenet_v2", assets / "models" / "mobilenet_v2_imagenet.pth", device="cpu")
    keys = tuple(words) or KEYS
    shown = (*keys, CHANCE)
    print(f"{'picture':<15} {'class':<24} {'prob.':>5}  " + "  ".join(f"{key[:20]:>20}" for key in shown))
    print(f"{'':<46}  " + "  ".join(f"{'insertion deletion':>20}" for _ in shown))

    def see(event) -> None:
        if isinstance(event, Notice):
            print(event.text)
        elif isinstance(event, RankedPicture):
            print(line(event, shown), flush=True)

    begun = time.perf_counter()
    paths = sorted(path for path in (assets / "images").iterdir() if path.is_file())
    found = drive(rank(classifier, paths, keys, KNOBS), see)
    sure = [picture for picture in found.pictures if picture.probability >= SURE]
    print(f"\n* fails: insertion not above chance, or deletion not below it. {time.perf_counter() - begun:.0f} s")
    if not sure:
        print(f"of no picture is the network {SURE:.0%} sure")
        return 1
    return report(table(sure), len(sure))


def line(picture: RankedPicture, keys: tuple[str, ...]) -> str:
    """A row of the first table."""
    chance = picture.areas[CHANCE]
    cells = []
    for key in keys:
        insertion, deletion = picture.areas.get(key, (float("nan"), float("nan")))
        marks = (
            " " if key == CHANCE or insertion > chance[0] else "*",
            " " if key == CHANCE or deletion < chance[1] else "*",
        )
        cells.append(f"{insertion:>9.3f}{marks[0]}{deletion:>9.3f}{marks[1]}")
    name = Path(picture.name).name
    return f"{name[:15]:<15} {picture.target_name[:24]:<24} {picture.probability:>5.2f}  " + "  ".join(cells)


def report(ranking: Ranking, count: int) -> int:
    """The second table: the averages, best first, and how they compare with chance."""
    chance = next(row for row in ranking.rows if row.method == CHANCE)
    print(f"\nover {count} pictures of which the network is at least {SURE:.0%} sure")
    print(
        f"{'method':<22} {'insertion':>9} {'/chance':>8} {'deletion':>9} {'/chance':>8} {'better':>7} {'mean rank':>10}"
    )
    failed = []
    for row in ranking.rows:
        ratios = row.insertion / chance.insertion, row.deletion / chance.deletion
        print(
            f"{row.method:<22} {row.insertion:>9.3f} {ratios[0]:>8.2f} {row.deletion:>9.3f} {ratios[1]:>8.2f} "
            f"{row.better:>7.0%} {row.mean_rank:>10.2f}"
        )
        if row is not chance and not (ratios[0] > 1 > ratios[1]):
            failed.append(row.method)
    print(f"does not beat chance: {', '.join(failed)}" if failed else "all beat chance in both")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
