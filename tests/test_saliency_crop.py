"""The smallest square that keeps the class, found for networks of which it is known."""

from dataclasses import replace

import numpy as np
import pytest
from saliency_tiny import nn, torch

from engine.job import Progress, drive
from engine.saliency.classifier import wrap
from engine.saliency.crop import SIZES, growing, keeping_crop
from engine.saliency.types import Explanation, Target
from engine.weights.preprocessing import Preprocessing

SIZE = 64
SQUARE = Preprocessing(SIZE, SIZE, "stretch", (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
RED, BLUE = (24, 30, 10, 10), (70, 62, 10, 10)
"""Left, top, width, height in pixels of the picture."""
SIDE = 128


class Both(nn.Module):
    """Class 1 wants something red and something blue, wherever; class 2 is never the likeliest."""

    def forward(self, x):
        red, blue = (x[:, one] - x[:, other] for one, other in ((0, 2), (2, 0)))
        seen = torch.minimum(red.amax((1, 2)), blue.amax((1, 2)))
        logit = 20 * (seen - 0.4)
        return torch.stack([torch.zeros_like(logit), logit, torch.full_like(logit, -30)], 1)


@pytest.fixture(scope="module")
def both():
    return wrap(Both(), ("neither", "both", "never"), SQUARE, device="cpu")


def picture() -> np.ndarray:
    """Grey with a red and a blue spot."""
    image = np.full((SIDE, SIDE, 3), 128, np.uint8)
    for (left, top, width, height), colour in ((RED, (20, 20, 240)), (BLUE, (240, 20, 20))):
        image[top : top + height, left : left + width] = colour
    return image


def explained(values, shape=(SIDE, SIDE), preprocessing=SQUARE, index: int = 1, probability: float = 1.0):
    return Explanation("grad_cam", Target(index), values, shape, preprocessing, probability)


def spots(*boxes) -> np.ndarray:
    """The map of a method that knows them."""
    values = np.zeros((SIZE, SIZE), np.float32)
    for left, top, width, height in boxes:
        values[top // 2 : (top + height) // 2, left // 2 : (left + width) // 2] = 1
    return values


def overlaps(one, other) -> bool:
    return all(one[i] < other[i] + other[i + 2] and other[i] < one[i] + one[i + 2] for i in (0, 1))


def test_it_holds_all_that_the_class_wants_and_little_else(both):
    found = drive(keeping_crop(both, picture(), explained(spots(RED, BLUE))))
    left, top, side, high = found.box
    assert side == high
    assert overlaps(found.box, RED)
    assert overlaps(found.box, BLUE)
    # from the one spot's far edge to the other's; the next square of the row is about 10 % larger
    needed = BLUE[0] + BLUE[2] - RED[0]
    assert side <= 1.25 * needed
    assert found.share == pytest.approx(side**2 / SIDE**2)
    assert 0 <= left <= SIDE - side
    assert 0 <= top <= SIDE - side
    assert picture()[top : top + side, left : left + side].shape == (side, side, 3)


def test_its_probability_is_that_of_the_square_alone(both):
    found = drive(keeping_crop(both, picture(), explained(spots(RED, BLUE))))
    left, top, side, _ = found.box
    said = both.predict(np.ascontiguousarray(picture()[top : top + side, left : left + side]))
    assert said.top(1) == [1]
    assert found.probability == pytest.approx(float(said.probabilities[1]), abs=1e-5)


def test_the_smallest_is_tried_first(both):
    # class 0 wants nothing: the first square keeps it, where the evidence is
    found = drive(keeping_crop(both, picture(), explained(spots(BLUE), index=0, probability=0.5)))
    assert found.box[2] == round(0.1 * SIDE)
    assert overlaps(found.box, BLUE)


class Faint(nn.Module):
    """Says 40 % of class 0, whatever it sees."""

    def forward(self, x):
        return torch.tensor([[0.29, 0.0, 0.0]]).repeat(len(x), 1) + 0 * x.mean((1, 2, 3))[:, None]


@pytest.mark.parametrize(("probability", "kept"), [(0.9, False), (0.7, True)])
def test_a_square_that_says_it_less_than_half_as_surely_does_not_keep_it(probability, kept):
    faint = wrap(Faint(), (), SQUARE, device="cpu")
    found = drive(keeping_crop(faint, picture(), explained(spots(RED), index=0, probability=probability)))
    assert (found is not None) is kept


def test_where_nothing_keeps_the_class_there_is_none(both):
    assert drive(keeping_crop(both, picture(), explained(spots(RED, BLUE), index=2, probability=0.1))) is None


@pytest.mark.parametrize("fit", ["crop", "letterbox", "stretch"])
@pytest.mark.parametrize("shape", [(100, 260), (260, 100), (40, 40), (3, 200), (1, 1)])
def test_squares_grow_within_what_the_network_sees(fit, shape):
    preprocessing = replace(SQUARE, resize=72, fit=fit)
    values = np.random.default_rng(3).random((SIZE, SIZE)).astype(np.float32)
    boxes = growing(explained(values, shape, preprocessing))
    x, y, wide, high = preprocessing.placement(*shape).source
    assert 1 <= len(boxes) <= SIZES
    assert (np.diff(boxes[:, 2]) > 0).all()
    assert (boxes[:, 2] == boxes[:, 3]).all()
    assert (boxes[:, 2] >= 1).all()
    assert boxes[-1, 2] == min(wide, high)
    assert (boxes[:, 0] >= x).all()
    assert (boxes[:, 1] >= y).all()
    assert (boxes[:, 0] + boxes[:, 2] <= x + wide).all()
    assert (boxes[:, 1] + boxes[:, 3] <= y + high).all()


def test_of_each_size_it_is_the_square_with_the_most_evidence():
    values = np.random.default_rng(4).random((SIZE, SIZE)).astype(np.float32)
    # a picture of the square's size: pixels of the map are pixels of the picture
    for left, top, side, _ in growing(explained(values, (SIZE, SIZE))).tolist():
        sums = np.lib.stride_tricks.sliding_window_view(values.astype(np.float64), (side, side)).sum((2, 3))
        assert sums[top, left] == pytest.approx(sums.max())


def test_what_speaks_against_the_class_draws_no_square():
    against = spots(RED, BLUE) * 0.1 - 5 * spots(BLUE)
    first = growing(explained(against))[0]
    assert overlaps(first, RED)
    assert not overlaps(first, BLUE)


def test_a_map_of_nothing_has_squares_too(both):
    found = drive(keeping_crop(both, picture(), explained(np.zeros((SIZE, SIZE), np.float32))))
    assert overlaps(found.box, RED)
    assert overlaps(found.box, BLUE)


def test_it_says_how_far_it_is_and_can_be_stopped(both):
    job = keeping_crop(both, picture(), explained(spots(RED, BLUE)))
    first = next(job)
    assert isinstance(first, Progress)
    assert (first.done, first.total) == (0, len(growing(explained(spots(RED, BLUE)))))
    job.close()


def test_a_dog_and_a_cat_each_have_their_square(assets):
    from engine.media.pictures import read_picture
    from engine.saliency.explain import explain
    from engine.saliency.networks import open_classifier

    network = open_classifier("mobilenet_v2", assets / "models" / "mobilenet_v2_imagenet.pth", device="cpu")
    image = read_picture(assets / "images" / "both.png")
    squares = {}
    for name in ("bull mastiff", "tabby"):
        squares[name] = drive(keeping_crop(network, image, drive(explain(image, network, "grad_cam", name))))
        assert squares[name].share < 0.5
    # of the whole picture "tabby" is 2 %, of its square the likeliest
    assert squares["tabby"].probability > 0.3
    (_, dog_y, dog, _), (_, cat_y, cat, _) = squares["bull mastiff"].box, squares["tabby"].box
    assert dog_y + dog / 2 < cat_y + cat / 2
