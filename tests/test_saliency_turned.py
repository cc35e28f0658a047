"""Turned round: what excites a class, the smallest change that flips it, the pixels that a detection hangs on."""

from contextlib import closing

import numpy as np
import pytest
from saliency_tiny import convolutions, picture

from engine.errors import SightlineError
from engine.job import Progress, drive
from engine.saliency.classifier import wrap
from engine.saliency.detections import Found, d_rise, neck_cam, similarity
from engine.saliency.flip import Flip, flip
from engine.saliency.visualise import Dream, visualise
from engine.weights.preprocessing import Preprocessing

torch = pytest.importorskip("torch")
nn = torch.nn

PLAIN = Preprocessing(size=32, resize=32, fit="stretch", mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))


class Colours(nn.Module):
    """Class 0 is how red the picture is, class 1 how green, class 2 how blue."""

    def __init__(self):
        super().__init__()
        self.same = nn.Conv2d(3, 3, 1, bias=False)
        with torch.no_grad():
            self.same.weight.copy_(20 * torch.eye(3)[:, :, None, None])

    def forward(self, x):
        return self.same(x).mean((2, 3))


def colours():
    return wrap(Colours(), ("red", "green", "blue"), PLAIN, title="colours", device="cpu")


def filled(blue: int, green: int, red: int):
    image = np.empty((32, 32, 3), np.uint8)
    image[:] = blue, green, red
    return image


# -- what excites a class


def test_what_excites_green_is_green():
    seen = []
    dream = drive(visualise(colours(), "green", steps=40), seen.append)
    assert dream.done
    assert dream.probability > 0.55  # 40 steps from grey, where it is a third
    blue, green, red = dream.image.reshape(-1, 3).mean(0)
    assert green > blue + 10
    assert green > red + 10
    assert any(isinstance(event, Dream) and not event.done for event in seen)
    assert any(isinstance(event, Progress) for event in seen)


def test_the_same_seed_climbs_to_the_same_picture_and_leaves_the_network_as_it_was():
    classifier = wrap(convolutions(), preprocessing=PLAIN, device="cpu")
    before = [p.clone() for p in classifier.module.parameters()]
    one = drive(visualise(classifier, 1, steps=8, seed=3))
    other = drive(visualise(classifier, 1, steps=8, seed=3))
    assert np.array_equal(one.image, other.image)
    assert all(torch.equal(p, q) for p, q in zip(before, classifier.module.parameters(), strict=True))


def test_it_stops_within_a_step():
    with closing(visualise(colours(), 0, steps=100_000)) as job:
        next(job)


def test_nothing_is_climbed_to_without_a_step():
    with pytest.raises(SightlineError, match="1 or more"):
        drive(visualise(colours(), 0, steps=0))


# -- the smallest change


def test_the_smallest_change_of_a_linear_network_is_known():
    # red is ahead of green by three steps of 8 bits everywhere: with one and a half up and as much down it is even
    found = drive(flip(colours(), filled(90, 117, 120)))
    assert found.done
    assert found.flipped
    assert (found.was, found.now) == (0, 1)
    assert found.most == 2
    assert found.l2 <= 1.4 * 1.5 * np.sqrt(2 * 32 * 32)


def test_the_picture_that_is_handed_out_really_flips():
    classifier = wrap(convolutions(), preprocessing=PLAIN, device="cpu")
    image = picture()
    found = drive(flip(classifier, image))
    assert classifier.predict(found.image).top(1)[0] == found.now != classifier.predict(image).top(1)[0]
    assert found.image.dtype == np.uint8
    square = PLAIN.square(image).astype(int)
    assert np.abs(found.image.astype(int) - square).max() == found.most
    # the difference is around grey, magnified
    assert abs(int(found.difference.max()) - 128) <= 96


def test_it_can_be_led_to_a_chosen_class():
    events = []
    found = drive(flip(colours(), filled(80, 100, 120), towards=2), events.append)
    assert found.now == 2
    assert any(isinstance(event, Flip) for event in events)


def test_what_it_says_already_is_one_sentence():
    with pytest.raises(SightlineError, match="says red already"):
        drive(flip(colours(), filled(80, 100, 120), towards=0))


def test_a_network_that_reacts_to_nothing_is_one_sentence():
    class Deaf(nn.Module):
        def forward(self, x):
            return torch.tensor([[1.0, 0.0]]).expand(len(x), 2) + 0 * x.mean((1, 2, 3))[:, None]

    with pytest.raises(SightlineError, match="does not react"):
        drive(flip(wrap(Deaf(), preprocessing=PLAIN, device="cpu"), filled(1, 2, 3)))


