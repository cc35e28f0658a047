"""Suppression keeps what torchvision keeps, and a letterbox lies where Ultralytics lays it."""

import numpy as np
import pytest

from engine.tracking.letterbox import PADDING, Letterbox
from engine.tracking.suppression import suppress


def crowd(n: int, seed: int):
    """Boxes in clusters, three classes."""
    rng = np.random.default_rng(seed)
    centres = rng.uniform(0, 600, (max(n // 8, 1), 2))
    which = rng.integers(0, len(centres), n)
    corner = centres[which] + rng.normal(0, 6, (n, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(40, 90, (n, 2))], axis=1).astype(np.float32)
    return boxes, rng.random(n).astype(np.float32), (which % 3).astype(np.int64)


@pytest.mark.parametrize("n", [0, 1, 2, 30, 400, 3000])
@pytest.mark.parametrize("iou", [0.3, 0.7])
def test_keeps_what_torchvision_keeps(n, iou):
    import torch
    from torchvision.ops import batched_nms

    boxes, confidences, classes = crowd(n, seed=n)
    want = batched_nms(*(torch.from_numpy(a) for a in (boxes, confidences, classes)), iou).numpy()
    np.testing.assert_array_equal(suppress(boxes, confidences, classes, iou, most=300), want[:300])


def test_boxes_of_two_classes_do_not_suppress_each_other():
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 10], [0, 0, 10, 10]], np.float32)
    confidences = np.array([0.5, 0.9, 0.7], np.float32)
    assert suppress(boxes, confidences, np.array([0, 1, 0]), 0.5).tolist() == [1, 2]


@pytest.mark.parametrize(
    ("picture", "size", "outer"),
    [
        ((720, 1280), 640, (384, 640)),
        ((480, 640), 640, (480, 640)),
        ((1280, 720), 640, (640, 384)),
        ((333, 501), 416, (288, 416)),
        ((1, 1), 320, (320, 320)),
        ((1, 3000), 640, (32, 640)),
        ((100, 90), 100, (128, 128)),
    ],
)
def test_a_picture_lies_where_ultralytics_lays_it(picture, size, outer):
    from ultralytics.data.augment import LetterBox
    from ultralytics.utils.checks import check_imgsz

    image = np.random.default_rng(0).integers(0, 256, (*picture, 3), dtype=np.uint8)
    box = Letterbox.fit(picture, size)
    assert box.outer == outer
    out = np.full((*outer, 3), PADDING, np.uint8)
    box.paste(image, out)
    side = check_imgsz(size, stride=32)
    np.testing.assert_array_equal(out, LetterBox((side, side), auto=True, stride=32)(image=image))


def test_points_come_back_out_of_the_letterbox():
    box = Letterbox.fit((720, 1280), 640)
    inside = np.array([[0, 12], [640, 372], [320, 192], [-5, 400]], np.float32)
    np.testing.assert_allclose(box.points_out(inside), [[0, 0], [1280, 720], [640, 360], [0, 720]])


def test_a_network_of_fixed_size_gets_exactly_that():
    box = Letterbox.fit((720, 1280), 1280, fixed=(640, 640))
    assert (box.outer, box.inner, box.top, box.left) == ((640, 640), (360, 640), 140, 0)
