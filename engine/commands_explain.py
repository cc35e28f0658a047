"""`explain IMAGE...`: what the page Explain does, without a window.

A picture that was named and cannot be read, or a map that cannot be made, makes the status 2, after the others have
been done; a picture that was only found in a folder is left out with a notice, unless no picture is left.
"""

import argparse
import io
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.commands_base import Show, add_command, positive, say, told
from engine.errors import SightlineError
from engine.job import Job, Notice, Progress
from engine.saliency.knobs import BASELINES

if TYPE_CHECKING:
    from engine.saliency.ask import Ask
    from engine.saliency.classifier import Classifier
    from engine.saliency.knobs import ExplainKnobs
    from engine.saliency.sanity import Sanity
    from engine.saliency.trust import Curves
    from engine.saliency.types import Explanation, Image

    Measured = tuple[Curves, Sanity]

_METHOD = "grad_cam"
_MOST = 2000
"""Steps: finding their places takes as long as the cube of their number."""


def add_explain(commands: Any) -> None:
    """Add the command to the parsers."""
    parser = add_command(commands, "explain", "why a network says what it says of a picture")
    parser.add_argument("images", metavar="IMAGE", nargs="+", help="a picture, or a folder of them")
    parser.add_argument(
        "--network", metavar="NAME|FOLDER", default="mobilenet_v2",
        help="of torchvision or timm, or the folder of one that was trained here (default mobilenet_v2)",
    )  # fmt: skip
    parser.add_argument("--weights", metavar="FILE", default="", help="of a network that is given by its name")
    parser.add_argument("--names", metavar="FILE", default="", help="of its classes, a name a line")
    parser.add_argument(
        "--method", metavar="A,B", type=_words, default=(_METHOD,), help=f"one after the other (default {_METHOD})"
    )  # fmt: skip
    parser.add_argument(
        "--target", metavar="INDEX|NAME|top1", default="top1", help="the class that is explained (default top1)"
    )
    parser.add_argument(
        "--against", metavar="INDEX|NAME|top2", help="why that class and not this one: the difference of the two"
    )
    parser.add_argument("--layer", metavar="NAME", default="", help="of the methods that look at one (default: found)")
    parser.add_argument(
        "--steps", type=_steps, metavar="N", help="exactly so many (default: 50, doubled until the map adds up)"
    )
    parser.add_argument("--baseline", choices=BASELINES, help="what stands for nothing being there (default black)")
    parser.add_argument(
        "--save", type=Path, metavar="FOLDER", help="write STEM.METHOD.TARGET.png and .npy there; TARGET is an index"
    )
    parser.add_argument(
        "--trust", action="store_true",
        help="measure the areas under insertion and deletion, 0..1, and sanity: true where the map passes, which means "
        "that it changes as it must when the weights are randomised, false where it stays",
    )  # fmt: skip


def _words(text: str) -> tuple[str, ...]:
    words = tuple(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))
    if not words:
        raise argparse.ArgumentTypeError("there is no name in it")
    return words


def _steps(text: str) -> int:
    value = positive(text)
    if value > _MOST:
        raise argparse.ArgumentTypeError(f"{text} is more than {_MOST}")
    return value


def explain(asked: argparse.Namespace, show: Show) -> Job[None]:
    """Run the command."""
    from engine.inspection.map_files import make_folder, map_stems
    from engine.media.pictures import read_picture
    from engine.saliency.ask import Ask
    from engine.saliency.methods import METHODS, method

    if asked.seed < 0:
        raise SightlineError(f"{asked.seed} is no seed; give 0 or a whole number above it.")
    methods = list(dict.fromkeys(method(key).key for key in asked.method))
    named, pictures = _pictures(asked.images)
    if asked.save is not None:
        make_folder(asked.save)
    classifier = yield from _network(asked, show)
    if asked.layer and any(METHODS[key].layer for key in methods):
        classifier.layer(asked.layer)
    knobs = _knobs(asked)
    stems = map_stems(pictures)
    failed = _Failed(show)
    begun = time.monotonic()
    for number, path in enumerate(pictures):
        try:
            image = read_picture(path)
            prediction = classifier.predict(image)
        except SightlineError as error:
            failed.add(error, path in named)
            continue
        try:
            target = classifier.target(asked.target, asked.against, image)
        except SightlineError as error:
            failed.add(error, True)
            continue
        for key in methods:
            try:
                ask = Ask(classifier, image, target, knobs, prediction)
                found, measured = yield from _one(ask, key, asked.trust, show)
            except SightlineError as error:
                failed.add(error, True)
                continue
            if asked.save is not None:
                yield from _save(asked.save, stems[number], image, found)
            say(_line(path, classifier, found, measured), exact=True)
            failed.good += 1
        done = number + 1
        left = (time.monotonic() - begun) / done * (len(pictures) - done)
        event = Progress("Explaining", done, len(pictures), "pictures", left)
        if len(pictures) > 1:
            show.event(event)
        yield event
    failed.end()


