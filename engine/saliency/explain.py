"""The door: a picture, a network, a method, and out comes the map."""

from contextlib import closing
from typing import Any

from engine.errors import SightlineError
from engine.job import Job, Notice
from engine.saliency.ask import Ask
from engine.saliency.classifier import Classifier, wrap
from engine.saliency.knobs import ExplainKnobs
from engine.saliency.methods import METHODS, method
from engine.saliency.types import Explanation, Image, Prediction, Target
from engine.weights.preprocessing import Preprocessing

__all__ = ["METHODS", "explain", "quietly"]


def explain(
    image: Image,
    network: Any,
    how: str = "grad_cam",
    target: Target | str | int = "top1",
    knobs: ExplainKnobs | None = None,
    *,
    prediction: Prediction | None = None,
    preprocessing: Preprocessing | None = None,
) -> Job[Explanation]:
    """Why a network says what it says of a picture.

    Args:
        image: (H, W, 3) uint8, BGR.
        network: a `Classifier`, or a torch module of one's own.
        how: key of a method, see `engine.saliency.methods.METHODS`.
        target: what is asked; a class by index, name or rank ("top1"), or a `Target` for why this and not that.
        knobs: choices of the method.
        prediction: what the network said of this picture, if that is known.
        preprocessing: of a module of one's own; the usual one of ImageNet where None.

    Yields:
        Progress, Notices, and Explanations that go on sharpening (`done` is False).

    Raises:
        SightlineError: no such method, class or layer; the network cannot be explained so; memory is short.
    """
    chosen = method(how)
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype.name != "uint8" or 0 in image.shape:
        raise SightlineError("A picture is (height, width, 3) of 8 bits, BGR: read it with engine.media.pictures.")
    classifier = network if isinstance(network, Classifier) else wrap(network, preprocessing=preprocessing)
    said = prediction or classifier.predict(image)
    asked = target if isinstance(target, Target) else classifier.target(target, image=image)
    for index in (asked.index, asked.against):
        if index is not None and not 0 <= index < len(classifier.names):
            raise SightlineError(
                f"There is no class {index}: {classifier.title} has {len(classifier.names):,} classes, from 0."
            )
    return (yield from chosen.run(Ask(classifier, image, asked, knobs or ExplainKnobs(), said)))


def quietly(job: Job[Explanation]) -> Job[Explanation]:
    """The same job without its progress and its maps that are not finished: for whoever makes many."""
    with closing(job):
        while True:
            try:
                event = next(job)
            except StopIteration as end:
                found: Explanation = end.value
                return found
            yield event if isinstance(event, Notice) else None
