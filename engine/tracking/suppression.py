"""Non-maximum suppression: of several boxes around one thing, only the surest is kept."""

from typing import Any

import cv2
import numpy as np

from engine.tracking.types import Floats, Ints

MOST = 300
"""More detections than this are never kept from one frame (as Ultralytics)."""
_AT_FIRST = 1000


def suppress(boxes: Floats, confidences: Floats, classes: Ints, iou: float, most: int = MOST) -> Ints:
    """Rows of the boxes that are kept, surest first: greedy, class by class.

    A box is left out where it overlaps a surer box of its class by more than `iou`. Gives the rows that
    `torchvision.ops.nms` gives on boxes moved apart by class, without torch and its threads.

    Args:
        boxes: (n, 4) float32, left, top, right, bottom.
        confidences: (n,) float32.
        classes: (n,) int64.
        iou: intersection over union, 0..1.
        most: how many are kept at most.
    """
    if len(boxes) < 2:
        return np.arange(len(boxes))
    order = np.argsort(-confidences, kind="stable")
    # a surer box never depends on a less sure one: most frames end long before the last of many
    count = _AT_FIRST
    while True:
        rows = order[:count]
        kept = rows[_greedy(boxes[rows], confidences[rows], classes[rows], iou)]
        if len(kept) >= most or count >= len(order):
            return kept[:most]
        count *= 4


def _greedy(boxes: Floats, confidences: Floats, classes: Ints, iou: float) -> Ints:
    sides = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1).astype(np.float64)
    opencv: Any = cv2.dnn
    kept = opencv.NMSBoxesBatched(sides, confidences, classes.astype(np.int32), -1.0, iou)
    return np.sort(np.asarray(kept, np.int64).reshape(-1))
