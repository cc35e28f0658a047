"""The settings of a training: the form, the command line and the kept card are made from the same fields."""

from dataclasses import dataclass, replace

from engine.errors import SightlineError
from engine.knobs import knob

NETWORKS = ("small_cnn", "mobilenet_v2", "squeezenet", "resnet18")
TITLES = ("Small CNN", "MobileNetV2", "SqueezeNet 1.1", "ResNet-18")
RULES = ("sgd", "momentum", "adam", "adamw")
RULE_TITLES = ("SGD", "Momentum", "Adam", "AdamW")
SCHEDULES = ("constant", "cosine", "one-cycle")


@dataclass(frozen=True, slots=True)
class TrainKnobs:
    """How a classifier is trained.

    Read once an iteration, so that they may change while it runs: `rate`, `decay`, `augment`, `smoothing`, `dropout`,
    `patience`, `paused`, `enough`. The others are read when it begins.

    Attributes:
        network: one of `NETWORKS`.
        pretrained: begin with weights that were trained on other pictures.
        weights: a file of those; "" looks for the network's card.
        size: side of the network's square in pixels; 0 is the network's usual one.
        rule: one of `RULES`, how a gradient becomes a step.
        rate: learning rate of the head, and of everything in a network that begins with random numbers.
        body_rate: what `rate` is multiplied by for the pretrained layers.
        beta: of momentum; the first of Adam's two.
        decay: weight decay.
        schedule: one of `SCHEDULES`, how the rate moves from the first step to the last.
        batch: pictures in one step.
        epochs: the most passes through the training pictures, those of the head included.
        head_epochs: how many of them only the head learns; in pretrained networks alone.
        patience: epochs without a better validation result after which it ends; 0 never does.
        augment: show flipped, cut, turned and recoloured pictures.
        smoothing: label smoothing, 0..1.
        dropout: share of the features that the head does without in each step, 0..1.
        split: share of the training pictures that is learned from; the others validate.
        seed: of everything random, 0 or more.
        paused: wait.
        enough: end after this epoch and keep the best.
    """

    network: str = knob("small_cnn", "Network", group="Network", choices=NETWORKS, words=TITLES)
    pretrained: bool = knob(False, "Pretrained", group="Network",
                            help="Begin with weights that were trained on other pictures.")  # fmt: skip
    weights: str = ""
    size: int = knob(0, "Size", group="Network", choices=(0, 64, 96, 128, 160, 224),
                     words=("usual", "64 px", "96 px", "128 px", "160 px", "224 px"),
                     help="Side of the square that the network sees.")  # fmt: skip
    rule: str = knob("adamw", "Rule", group="Learning", choices=RULES, words=RULE_TITLES,
                     help="How a gradient becomes a step.")  # fmt: skip
    rate: float = knob(0.002, "Learning rate", group="Learning", low=0.0001, high=0.1, step=0.0001,
                       help="How large a step is. It may be changed while the training runs.")  # fmt: skip
    body_rate: float = knob(0.02, "Rate below the head", group="Learning", low=0.0, high=1.0, step=0.01, unit="%",
                            help="The pretrained layers' share of the learning rate.")  # fmt: skip
    beta: float = knob(0.9, "Beta", group="Learning", low=0.0, high=0.99, step=0.01,
                       help="How much of the last step goes on: momentum, or the first of Adam's two.")  # fmt: skip
    decay: float = knob(0.01, "Weight decay", group="Learning", low=0.0, high=0.5, step=0.001)
    schedule: str = knob("cosine", "Schedule", group="Learning", choices=SCHEDULES,
                         words=("Constant", "Cosine", "One cycle"),
                         help="How the learning rate moves from the first step to the last.")  # fmt: skip
    batch: int = knob(32, "Batch", group="Learning", low=1, high=256, step=1, help="Pictures in one step.")
    epochs: int = knob(50, "Epochs", group="Length", low=1, high=500, step=1,
                       help="Passes through the training pictures, at most.")  # fmt: skip
    head_epochs: int = knob(10, "Head first", group="Length", low=0, high=100, step=1,
                            help="Epochs in which a pretrained network's last layer learns alone.")  # fmt: skip
    patience: int = knob(0, "Patience", group="Length", low=0, high=100, step=1,
                         help="End after so many epochs without a better validation result; 0 never does.")  # fmt: skip
    augment: bool = knob(False, "Augment", group="Pictures",
                         help="Show flipped, cut, turned and recoloured pictures.")  # fmt: skip
    smoothing: float = knob(0.0, "Label smoothing", group="Pictures", low=0.0, high=0.5, step=0.01, unit="%")
    dropout: float = knob(0.2, "Dropout", group="Pictures", low=0.0, high=0.9, step=0.01, unit="%")
    split: float = knob(0.8, "Training share", group="Pictures", low=0.5, high=0.95, step=0.01, unit="%",
                        help="The other training pictures validate.")  # fmt: skip
    seed: int = knob(0, "Seed", group="Pictures", low=0, high=9999, step=1)
    paused: bool = False
    enough: bool = False


