"""Which pixels a detector finds a box by: D-RISE over any detector, Eigen-CAM on the neck of one in torch."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import SightlineError
from engine.job import Job, Progress
from engine.saliency.types import Explanation, Image, Map, Target
from engine.weights.preprocessing import Preprocessing

MASKS = 600
"""More make a smoother map; the paper takes 5,000."""
CELLS = 16
KEPT = 0.5
_SIDE = 160
_BATCH = 4
_GREY = 114
"""What is not seen has the colour with which detectors fill the rest of their square."""
_SHOWN_S = 0.2
WHOLE = Preprocessing(_SIDE, _SIDE, "stretch")
"""Maps of detections cover the whole picture, pulled to a square."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a detector found in one picture.

    Attributes:
        boxes: (n, 4) float32, left, top, right, bottom in pixels.
        confidences: (n,) float32, 0..1.
        classes: (n,) int64.
    """

    boxes: NDArray[np.float32]
    confidences: NDArray[np.float32]
    classes: NDArray[np.int64]


Detect = Callable[[Sequence[Image]], Sequence[Found]]
"""Pictures, (H, W, 3) uint8 BGR, to what is found in each, sure or not: the less is left out, the smoother the map."""


def d_rise(
    image: Image,
    box: Sequence[float],
    index: int,
    detect: Detect,
    *,
    masks: int = MASKS,
    seed: int = 0,
) -> Job[Explanation]:
    """Show the detector the picture through random masks (Petsiuk et al. 2021, https://arxiv.org/abs/2006.03204).

    A mask counts as much as the detection that is most like the one in question: overlap of the boxes times its
    confidence, if it is of the same class (detectors after suppression tell one class a box, so the paper's cosine of
    class scores is 1 or 0). A pixel's value is the mean over the masks that show it, less the mean over all.

    Yields Progress, and an Explanation (not `done`) several times a second.

    Args:
        image: (H, W, 3) uint8, BGR.
        box: left, top, right, bottom in pixels.
        index: the class of the detection.
        detect: the detector.
        masks: how many.
        seed: of the masks.

    Returns:
        An Explanation of method "d_rise" whose map covers the whole picture.

    Raises:
        SightlineError: the detector does not find the box in the picture itself, or through no mask.
    """
    import cv2

    begun = time.perf_counter()
    wanted = np.asarray(box, np.float32)
    sure = similarity(detect([image])[0], wanted, index)
    if sure <= 0:
        raise SightlineError("The detector does not find this box in the picture itself: choose another detection.")
    height, width = image.shape[:2]
    rng = np.random.default_rng(seed)
    total, seen, score = np.zeros((_SIDE, _SIDE)), np.zeros((_SIDE, _SIDE)), 0.0
    shown = time.perf_counter()
    done = 0

    def answer(finished: bool) -> Explanation:
        values = (total / np.maximum(seen, 1e-9) - score / max(1, done)).astype(np.float32)
        return Explanation(
            "d_rise",
            Target(index),
            values,
            (height, width),
            WHOLE,
            float(sure),
            steps=done,
            ms=1e3 * (time.perf_counter() - begun),
            done=finished,
        )

    while done < masks:
        small = [random_mask(rng) for _ in range(min(_BATCH, masks - done))]
        covered = []
        for mask in small:
            large = cv2.resize(mask, (width, height), interpolation=cv2.INTER_LINEAR)[..., None]
            covered.append((_GREY + (image.astype(np.float32) - _GREY) * large).astype(np.uint8))
        for mask, found in zip(small, detect(covered), strict=True):
            value = similarity(found, wanted, index)
            total += value * mask
            seen += mask
            score += value
            done += 1
        left = (time.perf_counter() - begun) / done * (masks - done)
        yield Progress("Looking through masks", done, masks, "masks", left)
        if time.perf_counter() - shown > _SHOWN_S and done < masks:
            shown = time.perf_counter()
            yield answer(False)
    if score <= 0:
        raise SightlineError("Through no mask the detector finds this box: it depends on the picture as a whole.")
    return answer(True)


def similarity(found: Found, box: NDArray[np.float32], index: int) -> float:
    """How sure the detector is of the detection that is most like this one, 0..1."""
    same = found.classes == index
    if not same.any():
        return 0.0
    boxes = found.boxes[same]
    low, high = np.maximum(boxes[:, :2], box[:2]), np.minimum(boxes[:, 2:], box[2:])
    shared = (high - low).clip(min=0).prod(1)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(1) + (box[2:] - box[:2]).prod() - shared
    return float((shared / np.maximum(areas, 1e-9) * found.confidences[same]).max())


def random_mask(rng: np.random.Generator) -> Map:
    """A coarse random grid, enlarged smoothly and shifted: (side, side) float32, 0 (covered) to 1 (seen)."""
    import cv2

    cell = _SIDE // CELLS
    coarse = (rng.random((CELLS + 1, CELLS + 1)) < KEPT).astype(np.float32)
    large = cv2.resize(coarse, ((CELLS + 1) * cell,) * 2, interpolation=cv2.INTER_LINEAR)
    top, left = rng.integers(0, cell, 2)
    return np.asarray(large[top : top + _SIDE, left : left + _SIDE], np.float32)


def neck_cam(module: Any, image: Image, box: Sequence[float], index: int, *, size: int = 640) -> Job[Explanation]:
    """Eigen-CAM (https://arxiv.org/abs/2008.00299) of what a YOLO's last layer takes in, at the scale of the box.

    It knows neither box nor class: it shows what that scale of the neck sees most of.

    Args:
        module: a detector of Ultralytics in torch, (1, 3, H, W) float32 in 0..1, RGB.
        image: (H, W, 3) uint8, BGR.
        box: left, top, right, bottom in pixels.
        index: the class of the detection.
        size: what the longer side becomes.

    Raises:
        SightlineError: the module's last layer takes in no maps.
    """
    import cv2
    import torch

    from engine.saliency.cams import first_component

    begun = time.perf_counter()
    yield Progress("Eigen-CAM on the neck")
    taken: list[Any] = []
    head = list(module.model)[-1]
    handle = head.register_forward_pre_hook(lambda _head, given: taken.append(given[0]))
    height, width = image.shape[:2]
    scale = size / max(height, width)
    # a multiple of the largest stride on each side
    wide, high = (max(32, round(side * scale / 32) * 32) for side in (width, height))
    rows = cv2.resize(image, (wide, high), interpolation=cv2.INTER_AREA)[..., ::-1]
    x = torch.from_numpy(np.ascontiguousarray(rows).transpose(2, 0, 1)[None].astype(np.float32) / 255)
    try:
        with torch.inference_mode():
            module(x.to(next(module.parameters()).device))
    finally:
        handle.remove()
    maps = [one for one in (taken[0] if taken else ()) if getattr(one, "ndim", 0) == 4]
    if not maps:
        raise SightlineError("This detector's last layer takes in no maps: Eigen-CAM cannot be had of it.")
    left, top, right, bottom = box
    # the scale whose cells go eight or so times into the box
    cells = max(right - left, bottom - top) * scale / 8
    chosen = min(maps, key=lambda one: abs(np.log(wide / one.shape[3] / max(1.0, cells))))
    values = first_component(chosen.float().cpu())[0].numpy()
    large = cv2.resize(values, (_SIDE, _SIDE), interpolation=cv2.INTER_LINEAR)
    return Explanation(
        "neck_cam", Target(index), np.asarray(large, np.float32), (height, width), WHOLE, 0.0,
        layer=f"neck, {chosen.shape[2]} × {chosen.shape[3]}", ms=1e3 * (time.perf_counter() - begun),
    )  # fmt: skip
