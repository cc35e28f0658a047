"""`train DATA`: what the page Train does, without a window."""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.commands_base import Show, add_command, fraction, positive, say
from engine.errors import SightlineError
from engine.job import Job

if TYPE_CHECKING:
    from engine.learning.knobs import TrainKnobs


def add_train(commands: Any) -> None:
    """Add the command to the parsers."""
    parser = add_command(commands, "train", "teach a network to sort pictures")
    parser.add_argument(
        "data", metavar="DATA", help="a folder with a folder of pictures for each class, or example:shapes"
    )
    parser.add_argument(
        "--network", metavar="small_cnn|mobilenet_v2|squeezenet|resnet18", default="small_cnn",
        help="what is taught (default small_cnn)",
    )  # fmt: skip
    parser.add_argument(
        "--pretrained", metavar="FILE", nargs="?", const="",
        help="begin with weights trained on other pictures: those on this machine, or a file of them",
    )  # fmt: skip
    parser.add_argument("--rule", metavar="RULE", help="how it steps: sgd, momentum, adam, adamw, as adamw:lr=0.002")
    parser.add_argument("--schedule", metavar="constant|cosine|one-cycle", help="how the learning rate moves")
    parser.add_argument("--batch", type=positive, metavar="N", help="pictures in one step")
    parser.add_argument("--epochs", type=positive, metavar="N", help="passes through the pictures, at most")
    parser.add_argument("--split", type=fraction, metavar="SHARE", help="of the training pictures that is learned from")
    parser.add_argument("--size", type=positive, metavar="N", help="side of the square that the network sees, pixels")
    parser.add_argument("--augment", action="store_true", help="show flipped, cut, turned and recoloured pictures")
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help="the classifier's folder (default: among the kept ones)"
    )
    parser.add_argument("--name", default="", help="that a person reads")


def train(asked: argparse.Namespace, show: Show) -> Job[None]:
    """Run the command."""
    from engine.learning.classifier import Epoch
    from engine.learning.datasets import read_data
    from engine.learning.keeping import check_place, save_classifier
    from engine.learning.knobs import check
    from engine.learning.train import train as training

    if asked.seed < 0:
        raise SightlineError(f"{asked.seed} is no seed; give 0 or a whole number above it.")
    knobs = _knobs(asked)
    check(knobs)
    if asked.out is not None:
        check_place(asked.out)
    data = read_data(asked.data, asked.seed)
    job = training(data, knobs, device=asked.device, name=asked.name)
    try:
        while True:
            try:
                event = next(job)
            except StopIteration as end:
                model = end.value
                break
            if isinstance(event, Epoch):
                say(event.row())
            show.event(event)
            yield event
    finally:
        job.close()
    card = yield from save_classifier(model, asked.out)
    say(
        {
            "test_accuracy": card.test_accuracy, "parameters": card.parameters, "model": asked.out or card.folder,
            "fit_s": card.fit_s,
        }
    )  # fmt: skip


def _knobs(asked: argparse.Namespace) -> "TrainKnobs":
    from engine.learning.datasets import EXAMPLE
    from engine.learning.knobs import usual
    from engine.learning.stepping import parse_rule

    pretrained = asked.pretrained is not None
    usually = usual(asked.network, pretrained, asked.augment, drawn=asked.data == EXAMPLE)
    given = {name: getattr(asked, name) for name in ("schedule", "batch", "epochs", "split", "size")}
    given = {name: value for name, value in given.items() if value is not None}
    if asked.rule is not None:
        given |= parse_rule(asked.rule)
    return replace(usually, weights=asked.pretrained or "", seed=asked.seed, **given)
