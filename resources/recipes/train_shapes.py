"""Trains the small detector that is shipped as resources/shapes.pt: `uv run resources/recipes/train_shapes.py`.

It draws its own pictures (engine/samples/pictures.py), trains a narrow YOLOv8 on them without any network, prints the
mean average precision on pictures it never saw, and replaces resources/shapes.pt when the new one is whole.

The shipped file was trained twice for half an hour on two busy cores: from nothing on pictures of 320 pixels with
figures of every size, then with `--start` on 2,000 fresh ones (`--seed 100`) as they are drawn now.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

# two thread pools that spin while they wait cost more than the arithmetic; this is read when torch is imported
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import cv2

from engine import runtime
from engine.samples.pictures import training_pictures
from engine.samples.sprites import KINDS

SIZE = 256

# YOLOv8 with half of its n scale's width, and 8 instead of 16 steps for a side of a box: 0.9 million weights
NETWORK: dict[str, Any] = {
    "nc": len(KINDS),
    "reg_max": 8,
    "scale": "n",
    "scales": {"n": [0.33, 0.125, 1024]},
    "backbone": [
        [-1, 1, "Conv", [64, 3, 2]],
        [-1, 1, "Conv", [128, 3, 2]],
        [-1, 3, "C2f", [128, True]],
        [-1, 1, "Conv", [256, 3, 2]],
        [-1, 6, "C2f", [256, True]],
        [-1, 1, "Conv", [512, 3, 2]],
        [-1, 6, "C2f", [512, True]],
        [-1, 1, "Conv", [1024, 3, 2]],
        [-1, 3, "C2f", [1024, True]],
        [-1, 1, "SPPF", [1024, 5]],
    ],
    "head": [
        [-1, 1, "nn.Upsample", [None, 2, "nearest"]],
        [[-1, 6], 1, "Concat", [1]],
        [-1, 3, "C2f", [512]],
        [-1, 1, "nn.Upsample", [None, 2, "nearest"]],
        [[-1, 4], 1, "Concat", [1]],
        [-1, 3, "C2f", [256]],
        [-1, 1, "Conv", [256, 3, 2]],
        [[-1, 12], 1, "Concat", [1]],
        [-1, 3, "C2f", [512]],
        [-1, 1, "Conv", [512, 3, 2]],
        [[-1, 9], 1, "Concat", [1]],
        [-1, 3, "C2f", [1024]],
        [[15, 18, 21], 1, "Detect", ["nc"]],
    ],
}


def draw_part(folder: Path, part: str, n: int, seed: int, size: int) -> None:
    """Write one part of the data set in the layout that Ultralytics reads."""
    images, labels = folder / "images" / part, folder / "labels" / part
    images.mkdir(parents=True)
    labels.mkdir(parents=True)
    for number, picture in enumerate(training_pictures(n, seed, size)):
        cv2.imwrite(str(images / f"{number:05}.jpg"), picture.image, [cv2.IMWRITE_JPEG_QUALITY, 95])
        rows = []
        for (left, top, right, bottom), kind in zip(picture.boxes / size, picture.classes, strict=True):
            middle = f"{(left + right) / 2:.6f} {(top + bottom) / 2:.6f}"
            rows.append(f"{kind} {middle} {right - left:.6f} {bottom - top:.6f}\n")
        (labels / f"{number:05}.txt").write_text("".join(rows))


def write_weights(trained: Path, target: Path) -> None:
    """Keep only what is needed to load the network: half precision, no optimizer, no path of this machine."""
    import torch
    import ultralytics

    kept = torch.load(trained, map_location="cpu", weights_only=False)  # written by this very run
    model = (kept.get("ema") or kept["model"]).half().eval()
    for parameter in model.parameters():
        parameter.requires_grad = False
    model.yaml.pop("yaml_file", None)
    model.args = {"task": "detect", "imgsz": SIZE}
    for name in ("pt_path", "criterion", "optimizer"):
        if hasattr(model, name):
            delattr(model, name)
    whole = {
        "epoch": -1, "best_fitness": None, "model": model, "ema": None, "optimizer": None,
        "train_args": dict(model.args), "version": ultralytics.__version__, "license": "AGPL-3.0",
    }  # fmt: skip
    part = target.with_suffix(".part")
    torch.save(whole, part)
    part.replace(target)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=2400)
    parser.add_argument("--hours", type=float, default=0.5, help="how long to train; the learning rate follows")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--start", type=Path, help="weights to go on from, e.g. resources/shapes.pt")
    parser.add_argument("--data", type=Path, help="keep the drawn pictures here, and use what is there already")
    parser.add_argument("--out", type=Path, default=runtime.resources_folder() / "shapes.pt")
    chosen = parser.parse_args()

    runtime.prepare()
    os.environ.update(YOLO_VERBOSE="true", ULTRALYTICS_SAFE_LOAD="0")  # reads nothing but what it wrote itself
    with tempfile.TemporaryDirectory(prefix="shapes-") as name:
        folder = (chosen.data or Path(name)).resolve()
        if not (folder / "images").exists():
            print(f"Drawing {chosen.pictures} pictures", flush=True)
            draw_part(folder, "train", chosen.pictures, chosen.seed + 1, SIZE)
            draw_part(folder, "val", 300, chosen.seed + 2, SIZE)
        names = "".join(f"  {i}: {kind}\n" for i, kind in enumerate(KINDS))
        (folder / "shapes.yaml").write_text(f"path: {folder}\ntrain: images/train\nval: images/val\nnames:\n{names}")

        import torch
        import yaml
        from ultralytics import YOLO

        torch.set_num_threads(chosen.threads)
        (folder / "yolov8n-shapes.yaml").write_text(yaml.safe_dump(NETWORK))
        network = YOLO(str(chosen.start or folder / "yolov8n-shapes.yaml"), task="detect")
        network.train(
            data=str(folder / "shapes.yaml"), imgsz=SIZE, batch=16, time=chosen.hours, epochs=100, device="cpu",
            workers=0, seed=chosen.seed, optimizer="AdamW", lr0=0.002 if chosen.start else 0.003, lrf=0.02,
            cos_lr=True, warmup_epochs=1.0,
            mosaic=0.0, scale=0.4, translate=0.1, fliplr=0.5, hsv_h=0.01, hsv_s=0.3, hsv_v=0.25, erasing=0.0,
            amp=False, val=False, plots=False, project=name, name="run", pretrained=chosen.start is not None,
        )  # fmt: skip
        write_weights(Path(name) / "run" / "weights" / "last.pt", chosen.out)
        scores = YOLO(str(chosen.out)).val(data=str(folder / "shapes.yaml"), imgsz=SIZE, device="cpu", workers=0,
                                           plots=False, project=name, name="val")  # fmt: skip
        print(f"mAP50 {scores.box.map50:.3f}, mAP50-95 {scores.box.map:.3f}, {chosen.out.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
