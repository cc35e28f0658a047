"""The settings of a fit: the form, the command line and the model's card are made from the same fields."""

from dataclasses import dataclass

from engine.knobs import knob

METHODS = ("patchcore", "efficientad")
"""Sightline's own; any other image model of anomalib can be named as well."""

AUTO = "auto"


@dataclass(frozen=True, slots=True)
class FitKnobs:
    """How a model is fitted.

    Attributes:
        method: "patchcore", "efficientad", or the name of an image model of anomalib.
        backbone: a network of torchvision or timm; "auto" is MobileNetV2 with the best weights at hand.
        weights: a file of weights for it; "" looks for its card.
        layers: names of the layers whose features are compared; () means the backbone's usual ones.
        coreset: share of the patches that the memory bank keeps, 0..1.
        size: pixels that a picture (or a tile) is resized to, both sides.
        crop: pixels of the centre crop after resizing; 0 means none.
        keep_shape: resize the shorter side to `size` and keep the proportions, instead of making it square.
        neighbours: b of the paper's reweighting; 1 switches it off.
        precision: "float32", or "bfloat16" for the nearest-neighbour search (faster where the CPU has it, approximate).
        projection: dimensions in which the coreset is chosen: 0 = as anomalib (Johnson-Lindenstrauss), -1 = none.
        memory_mib: the most that the patches may take while fitting; more are thinned out evenly, and it is said.
        tile: pictures whose longer side is above this many pixels are cut into tiles of it; 0 means never.
        region: left, top, width, height of the region of interest, as shares of the picture.
        steps: training steps of EfficientAD and of the trained models of anomalib.
        model_size: "small" or "medium", of EfficientAD.
        teacher: a file of EfficientAD's teacher weights; "" looks for its card, then distils one from the backbone.
        pretraining: a folder of any pictures, EfficientAD's penalty (ImageNette in the paper).
        quantile: of the good pictures' scores that is the threshold before bad ones are known, 0..1.
    """

    method: str = knob("patchcore", "Method", group="Method")
    backbone: str = knob(AUTO, "Backbone", group="Method", help="The network whose features are compared.")
    weights: str = ""
    layers: tuple[str, ...] = ()
    coreset: float = knob(
        0.1,
        "Coreset",
        group="Method",
        low=0.01,
        high=1.0,
        step=0.01,
        unit="%",
        help="Share of the patches that is kept.",
    )
    size: int = knob(256, "Size", group="Method", choices=(128, 224, 256, 320, 384, 512), unit="px",
                     help="Pictures are resized to this many pixels a side.")  # fmt: skip
    crop: int = knob(0, "Centre crop", group="Method", choices=(0, 224), words=("none", "224 px"),
                     help="Cut away the border after resizing, as the paper does at 256 px.")  # fmt: skip
    keep_shape: bool = False
    neighbours: int = 9
    precision: str = "float32"
    projection: int = 0
    memory_mib: int = 2048
    tile: int = 1024
    region: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)
    steps: int = 1000
    model_size: str = "small"
    teacher: str = ""
    pretraining: str = ""
    quantile: float = 0.99