class _Failed:
    """What could not be done while the rest went on."""

    def __init__(self, show: Show) -> None:
        self.good = 0
        self._show = show
        self._failed: dict[str, SightlineError] = {}
        self._last: SightlineError | None = None

    def add(self, error: SightlineError, named: bool) -> None:
        """Keep what was asked for by name; say what was only found."""
        self._last = error
        if named:
            # a method that cannot explain the network says so once, not for every picture
            self._failed[str(error)] = error
        else:
            self._show.event(Notice(f"Left out: {error}"))

    def end(self) -> None:
        """Raises:
        SightlineError: something that was asked for could not be done, or nothing could.
        """
        errors = list(self._failed.values())
        for error in errors[:-1]:
            self._show.line(str(error))
        if errors:
            raise errors[-1]
        if self._last is not None and not self.good:
            raise self._last


def _pictures(words: Sequence[str]) -> tuple[set[Path], list[Path]]:
    """Those that were named, and all in their order; folders are opened up."""
    from engine.media.pictures import natural_key
    from engine.media.suffixes import PICTURE_SUFFIXES

    found: list[Path] = []
    named: set[Path] = set()
    for word in words:
        path = Path(word).expanduser()
        if path.is_dir():
            inside = [one for one in path.iterdir() if one.suffix.lower() in PICTURE_SUFFIXES and one.is_file()]
            if not inside:
                raise SightlineError(f"There is no picture in {path}: choose another folder.")
            found += sorted(inside, key=natural_key)
        else:
            found.append(path)
            named.add(path)
    if not any(path.exists() for path in found):
        raise SightlineError(f"There is no file {found[0]}: check the name and the folder.")
    return named, found


def _network(asked: argparse.Namespace, show: Show) -> Job["Classifier"]:
    """The network; weights that are known and not here are fetched, and said."""
    from engine.saliency.networks import open_classifier
    from engine.weights.cards import find_card
    from engine.weights.fetch import fetch, locate

    weights, trained = asked.weights, Path(asked.network).expanduser().is_dir()
    if weights and trained:
        raise SightlineError(f"{asked.network} is a folder with its own weights: leave out --weights.")
    if not weights and not trained and locate(asked.network) is None:
        card = find_card(asked.network)
        if card is not None and card.task == "classify":
            show.line(f"{card.title} is not here yet: fetching it from {card.address} ({card.licence}).")
            weights = yield from told(fetch(card), show)
    yield Progress("Opening the network")
    return open_classifier(asked.network, weights, asked.names, asked.device)


def _knobs(asked: argparse.Namespace) -> "ExplainKnobs":
    from dataclasses import replace

    from engine.saliency.knobs import ExplainKnobs

    given: dict[str, Any] = {"layer": asked.layer, "seed": asked.seed}
    if asked.steps is not None:
        given |= {"steps": asked.steps, "double": False}
    if asked.baseline is not None:
        given["baseline"] = asked.baseline
    return replace(ExplainKnobs(), **given)


def _one(ask: "Ask", key: str, measured: bool, show: Show) -> Job[tuple["Explanation", "Measured | None"]]:
    """A map, and what was measured of it."""
    from engine.saliency.explain import explain as explaining
    from engine.saliency.methods import METHODS
    from engine.saliency.sanity import sanity
    from engine.saliency.trust import put_in_and_out, ranking, replacement

    job = explaining(ask.image, ask.classifier, key, ask.target, ask.knobs, prediction=ask.prediction)
    found = yield from told(job, show)
    if not measured:
        return found, None
    title = METHODS[key].title
    x = ask.tensor()
    blurred = replacement(ask.classifier, x)
    show.event(Progress(f"Putting pixels in, {title}"))
    curves = yield from put_in_and_out(ask.classifier, x, blurred, ranking(found), ask.target.index)
    show.event(Progress(f"Randomising weights, {title}"))
    return found, (curves, (yield from sanity(ask, found)))


def _line(path: Path, classifier: "Classifier", found: "Explanation", measured: "Measured | None") -> dict[str, Any]:
    insertion, deletion, sane = None, None, None
    if measured is not None:
        curves, checked = measured
        (insertion, deletion), sane = curves.areas, checked.passes
    return {
        "image": path, "method": found.method, "target": found.target.index,
        "target_name": classifier.names[found.target.index], "probability": found.probability,
        "layer": found.layer or None, "steps": found.steps or None, "completeness_error": found.completeness_error,
        "insertion": insertion, "deletion": deletion, "sanity": sane, "ms": found.ms,
    }  # fmt: skip


def _save(folder: Path, stem: str, image: "Image", found: "Explanation") -> Iterator[Progress]:
    """Write the map over the picture, and as numbers on the full picture."""
    import cv2
    import numpy as np

    from engine.files import write_whole
    from engine.saliency.blend import Show as Look
    from engine.saliency.blend import blended

    name = f"{stem}.{found.method}.{found.target.index}"
    yield Progress(f"Writing {name}")
    drawn = cv2.imencode(".png", blended(image, found, Look()))[1].tobytes()
    numbers = io.BytesIO()
    np.save(numbers, np.ascontiguousarray(found.full(), np.float32), allow_pickle=False)
    write_whole(folder / f"{name}.npy", numbers.getvalue())
    write_whole(folder / f"{name}.png", drawn)