# -- a detection's pixels


def one_patch(images):
    """A detector that finds a box as surely as the patch at its upper left corner is bright."""
    found = []
    for image in images:
        bright = float(image[20:40, 20:40].mean()) / 255
        boxes = np.array([[20, 20, 80, 80], [90, 10, 110, 30]], np.float32)
        found.append(Found(boxes, np.array([bright, 0.9], np.float32), np.array([3, 5])))
    return found


def test_d_rise_finds_the_patch_that_the_box_hangs_on():
    image = np.full((96, 128, 3), 255, np.uint8)
    events = []
    found = drive(d_rise(image, (20, 20, 80, 80), 3, one_patch, masks=400), events.append)
    full = found.full()
    assert full.shape == (96, 128)
    row, column = np.unravel_index(full.argmax(), full.shape)
    assert 14 <= row <= 46
    assert 14 <= column <= 46
    inside = full[20:40, 20:40].mean()
    assert inside > 5 * np.abs(full[50:, 50:]).mean()
    assert found.steps == 400
    assert found.probability == pytest.approx(1.0)


def test_d_rise_is_the_same_with_the_same_seed_and_stops_at_once():
    image = np.full((96, 128, 3), 200, np.uint8)
    one, other = (drive(d_rise(image, (20, 20, 80, 80), 3, one_patch, masks=40, seed=2)) for _ in range(2))
    assert np.array_equal(one.values, other.values)
    with closing(d_rise(image, (20, 20, 80, 80), 3, one_patch, masks=10**6)) as job:
        next(job)


def test_similarity_is_overlap_times_confidence_within_the_class():
    found = Found(np.array([[0, 0, 10, 10]], np.float32), np.array([0.8], np.float32), np.array([1]))
    assert similarity(found, np.array([0, 0, 10, 10], np.float32), 1) == pytest.approx(0.8)
    assert similarity(found, np.array([5, 0, 15, 10], np.float32), 1) == pytest.approx(0.8 / 3)
    assert similarity(found, np.array([0, 0, 10, 10], np.float32), 2) == 0


def test_a_box_that_is_not_found_is_one_sentence():
    with pytest.raises(SightlineError, match="does not find this box"):
        drive(d_rise(np.zeros((96, 128, 3), np.uint8), (20, 20, 80, 80), 4, one_patch))


def test_the_neck_is_looked_at_and_no_hook_is_left():
    class Neck(nn.Module):
        def __init__(self):
            super().__init__()
            self.model = nn.ModuleList([nn.Conv2d(3, 4, 3, stride=8, padding=1), Head()])

        def forward(self, x):
            return self.model[1]([self.model[0](x)])

    class Head(nn.Module):
        def forward(self, maps):
            return maps[0].mean((2, 3))

    torch.manual_seed(0)
    module = Neck()
    image = np.zeros((64, 128, 3), np.uint8)
    image[:, 64:] = 255
    found = drive(neck_cam(module, image, (64, 0, 128, 64), 0, size=128))
    full = found.full()
    assert abs(full[:, :50].mean() - full[:, 78:].mean()) > 0.1 * np.abs(full).max()
    assert not module.model[1]._forward_pre_hooks


def test_a_real_detector_is_explained(assets):
    from engine.media.source import open_source
    from engine.tracking.detector import load_detector
    from engine.tracking.knobs import TrackKnobs

    with open_source(str(assets / "video" / "TUD-Campus.mp4")) as source:
        image = source.at(20).image
    knobs = TrackKnobs(confidence=0.01)
    with drive(load_detector(assets / "models" / "yolov8n.pt", "cpu")) as detector:

        def detect(images):
            seen = [detector.detect(one, knobs) for one in images]
            return [Found(one.boxes, one.confidences, one.classes) for one in seen]

        first = detect([image])[0]
        best = int(first.confidences.argmax())
        left, top, right, bottom = (float(side) for side in first.boxes[best])
        found = drive(d_rise(image, (left, top, right, bottom), int(first.classes[best]), detect, masks=120))
    full = found.full().clip(min=0)
    inside = full[int(top) : int(bottom), int(left) : int(right)].sum() / full.sum()
    assert inside > 2 * (right - left) * (bottom - top) / full.size
