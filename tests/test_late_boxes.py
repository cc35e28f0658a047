"""Boxes worked out late are the boxes of the whole head."""

import numpy as np
import pytest

from engine.tracking.late_boxes import LateBoxes

SIZES = ((12, 16), (6, 8), (3, 4))
CHANNELS = (16, 32, 64)


def head_of(classes: int = 3, bins: int = 16, end_to_end: bool = False):
    """An untrained YOLO head, fused as for inference."""
    import torch
    from ultralytics.nn.modules import Conv, Detect
    from ultralytics.utils.torch_utils import fuse_conv_and_bn

    torch.manual_seed(0)
    head = Detect(classes, bins, end_to_end, CHANNELS)
    head.stride = torch.tensor([8.0, 16.0, 32.0])
    head.export, head.format, head.end2end = True, "openvino", end_to_end
    for layer in head.modules():
        if isinstance(layer, Conv):
            layer.conv = fuse_conv_and_bn(layer.conv, layer.bn)
            del layer.bn
            layer.forward = layer.forward_fuse
    return head.eval()


@pytest.mark.parametrize("bins", [16, 1])
@pytest.mark.parametrize("share", [1.0, 0.2, 0.0])
def test_the_boxes_are_those_of_the_whole_head(bins, share):
    import torch

    head = head_of(bins=bins)
    features = [torch.randn(1, c, *size) for c, size in zip(CHANNELS, SIZES, strict=True)]
    with torch.inference_mode():
        centre_and_size = head(features)[0, :4].numpy().T
    half = centre_and_size[:, 2:] / 2
    want = np.concatenate([centre_and_size[:, :2] - half, centre_and_size[:, :2] + half], axis=1)
    # corners and edges are among them where all places are asked for
    places = np.flatnonzero(np.random.default_rng(1).random(len(want)) < share)
    late = LateBoxes.of_head(head)
    have = late.boxes([f[0].permute(1, 2, 0).numpy() for f in features], places)
    np.testing.assert_allclose(have, want[places], atol=2e-3)


def test_it_is_kept_as_arrays():
    late = LateBoxes.of_head(head_of())
    again = LateBoxes.from_arrays(late.arrays())
    assert again.bins == 16
    assert [level.stride for level in again.levels] == [8, 16, 32]
    for one, two in zip(late.levels, again.levels, strict=True):
        for a, b in zip(one.weights + one.biases, two.weights + two.biases, strict=True):
            np.testing.assert_array_equal(a, b)


def test_a_head_that_is_built_otherwise_has_none():
    assert LateBoxes.of_head(head_of(end_to_end=True)) is None
    head = head_of()
    head.cv2[1][0].conv.dilation = (2, 2)
    assert LateBoxes.of_head(head) is None