def usual(network: str, pretrained: bool = False, augment: bool = False, *, drawn: bool = False) -> TrainKnobs:
    """The settings to begin with, which go by the network and by what it learns from.

    Args:
        network: one of `NETWORKS`.
        pretrained: it begins with weights that were trained on other pictures.
        augment: pictures are augmented.
        drawn: it learns the drawn shapes, of which a few epochs are enough.

    Raises:
        SightlineError: there is no such network.
    """
    if network not in NETWORKS:
        raise SightlineError(f"There is no network {network} to train: choose of {', '.join(NETWORKS)}.")
    knobs = TrainKnobs(network=network, pretrained=pretrained, augment=augment)
    if pretrained:
        return replace(knobs, epochs=12)
    if drawn:
        # the warm-up lets a high rate begin: shapes are told apart by the fourth epoch
        return replace(knobs, rate=0.01, schedule="one-cycle", dropout=0.0, epochs=25 if augment else 7)
    if augment:
        # no two epochs show the same, so many of them go on teaching
        return replace(knobs, rate=0.003, decay=0.05, dropout=0.4, epochs=150)
    return replace(knobs, rate=0.003, epochs=40)


def check(knobs: TrainKnobs) -> None:
    """Settings that a person may have typed.

    Raises:
        SightlineError: one of them cannot be.
    """
    for value, known, what in (
        (knobs.network, NETWORKS, "network"), (knobs.rule, RULES, "rule"), (knobs.schedule, SCHEDULES, "schedule"),
    ):  # fmt: skip
        if value not in known:
            raise SightlineError(f"There is no {what} {value} to train with: choose of {', '.join(known)}.")
    for name, least, below in (
        ("rate", 0.0, 1e6), ("body_rate", 0.0, 1e6), ("decay", 0.0, 1e6), ("beta", 0.0, 1.0), ("smoothing", 0.0, 1.0),
        ("dropout", 0.0, 1.0), ("split", 0.0, 1.0),
    ):  # fmt: skip
        value = getattr(knobs, name)
        # a learning rate of 0 would never learn; written so that NaN fails too
        if not (least <= value < below) or (value == 0 and name in ("rate", "split")):
            raise SightlineError(f"{_SAID[name]} of {value:g} cannot be: give a number from {least:g} to {below:g}.")
    for name in ("batch", "epochs"):
        if getattr(knobs, name) < 1:
            raise SightlineError(f"{_SAID[name]} must be 1 or more, not {getattr(knobs, name)}.")
    if min(knobs.head_epochs, knobs.patience, knobs.seed) < 0:
        raise SightlineError("Epochs of the head, patience and seed must be 0 or more.")
    if knobs.size and not 32 <= knobs.size <= 1024:
        raise SightlineError(f"A size of {knobs.size} pixels cannot be trained with: give 32 to 1024, or 0.")


_SAID = {
    "rate": "A learning rate", "body_rate": "A share of the rate", "decay": "A weight decay", "beta": "A beta",
    "smoothing": "A label smoothing", "dropout": "A dropout", "split": "A split",
    "batch": "The batch", "epochs": "The epochs",
}  # fmt: skip
