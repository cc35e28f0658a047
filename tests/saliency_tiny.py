"""Small networks and drawn pictures for the tests of explanations."""

from typing import Any

import numpy as np
import pytest

from engine.saliency.ask import Ask
from engine.saliency.classifier import wrap
from engine.saliency.knobs import ExplainKnobs
from engine.saliency.types import Target
from engine.weights.preprocessing import Preprocessing

torch = pytest.importorskip("torch")
nn = torch.nn

SMALL = Preprocessing(size=32, resize=36)
QUICK = ExplainKnobs(steps=20, double=False, samples=8, window=8, segments=12, masks=60)
CLASSES = 4
FIRST = Target(1)


def picture(seed: int = 0, height: int = 40, width: int = 52) -> np.ndarray:
    """A drawn picture: noise with a bright square in it."""
    rng = np.random.default_rng(seed)
    image = rng.integers(40, 160, (height, width, 3), dtype=np.uint8)
    image[12:26, 20:34] = (30, 60, 230)
    return image


def convolutions(activation=nn.ReLU, seed: int = 0) -> Any:
    """Two convolutions, each with its activation, and a linear answer."""
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1), activation(),
        nn.Conv2d(6, 8, 3, stride=2, padding=1), activation(),
        nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(8 * 16, CLASSES),
    )  # fmt: skip


def asked(network, target: Target = FIRST, knobs: ExplainKnobs = QUICK, image=None) -> Ask:
    """A question about a picture."""
    classifier = wrap(network, preprocessing=SMALL)
    image = picture() if image is None else image
    return Ask(classifier, image, target, knobs, classifier.predict(image))


def state_of(module):
    """All that an explanation must leave as it was: hooks, what asks for gradients, modes, attributes, structure."""
    hooks = (
        "_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks",
        "_forward_hooks_with_kwargs", "_forward_pre_hooks_with_kwargs",
    )  # fmt: skip
    return (
        [
            (name, id(part), part.training, sorted(vars(part)), [len(getattr(part, hook)) for hook in hooks])
            for name, part in module.named_modules()
        ],
        [(name, p.requires_grad, p.grad is None, float(p.detach().sum())) for name, p in module.named_parameters()],
    )


def near(found, wanted) -> float:
    """The largest difference of two maps, as a share of the largest value."""
    wanted = np.asarray(wanted.detach() if hasattr(wanted, "detach") else wanted)
    assert np.abs(wanted).max() > 0
    return float(np.abs(found - wanted).max() / np.abs(wanted).max())
