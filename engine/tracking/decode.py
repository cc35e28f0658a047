"""The numbers that a YOLO network gives out, read as detections in pixels of the full picture. Numpy and cv2 only."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.tracking.late_boxes import LateBoxes
from engine.tracking.letterbox import Letterbox
from engine.tracking.suppression import MOST, suppress
from engine.tracking.types import Detections, Floats, Ints


@dataclass(frozen=True, slots=True)
class Head:
    """How the output of a network is laid out.

    Attributes:
        classes: how many classes there are.
        extra: numbers after the class scores: mask coefficients, or keypoints.
        end_to_end: rows are final (box, confidence, class, extra) and need no suppression, as in YOLO26.
        keypoints: (how many, numbers of each), or None.
        masks: whether the extra numbers are mask coefficients.
        late: what works boxes out, where the network gives scores and features alone.
    """

    classes: int
    extra: int = 0
    end_to_end: bool = False
    keypoints: tuple[int, int] | None = None
    masks: bool = False
    late: LateBoxes | None = None


def decode(
    outputs: Sequence[Floats],
    head: Head,
    box: Letterbox,
    confidence: float,
    iou: float,
    wanted: Ints | None = None,
) -> Detections:
    """Detections of one picture.

    Args:
        outputs: what the network gave: (1, 4 + classes + extra, n) with centre and size, or (1, n, 6 + extra) with
            corners where it is end to end; and for masks (1, extra, h, w), the prototypes. With late boxes: (1, n)
            the best score of each place, (1, classes, n) all scores, and of each level (1, h, w, channels) features.
        head: how that is laid out.
        box: how the picture lies in the network's input.
        confidence, iou: thresholds, 0..1.
        wanted: class indices to keep; None for all.

    Raises:
        ValueError: the outputs are not laid out as `head` says.
    """
    if head.late is not None:
        rows, scores, kinds, extra = _late(outputs, head.late, confidence, wanted)
    else:
        rows, scores, kinds, extra = (_final if head.end_to_end else _raw)(outputs[0][0], head, confidence, wanted)
    if not head.end_to_end:
        keep = suppress(rows, scores, kinds, iou)
        rows, scores, kinds, extra = rows[keep], scores[keep], kinds[keep], extra[keep]
    corners = box.points_out(rows.reshape(-1, 2, 2)).reshape(-1, 4)
    # a box that lies in the padding alone has no area in the picture
    real = (corners[:, 2] > corners[:, 0]) & (corners[:, 3] > corners[:, 1])
    masks: list[Floats] | None = None
    if head.masks:
        outlines = [
            outline(coefficients, outputs[1][0], row, box) if ok else None
            for coefficients, row, ok in zip(extra, rows, real, strict=True)
        ]
        real &= np.array([shape is not None for shape in outlines], bool)
        masks = [shape for shape, ok in zip(outlines, real, strict=True) if ok and shape is not None]
    keypoints = _keypoints(extra[real], head.keypoints, box) if head.keypoints else None
    return Detections(corners[real], scores[real], kinds[real], masks, keypoints)


def _raw(
    output: Floats, head: Head, confidence: float, wanted: Ints | None
) -> tuple[Floats, Floats, Ints, NDArray[Any]]:
    if output.shape[0] != 4 + head.classes + head.extra:
        raise ValueError(f"{output.shape[0]} numbers a box, expected {4 + head.classes + head.extra}")
    best = output[4 : 4 + head.classes].max(axis=0)
    column = np.flatnonzero(best > confidence)
    # few are left: the rest is done on copies of these columns alone
    few = output[:, column].T
    kinds = few[:, 4 : 4 + head.classes].argmax(axis=1)
    if wanted is not None:
        chosen = np.isin(kinds, wanted)
        few, kinds, column = few[chosen], kinds[chosen], column[chosen]
    half = few[:, 2:4] / 2
    corners = np.concatenate([few[:, :2] - half, few[:, :2] + half], axis=1)
    return corners, best[column], kinds.astype(np.int64, copy=False), few[:, 4 + head.classes :]


def _late(
    outputs: Sequence[Floats], late: LateBoxes, confidence: float, wanted: Ints | None
) -> tuple[Floats, Floats, Ints, NDArray[Any]]:
    best = outputs[0][0]
    column = np.flatnonzero(best > confidence)
    kinds = outputs[1][0][:, column].argmax(axis=0)
    if wanted is not None:
        chosen = np.isin(kinds, wanted)
        kinds, column = kinds[chosen], column[chosen]
    corners = late.boxes([feature[0] for feature in outputs[2:]], column)
    return corners, best[column], kinds.astype(np.int64, copy=False), np.zeros((len(column), 0), np.float32)


def _final(
    output: Floats, head: Head, confidence: float, wanted: Ints | None
) -> tuple[Floats, Floats, Ints, NDArray[Any]]:
    if output.shape[1] != 6 + head.extra:
        raise ValueError(f"{output.shape[1]} numbers a box, expected {6 + head.extra}")
    few = output[output[:, 4] > confidence]
    if wanted is not None:
        few = few[np.isin(few[:, 5].astype(np.int64), wanted)]
    few = few[:MOST].copy()
    return few[:, :4], few[:, 4], few[:, 5].astype(np.int64), few[:, 6:]


def _keypoints(extra: NDArray[Any], layout: tuple[int, int], box: Letterbox) -> Floats:
    points = extra.reshape(len(extra), *layout)
    out = np.ones((len(extra), layout[0], 3), np.float32)
    out[..., :2] = box.points_out(points[..., :2])
    if layout[1] == 3:
        out[..., 2] = points[..., 2]
    return out


def outline(coefficients: Floats, prototypes: Floats, row: Floats, box: Letterbox) -> Floats | None:
    """The largest outline of one mask in pixels of the full picture, (points, 2) float32; None where the mask is empty.

    A mask is the sum of the prototypes, weighted (YOLACT, https://arxiv.org/abs/1904.02689), positive inside the box.

    Args:
        coefficients: (k,) float32.
        prototypes: (k, h, w) float32, a quarter of the input's size.
        row: (4,) float32, the box's corners in pixels of the input.
        box: how the picture lies in the network's input.
    """
    _, height, width = prototypes.shape
    step_x, step_y = box.outer[1] / width, box.outer[0] / height
    x0, y0 = np.clip(np.floor(row[:2]), 0, (box.outer[1], box.outer[0])).astype(int)
    x1, y1 = np.clip(np.ceil(row[2:]), 0, (box.outer[1], box.outer[0])).astype(int)
    # only the part of the prototypes under the box, and one more on each side for the interpolation
    left, top = max(int(x0 / step_x) - 1, 0), max(int(y0 / step_y) - 1, 0)
    right, bottom = min(int(x1 / step_x) + 2, width), min(int(y1 / step_y) + 2, height)
    if x1 <= x0 or y1 <= y0:
        return None
    part = np.tensordot(coefficients, prototypes[:, top:bottom, left:right], axes=1)
    size = (round((right - left) * step_x), round((bottom - top) * step_y))
    inside = (cv2.resize(part, size, interpolation=cv2.INTER_LINEAR) > 0).astype(np.uint8)
    from_x, from_y = round(left * step_x), round(top * step_y)
    # pixel centres inside the box, as Ultralytics crops
    grid_x, grid_y = np.arange(size[0]) + from_x, np.arange(size[1]) + from_y
    inside &= ((grid_y >= row[1]) & (grid_y < row[3]))[:, None] & ((grid_x >= row[0]) & (grid_x < row[2]))[None]
    shapes, _ = cv2.findContours(inside, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    if not shapes:
        return None
    largest = max(shapes, key=cv2.contourArea).reshape(-1, 2)
    return box.points_out(largest.astype(np.float32) + np.array([from_x, from_y], np.float32))
