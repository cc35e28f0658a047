"""What can be turned while Track runs."""

from dataclasses import dataclass

from engine.knobs import knob


@dataclass(frozen=True, slots=True)
class TrackKnobs:
    """Settings of detection and following. Replaced whole in a `Cell`; read once a frame.

    `classes` holds class names; empty means all of them.
    """

    confidence: float = knob(
        0.25, "Confidence", group="Detect", low=0.01, high=0.99, step=0.01,
        help="A detection below this confidence is left out.",
    )  # fmt: skip
    iou: float = knob(
        0.70, "Overlap (IoU)", group="Detect", low=0.05, high=0.95, step=0.01,
        help="Of two boxes of one class that overlap more than this, the weaker one is left out.",
    )  # fmt: skip
    size: int = knob(
        640, "Size", group="Detect", choices=(320, 416, 512, 640, 800, 960, 1280),
        help="The longer side of the picture that the network sees, in pixels: more finds smaller things, but slower.",
    )  # fmt: skip
    classes: tuple[str, ...] = knob(
        (), "Classes", group="Detect", help="Only these are followed; none chosen means all."
    )
    appearance: float = knob(
        0.30, "Appearance", group="Follow", low=0.02, high=1.0, step=0.01,
        help="How unlike (cosine distance) a detection may look and still be taken for the same track.",
    )  # fmt: skip
    keep_lost: int = knob(
        30, "Keep lost for", group="Follow", low=1, high=300, step=1, unit="frames",
        help="How long a track that is not seen is remembered.",
    )  # fmt: skip
    confirm_after: int = knob(
        2, "Confirm after", group="Follow", low=1, high=30, step=1, unit="frames",
        help="How many frames in a row a new track must be seen before it gets a number.",
    )  # fmt: skip
    sure: float = knob(
        0.65, "Sure at", group="Follow", low=0.0, high=1.0, step=0.05,
        help="A new track that never reaches this confidence waits eight times longer for its number.",
    )  # fmt: skip
    trail: int = knob(
        40, "Trail", group="Show", low=0, high=300, step=5, unit="frames",
        help="How much of where each track has been is drawn.",
    )  # fmt: skip
