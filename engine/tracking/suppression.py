"""Non-maximum suppression: of several boxes around one thing, only the surest is kept."""

from typing import Any

import cv2
import numpy as np

from engine.tracking.types import Floats, Ints

MOST = 300
"""More detections than this are never kept from one frame (as Ultralytics)."""
_MATRIX_UP_TO = 128


def suppress(boxes: Floats, confidences: Floats, classes: Ints, iou: float, most: int = MOST) -> Ints:
    """Rows of the boxes that are kept, surest first: greedy, class by class.

    A box is left out where it overlaps a surer box of its class by more than `iou`. Gives the rows that
    `torchvision.ops.nms` gives on boxes moved apart by class.

    Args:
        boxes: (n, 4) float32, left, top, right, bottom.
        confidences: (n,) float32.
        classes: (n,) int64.
        iou: intersection over union, 0..1.
        most: how many are kept at most.
    """
    if len(boxes) < 2:
        return np.arange(len(boxes))
    if len(boxes) > _MATRIX_UP_TO:
        return _with_opencv(boxes, confidences, classes, iou, most)
    order = np.argsort(-confidences, kind="stable")
    box, kind = boxes[order], classes[order]
    area = (box[:, 2] - box[:, 0]) * (box[:, 3] - box[:, 1])
    low = np.maximum(box[:, None, :2], box[None, :, :2])
    high = np.minimum(box[:, None, 2:], box[None, :, 2:])
    sides = np.maximum(high - low, 0)
    shared = sides[..., 0] * sides[..., 1]
    # shared / union > iou without a division: two empty boxes do not suppress each other
    beaten = shared > iou * (area[:, None] + area[None, :] - shared)
    beaten &= kind[:, None] == kind[None, :]
    alive = np.ones(len(box), bool)
    for row in np.flatnonzero(np.triu(beaten, 1).any(1)):
        if alive[row]:
            alive[row + 1 :] &= ~beaten[row, row + 1 :]
    return order[alive][:most]


def _with_opencv(boxes: Floats, confidences: Floats, classes: Ints, iou: float, most: int) -> Ints:
    sides = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1).astype(np.float64)
    opencv: Any = cv2.dnn
    kept = opencv.NMSBoxesBatched(sides, confidences, classes.astype(np.int32), 0.0, iou)
    rows = np.asarray(kept, np.int64).reshape(-1)
    return rows[np.argsort(-confidences[rows], kind="stable")][:most]
