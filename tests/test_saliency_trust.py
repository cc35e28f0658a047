"""How far a map can be trusted: networks and maps of known truth, and Quantus where it measures the same."""

import copy
from dataclasses import replace

import cv2
import numpy as np
import pytest
from saliency_tiny import nn, state_of, torch

from engine.errors import SightlineError
from engine.job import Notice, Progress, drive
from engine.saliency.ask import Ask
from engine.saliency.classifier import wrap
from engine.saliency.explain import explain
from engine.saliency.knobs import ExplainKnobs
from engine.saliency.methods import METHODS, Method
from engine.saliency.ranking import CHANCE, RankedPicture, rank, table
from engine.saliency.sanity import LIMIT, STAGES, Sanity, randomised, rank_correlation, sanity, seen
from engine.saliency.trust import (
    RANDOM_MAPS,
    STEPS,
    Chance,
    Wanted,
    area,
    hits,
    measure,
    peak,
    put_in_and_out,
    random_maps,
    replacement,
    sensitivity,
)
from engine.saliency.types import Explanation, Target
from engine.weights.preprocessing import Preprocessing

SIZE = 28
"""Of whose square the 28 steps are 28 pixels each."""
SQUARE = Preprocessing(SIZE, SIZE, "stretch", (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
ROWS, COLUMNS = slice(7, 14), slice(14, 21)
"""Where the network looks."""
FIRST = Target(0)


class Contrast(nn.Module):
    """Class 0 is a chessboard of single pixels in one patch, class 1 is none; it is blind to all the rest."""

    def forward(self, x):
        inside = x[:, :, ROWS, COLUMNS].mean(1)
        steps = (inside[:, :, 1:] - inside[:, :, :-1]).abs().mean((1, 2))
        logit = 20 * (steps / 0.8 - 0.5)
        return torch.stack([logit, torch.zeros_like(logit)], 1)


def chessboard() -> np.ndarray:
    """Single pixels, dark and bright, all over the square."""
    rows, columns = np.indices((SIZE, SIZE))
    return np.repeat(np.where((rows + columns) % 2, 230, 26)[..., None], 3, 2).astype(np.uint8)


def truth() -> np.ndarray:
    """The map of a method that knows where the network looks."""
    values = np.zeros((SIZE, SIZE), np.float32)
    values[ROWS, COLUMNS] = 1
    return values


def convolutions(seed: int = 0):
    """Convolutions with norms, unlike each other in every layer, and two classes."""
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(),
        nn.Conv2d(8, 12, 3, padding=1), nn.BatchNorm2d(12), nn.ReLU(),
        nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(12 * 16, 2),
    )  # fmt: skip


def draw_squares(count: int, seed: int):
    """Noise with two squares, each red or blue, and whether the upper left one is red: the other one is chance."""
    rng = np.random.default_rng(seed)
    images = rng.integers(60, 120, (count, SIZE, SIZE, 3)).astype(np.uint8)
    labels = rng.integers(0, 2, count)
    colours = ((230, 40, 40), (40, 40, 230))
    for image, label in zip(images, labels, strict=True):
        for low, colour in ((1, colours[label]), (15, colours[rng.integers(0, 2)])):
            y, x = rng.integers(low, low + 4, 2)
            image[y : y + 9, x : x + 9] = colour
    return images, labels


@pytest.fixture(scope="module")
def trained():
    """Convolutions that tell which colour the upper left square has."""
    images, labels = draw_squares(200, 0)
    net = convolutions().train()
    x, y = torch.from_numpy(SQUARE.normalise(images)), torch.from_numpy(labels)
    rule = torch.optim.Adam(net.parameters(), 0.01)
    for _ in range(40):
        rule.zero_grad()
        nn.functional.cross_entropy(net(x), y).backward()
        rule.step()
    images, labels = draw_squares(40, 1)
    classifier = wrap(net, ("blue", "red"), SQUARE, device="cpu")
    assert np.mean([classifier.predict(image).top(1)[0] for image in images] == labels) > 0.9
    return classifier


def looking():
    return wrap(Contrast(), ("chessboard", "plain"), SQUARE, device="cpu")


def asked(classifier, image, knobs: ExplainKnobs | None = None, target: Target = FIRST) -> Ask:
    return Ask(classifier, image, target, knobs or ExplainKnobs(), classifier.predict(image))


@pytest.fixture
def invented(monkeypatch):
    """Puts a method into the table whose map is a function of the question."""

    def put(key: str, of, *, fine: bool = False) -> str:
        def run(ask):
            yield Progress("Inventing")
            return ask.answer(key, np.asarray(of(ask), np.float32))

        monkeypatch.setitem(METHODS, key, Method(key, key.title(), run, "", fine=fine))
        return key

    return put


def a_map(values, shape=(SIZE, SIZE), fit: str = "stretch", method: str = "grad_cam") -> Explanation:
    size = len(values)
    return Explanation(method, Target(0), values, shape, Preprocessing(size, size + size // 7, fit), 0.5)


def curves_of(classifier, image, values, index: int = 0):
    x = classifier.tensor(image)
    return drive(put_in_and_out(classifier, x, replacement(classifier, x), values, index))


def red_and_blue(classifier):
    """Two pictures as the network sees them, of class 1 and of class 0: the one stands for the lack of the other."""
    images, labels = draw_squares(20, 5)
    found = [classifier.tensor(images[list(labels).index(label)]) for label in (1, 0)]
    said = [float(classifier.module(one).softmax(1)[0, 1]) for one in found]
    assert said[0] > 0.95
    assert said[1] < 0.05
    return found


# insertion and deletion


def test_a_true_map_a_random_one_and_its_opposite():
    classifier = looking()
    assert classifier.predict(chessboard()).probabilities[0] > 0.99
    best = curves_of(classifier, chessboard(), truth()).areas
    worst = curves_of(classifier, chessboard(), -truth()).areas
    chance = np.mean([curves_of(classifier, chessboard(), one).areas for one in random_maps(SIZE, 5)], 0)
    # the patch is 49 of 784 pixels: two of the 28 steps
    assert best[0] > 0.92
    assert best[1] < 0.08
    assert worst[0] < 0.08
    assert worst[1] > 0.92
    assert 0.2 < chance[0] < 0.8
    assert 0.2 < chance[1] < 0.8


def test_a_curve_begins_and_ends_with_the_picture_and_nothing_of_it(trained):
    image = draw_squares(1, 5)[0][0]
    found = curves_of(trained, image, random_maps(SIZE, 1)[0], 1)
    x = trained.tensor(image)
    whole, none = (trained.say(trained.logits(one)[0]).probabilities[1] for one in (x, replacement(trained, x)))
    assert found.insertion.shape == found.deletion.shape == (STEPS + 1,)
    assert np.allclose(found.insertion[[0, -1]], [none, whole], atol=1e-6)
    assert np.allclose(found.deletion[[0, -1]], [whole, none], atol=1e-6)


def test_the_picture_that_stands_for_nothing_is_blurred():
    classifier = looking()
    x = classifier.tensor(chessboard())
    blurred = replacement(classifier, x)
    assert blurred.shape == x.shape
    assert float(x.std()) > 0.35
    assert float(blurred.std()) < 0.02
    assert float(blurred.mean()) == pytest.approx(float(x.mean()), abs=0.01)


def test_insertion_puts_in_the_best_pixels_first(trained):
    x, other = red_and_blue(trained)
    values = np.random.default_rng(3).random((SIZE, SIZE), np.float32)
    found = drive(put_in_and_out(trained, x, other, values, 1))
    for step in (1, 10, 20):
        best = torch.from_numpy(values > np.sort(values.ravel())[::-1][step * SIZE])
        inserted, deleted = torch.where(best, x, other), torch.where(best, other, x)
        for mixed, curve in ((inserted, found.insertion), (deleted, found.deletion)):
            assert curve[step] == pytest.approx(float(trained.module(mixed).softmax(1)[0, 1]), abs=1e-5)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("seed", range(3))
def test_deletion_is_the_pixel_flipping_of_quantus(trained, seed):
    x, other = red_and_blue(trained)
    values = np.random.default_rng(seed).permutation(SIZE * SIZE).reshape(SIZE, SIZE).astype(np.float32)
    found = drive(put_in_and_out(trained, x, other, values, 1))
    assert np.allclose(found.deletion[1:], flipping(trained, x, other, values), atol=1e-5)
    # insertion is the same with the two pictures in each other's place
    assert np.allclose(found.insertion[1:], flipping(trained, other, x, values), atol=1e-5)


def flipping(classifier, before, after, values):
    """Quantus' pixel flipping, 28 pixels at a time: (28,)."""
    quantus = pytest.importorskip("quantus")
    flat = after.numpy().reshape(1, -1)

    def flip(arr, indices, **_more):
        changed = arr.copy()
        rows = np.arange(len(arr))[:, None]
        changed[rows, indices] = flat[rows, indices]
        return changed

    # Quantus flips single numbers: the three colours of a pixel follow each other in its order, and of three steps
    # one has flipped whole pixels
    order = np.stack([3 * values + channel for channel in range(3)])[None]
    metric = quantus.PixelFlipping(features_in_step=SIZE, perturb_func=flip, normalise=False, disable_warnings=True)
    scores = metric(
        model=copy.deepcopy(classifier.module), x_batch=before.numpy(), y_batch=np.array([1]), a_batch=order,
        channel_first=True, softmax=True,
    )  # fmt: skip
    return np.array(scores[0])[2::3]


def test_areas_by_hand_and_by_another_library():
    from sklearn.metrics import auc

    assert area(np.full(29, 0.3, np.float32)) == pytest.approx(0.3)
    assert area(np.linspace(0, 1, 29, dtype=np.float32)) == pytest.approx(0.5)
    curve = np.random.default_rng(0).random(29, np.float32)
    assert area(curve) == pytest.approx(auc(np.linspace(0, 1, 29), curve), rel=1e-6)


def test_random_maps_are_coarse_and_the_same_for_the_same_seed():
    one, other = random_maps(224, 2, 4)
    assert one.shape == (224, 224)
    assert not np.array_equal(one, other)
    assert np.array_equal(one, random_maps(224, 1, 4)[0])
    # neighbours are alike: 32 pixels belong to one random number
    assert np.abs(np.diff(one, axis=1)).max() < 1 / 32 + 1e-3


def test_pixels_go_in_smaller_batches_when_memory_is_short(trained):
    x, other = red_and_blue(trained)
    values = random_maps(SIZE, 1)[0]

    class Short(nn.Module):
        def __init__(self, net):
            super().__init__()
            self.net = net

        def forward(self, x):
            if len(x) > 3:
                raise MemoryError
            return self.net(x)

    short, whole = (
        drive(put_in_and_out(replace(trained, module=net), x, other, values, 1))
        for net in (Short(trained.module), trained.module)
    )
    assert np.allclose(short.insertion, whole.insertion, atol=1e-5)
    assert np.allclose(short.deletion, whole.deletion, atol=1e-5)


# the peak


PLACES = [
    # the middle 112 x 112 of a wide picture, from column 72 and row 8: each pixel of the square is four of the picture
    ("crop", (128, 256), (72 + 4 * 20 + 2, 8 + 4 * 9 + 2)),
    ("crop", (256, 128), (8 + 4 * 20 + 2, 72 + 4 * 9 + 2)),
    # all of it, 28 x 14 in the square, from row 7: each pixel of the square is eight of the picture
    ("letterbox", (112, 224), (8 * 20 + 4, 8 * (9 - 7) + 4)),
    ("stretch", (56, 280), (10 * 20 + 5, 2 * 9 + 1)),
]


@pytest.mark.parametrize(("fit", "shape", "place"), PLACES)
def test_the_peak_is_a_place_in_the_picture(fit, shape, place):
    values = np.zeros((SIZE, SIZE), np.float32)
    values[9, 20] = 1
    found = a_map(values, shape, fit)
    assert peak(found) == place
    full = found.full()
    assert full[place[1], place[0]] > 0.6 * full.max()


@pytest.mark.parametrize(("fit", "shape", "place"), PLACES)
def test_the_pointing_game_is_that_of_quantus(fit, shape, place):
    quantus = pytest.importorskip("quantus")
    values = np.zeros((SIZE, SIZE), np.float32)
    values[9, 20] = 1
    found = a_map(values, shape, fit)
    on_picture = np.zeros((1, 1, *shape), np.float32)
    on_picture[0, 0, place[1], place[0]] = 1
    x, y = place
    for box in ((x, y, 1, 1), (x + 1, y, 9, 9), (x - 9, y - 9, 10, 10), (x - 9, y - 9, 9, 9), (x, y - 20, 5, 20)):
        left, top, width, height = box
        mask = np.zeros_like(on_picture, bool)
        mask[0, 0, max(0, top) : top + height, max(0, left) : left + width] = True
        metric = quantus.PointingGame(disable_warnings=True, normalise=False)
        (hit,) = metric.evaluate_batch(a_batch=on_picture, s_batch=mask)
        assert hits(found, box) is bool(hit)


def test_the_peak_is_not_in_the_bars_of_a_letterbox():
    values = np.zeros((SIZE, SIZE), np.float32)
    values[2, 3] = 5
    values[9, 20] = 1
    assert peak(a_map(values, (112, 224), "letterbox")) == (164, 20)


def test_the_peak_of_a_fine_map_is_where_much_of_it_is():
    values = np.zeros((SIZE, SIZE), np.float32)
    values[3, 3] = 3
    values[16:23, 16:23] = 1
    assert peak(a_map(values, method="grad_cam")) == (3, 3)
    x, y = peak(a_map(values, method="integrated_gradients"))
    assert abs(x - 19) <= 1
    assert abs(y - 19) <= 1


def test_what_speaks_against_the_class_is_no_peak():
    values = np.zeros((SIZE, SIZE), np.float32)
    values[3, 3], values[9, 20] = -5, 1
    assert peak(a_map(values)) == (20, 9)


# steadiness


def noise_of(ask, key):
    return drive(sensitivity(ask, drive(explain(ask.image, ask.classifier, key, ask.target, ask.knobs))))


def test_a_steady_map_and_a_fragile_one(invented):
    ask = asked(looking(), chessboard())
    steady = invented("steady", lambda _ask: truth())
    picture = invented("picture", lambda ask: ask.tensor()[0].mean(0))
    fragile = invented("fragile", lambda ask: np.random.default_rng(int(ask.image.sum())).normal(size=(SIZE, SIZE)))
    found = [noise_of(ask, key) for key in (steady, picture, fragile)]
    assert found[0] == 0
    # noise of 2 % of the range at most on a picture that is about 0.6 bright
    assert 0 < found[1] < 0.03
    # two maps that have nothing to do with each other are further apart than each is long
    assert found[2] > 1


def test_a_map_of_nothing_is_steady(invented):
    assert noise_of(asked(looking(), chessboard()), invented("nothing", lambda _ask: 0 * truth())) == 0


@pytest.mark.filterwarnings("ignore")
def test_sensitivity_is_that_of_quantus_with_the_same_noise(trained):
    quantus = pytest.importorskip("quantus")
    image = draw_squares(1, 5)[0][0]
    ask = asked(trained, image, ExplainKnobs(seed=3), Target(1))
    rng = np.random.default_rng(3)
    shaken = []
    for _ in range(4):
        noisy = np.clip(np.round(image + rng.uniform(-5.1, 5.1, image.shape)), 0, 255).astype(np.uint8)
        shaken.append(SQUARE.normalise(noisy[None]))
    given = iter(shaken)

    def slopes(model, inputs, targets, **_more):
        x = torch.as_tensor(np.asarray(inputs), dtype=torch.float32).requires_grad_()
        number = model(x)[torch.arange(len(x)), torch.as_tensor(np.asarray(targets))].sum()
        return torch.autograd.grad(number, x)[0].abs().amax(1, keepdim=True).numpy()

    metric = quantus.MaxSensitivity(
        nr_samples=4, perturb_func=lambda arr, **_more: next(given).reshape(arr.shape), disable_warnings=True,
        normalise=False,
    )  # fmt: skip
    (wanted,) = metric(
        model=copy.deepcopy(trained.module), x_batch=SQUARE.normalise(image[None]), y_batch=np.array([1]),
        explain_func=slopes, channel_first=True,
    )  # fmt: skip
    found = noise_of(ask, "saliency")
    assert found > 0.01
    assert found == pytest.approx(float(wanted), rel=1e-3)


def test_noise_is_added_to_what_the_network_sees(trained):
    """In a large picture it would be averaged away."""
    image = draw_squares(1, 5)[0][0]
    large = cv2.resize(image, None, fx=8, fy=8, interpolation=cv2.INTER_NEAREST)
    small, big = (noise_of(asked(trained, one), "saliency") for one in (image, large))
    assert big == pytest.approx(small, rel=1e-4)


def test_a_map_is_made_again_with_the_steps_that_it_ended_with(trained, monkeypatch):
    image, asking = draw_squares(1, 5)[0][0], []
    real = METHODS["integrated_gradients"]

    def run(ask):
        asking.append(ask.knobs)
        return (yield from real.run(ask))

    monkeypatch.setitem(METHODS, real.key, replace(real, run=run))
    ask = asked(trained, image)
    for steps, again in ((20, 20), (400, 50)):
        asking.clear()
        drive(sensitivity(ask, replace(a_map(truth(), method=real.key), steps=steps)))
        assert [(knobs.steps, knobs.double) for knobs in asking] == [(again, False)] * 5


# the sanity check


def test_a_method_that_asks_the_network_passes_and_one_that_only_looks_at_the_picture_does_not(trained, invented):
    def edges(ask):
        grey = cv2.cvtColor(ask.classifier.preprocessing.square(ask.image), cv2.COLOR_BGR2GRAY)
        return np.abs(cv2.Laplacian(grey, cv2.CV_32F))

    images, labels = draw_squares(4, 9)
    for image, label in zip(images, labels, strict=True):
        ask = asked(trained, image, target=Target(int(label)))
        found = drive(sanity(ask, drive(explain(image, trained, "saliency", ask.target))))
        assert found.passes, found
        assert found.similarity[0] > found.similarity[-1]
        # a map that has nothing to do with the weights stays the same
        found = drive(sanity(ask, drive(explain(image, trained, invented("edges", edges), ask.target))))
        assert found.similarity == pytest.approx((1,) * len(found.layers), abs=1e-6)
        assert not found.passes


@pytest.mark.parametrize("key", ["saliency", "grad_cam", "integrated_gradients", "guided_backprop"])
def test_the_network_is_left_as_it_was(trained, key):
    image = draw_squares(1, 5)[0][0]
    before, weights = state_of(trained.module), copy.deepcopy(trained.module.state_dict())
    said = trained.predict(image).logits
    drive(sanity(asked(trained, image), drive(explain(image, trained, key, 0))))
    assert state_of(trained.module) == before
    assert all(torch.equal(value, weights[name]) for name, value in trained.module.state_dict().items())
    assert np.array_equal(trained.predict(image).logits, said)


def test_layers_are_randomised_from_the_top_down_and_keep_their_numbers(trained):
    own = trained.module.state_dict()
    changed = []
    for name, other in randomised(trained):
        theirs = other.module.state_dict()
        for key, value in own.items():
            assert torch.equal(value.flatten().sort()[0], theirs[key].flatten().sort()[0])
        changed.append((name, {key.split(".")[0] for key in own if not torch.equal(own[key], theirs[key])}))
    # of five layers with weights the last, the last two, three, and all
    assert changed == [("8", {"8"}), ("4", {"8", "4"}), ("3", {"8", "4", "3"}), ("0", {"8", "4", "3", "1", "0"})]
    assert len(changed) <= STAGES


def test_the_same_seed_randomises_the_same(trained):
    image = draw_squares(1, 5)[0][0]
    found = drive(explain(image, trained, "grad_cam", 0))
    one, same = (drive(sanity(asked(trained, image), found)) for _ in range(2))
    other = drive(sanity(asked(trained, image, ExplainKnobs(seed=1)), found))
    assert one == same
    assert one.similarity != other.similarity


def test_a_network_without_weights_is_one_sentence():
    ask = asked(looking(), chessboard())
    with pytest.raises(SightlineError, match="no weights to randomise"):
        drive(sanity(ask, drive(explain(ask.image, ask.classifier, "saliency", 0))))


def test_the_second_half_of_the_stages_decides():
    layers = ("a", "b", "c", "d", "e")
    assert Sanity(layers, (0.9, 0.9, 0.2, 0.2, 0.3)).passes
    assert not Sanity(layers, (0.1, 0.1, 0.7, 0.6, 0.5)).passes
    assert Sanity(layers, (0.9, 0.9, 0.3, 0.6, 0.3)).last == pytest.approx(0.4)
    assert LIMIT == 0.5


@pytest.mark.filterwarnings("ignore")
def test_similarity_is_that_of_quantus():
    quantus = pytest.importorskip("quantus")
    rng = np.random.default_rng(0)
    one = rng.normal(size=(20, 20)).astype(np.float32)
    for other in (one, -one, rng.normal(size=(20, 20)), np.round(one), one**3 + 0.3 * rng.normal(size=(20, 20))):
        wanted = quantus.functions.similarity_func.correlation_spearman(one.ravel(), np.asarray(other).ravel())
        assert rank_correlation(one, np.asarray(other, np.float32)) == pytest.approx(float(wanted), abs=1e-6)
    assert rank_correlation(one, np.zeros_like(one)) == 0


def test_maps_are_compared_by_their_magnitudes():
    values = np.zeros((112, 112), np.float32)
    values[4:8, 8:12] = -2
    assert np.array_equal(seen(values), np.abs(values))


# all of it


def test_what_is_measured_of_each_map(invented):
    classifier, image = looking(), chessboard()
    said = classifier.predict(image)
    right, wrong = invented("right", lambda _ask: truth()), invented("wrong", lambda _ask: 1 - truth())
    maps = [drive(explain(image, classifier, key, 0)) for key in (right, wrong)]
    wanted = Wanted(sanity=False, box=(14, 7, 7, 7))
    events = []
    chance, trusts = drive(measure(classifier, image, said, maps, wanted=wanted), events.append)
    told = [event for event in events if event is not None and not isinstance(event, Progress)]
    assert isinstance(told[0], Chance)
    # the curves come before the rest
    assert [(one.explanation.method, one.noise is None) for one in told[1:]] == [
        (right, True), (right, False), (wrong, True), (wrong, False),
    ]  # fmt: skip
    assert trusts == (told[2], told[4])
    assert [trust.hit for trust in trusts] == [True, False]
    assert [trust.noise for trust in trusts] == [0, 0]
    assert trusts[0].curves.areas[0] > chance.insertion > trusts[1].curves.areas[0]
    assert trusts[0].curves.areas[1] < chance.deletion < trusts[1].curves.areas[1]
    progress = [event for event in events if isinstance(event, Progress)]
    assert [event.done for event in progress] == sorted(event.done for event in progress)
    assert {event.total for event in progress} == {RANDOM_MAPS + 4}


def test_chance_is_the_mean_of_its_maps(trained):
    image = draw_squares(1, 5)[0][0]
    chance, none = drive(measure(trained, image, trained.predict(image), []))
    index = trained.predict(image).top(1)[0]
    each = [curves_of(trained, image, one, index) for one in random_maps(SIZE, RANDOM_MAPS, 0)]
    assert none == ()
    assert (chance.insertion, chance.deletion) == pytest.approx(np.mean([one.areas for one in each], 0))
    assert np.allclose(chance.curves.insertion, np.mean([one.insertion for one in each], 0), atol=1e-6)


def test_it_can_be_stopped_at_every_event(trained):
    image = draw_squares(1, 5)[0][0]
    said, before = trained.predict(image), state_of(trained.module)
    found = drive(explain(image, trained, "grad_cam", 0))
    at = 0
    while True:
        job = measure(trained, image, said, [found])
        ended = False
        for _ in range(at + 1):
            try:
                next(job)
            except StopIteration:
                ended = True
                break
        job.close()
        assert state_of(trained.module) == before
        if ended:
            break
        at += 5
    assert at > 20


# over a folder


@pytest.fixture
def folder(tmp_path):
    paths = []
    for number in range(3):
        paths.append(tmp_path / f"{number}.png")
        cv2.imwrite(str(paths[-1]), np.roll(chessboard(), number, 1))
    return paths


def test_methods_are_ranked_with_chance_among_them(folder, invented):
    wrong, right = invented("wrong", lambda _ask: 1 - truth()), invented("right", lambda _ask: truth())
    events = []
    found = drive(rank(looking(), folder, [wrong, right]), events.append)
    assert [row.method for row in found.rows] == [right, CHANCE, wrong]
    assert [row.mean_rank for row in found.rows] == [1, 2, 3]
    assert [row.better for row in found.rows] == [1, 0, 0]
    assert [picture.name for picture in found.pictures] == [str(path) for path in folder]
    assert tuple(event for event in events if isinstance(event, RankedPicture)) == found.pictures
    for row in found.rows:
        insertions = [picture.areas[row.method][0] for picture in found.pictures]
        assert row.insertion == pytest.approx(np.mean(insertions))
        assert row.difference == pytest.approx(row.insertion - row.deletion)


def test_pictures_and_maps_that_cannot_be_had_are_left_out(folder, tmp_path, invented):
    (tmp_path / "broken.png").write_bytes(b"no picture")
    plain = tmp_path / "plain.png"
    cv2.imwrite(str(plain), np.full((SIZE, SIZE, 3), 128, np.uint8))
    right = invented("right", lambda _ask: truth())

    def refuse(_ask):
        raise SightlineError("It cannot be explained so: choose another method.")

    events = []
    pictures = [tmp_path / "broken.png", plain, *folder[:1]]
    found = drive(rank(looking(), pictures, [right, invented("refused", refuse)], least=0.999), events.append)
    notices = [event.text for event in events if isinstance(event, Notice)]
    assert any("broken.png" in text for text in notices)
    assert any(text.startswith("Refused left out: ") for text in notices)
    assert {row.method for row in found.rows} == {right, CHANCE}
    # "plain" is as sure of itself as the chessboard, and is measured for its own class
    assert [picture.target_name for picture in found.pictures] == ["plain", "chessboard"]
    with pytest.raises(SightlineError, match="No picture could be measured"):
        drive(rank(looking(), [tmp_path / "broken.png"], [right]))


def test_equals_share_their_places_and_a_map_that_is_missing_has_none():
    areas = [
        {"a": (0.6, 0.1), "b": (0.6, 0.1), CHANCE: (0.3, 0.3)},
        {"a": (0.4, 0.4), CHANCE: (0.3, 0.3)},
    ]
    rows = {row.method: row for row in table([RankedPicture("", "", 0.9, one) for one in areas]).rows}
    assert (rows["a"].mean_rank, rows["b"].mean_rank, rows[CHANCE].mean_rank) == (1.5, 1.5, 2.25)
    # of the second picture insertion beats chance and deletion does not
    assert (rows["a"].better, rows["b"].better) == (0.5, 1)
    assert (rows["a"].insertion, rows["a"].deletion) == pytest.approx((0.5, 0.25))


# a real network


@pytest.fixture(scope="module")
def mobilenet(assets):
    from engine.saliency.networks import open_classifier

    return open_classifier("mobilenet_v2", assets / "models" / "mobilenet_v2_imagenet.pth", device="cpu")


def test_on_average_integrated_gradients_and_grad_cam_beat_chance(mobilenet, assets):
    keys = ("integrated_gradients", "grad_cam")
    paths = sorted(path for path in (assets / "images").iterdir() if path.is_file())
    found = drive(rank(mobilenet, paths, keys, ExplainKnobs(steps=50, double=False), least=0.5))
    assert len(found.pictures) >= 3
    rows = {row.method: row for row in found.rows}
    for key in keys:
        assert rows[key].insertion > rows[CHANCE].insertion
        assert rows[key].deletion < rows[CHANCE].deletion


CAT = (45, 147, 32, 25), (142, 118, 34, 50), (62, 148, 138, 76)
"""The tail, the head, the body: the box around all of them has much of the floor in it, and a paw of the dog."""
DOG = ((75, 10, 90, 140),)


@pytest.mark.parametrize(("name", "boxes"), [("tabby", CAT), ("tiger cat", CAT), ("bull mastiff", DOG), ("boxer", DOG)])
@pytest.mark.parametrize("key", ["grad_cam", "integrated_gradients"])
def test_the_cat_is_on_the_cat_and_the_dog_on_the_dog(mobilenet, assets, key, name, boxes):
    from engine.media.pictures import read_picture

    image = read_picture(assets / "images" / "both.png")
    # with a black baseline the cat's peak lies on the sunlit floor, which is farthest from black
    knobs = ExplainKnobs(double=False, baseline="blur")
    found = drive(explain(image, mobilenet, key, name, knobs))
    assert any(hits(found, box) for box in boxes), peak(found)
