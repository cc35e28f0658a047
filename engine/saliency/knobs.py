"""What can be chosen about an explanation."""

from dataclasses import dataclass
from typing import Any

from engine.knobs import knob

BASELINES = ("black", "white", "blur", "mean", "noise", "several")
"""What stands for "nothing there": a colour, the picture blurred, its mean colour, noise, or the average over these."""


@dataclass(frozen=True, slots=True)
class ExplainKnobs:
    """Choices of the methods; each reads what it needs.

    Attributes:
        layer: of the methods that look at one; "" finds it.
        channel: of the layer whose neuron is looked at; -1 finds it.
        relu: of the class activation maps: keep only what speaks for the target.
        baseline: one of `BASELINES`.
        steps: of Integrated Gradients: how many to begin with.
        double: go on with twice the steps until the map is complete to 1 %, up to `MOST_STEPS`.
        samples: noisy copies of SmoothGrad and GradientSHAP.
        noise: their standard deviation, as a share of the picture's range.
        window: side of what Occlusion covers, pixels of the network's square.
        segments: superpixels of the ablation.
        masks: random masks of RISE.
        seed: of everything random.
    """

    layer: str = knob("", "Layer", group="Method", help="Which layer is looked at; empty finds the last with a place.")
    channel: int = knob(
        -1,
        "Channel",
        group="Method",
        help="Of the layer; -1 takes the one that speaks most.",
        low=-1,
        high=4095,
        step=1,
    )
    relu: bool = knob(
        False, "Only evidence for", group="Class activation maps", help="Leave out what speaks against the class."
    )
    baseline: str = knob(
        "black",
        "Baseline",
        group="Integrated Gradients",
        help="What the picture is compared with: it stands for nothing being there.",
        choices=BASELINES,
    )
    steps: int = knob(
        50,
        "Steps",
        group="Integrated Gradients",
        help="Gradients on the way from the baseline.",
        low=5,
        high=800,
        step=5,
    )
    double: bool = knob(
        True,
        "Until complete",
        group="Integrated Gradients",
        help="Double the steps until the map adds up to 1 %, at most 800.",
    )
    samples: int = knob(
        24, "Samples", group="Noise", help="Noisy copies of the picture that are averaged.", low=2, high=200, step=1
    )
    noise: float = knob(
        0.15, "Noise", group="Noise", help="As a share of the picture's range of values.", low=0.01, high=0.5, step=0.01
    )
    window: int = knob(
        32, "Window", group="Occlusion", help="Side of the patch that is covered.", low=4, high=112, step=4, unit="px"
    )
    segments: int = knob(
        60, "Superpixels", group="Superpixels", help="Parts that are taken away one by one.", low=8, high=400, step=4
    )
    masks: int = knob(
        400, "Masks", group="RISE", help="Random masks; more make a smoother map.", low=50, high=8000, step=50
    )
    seed: int = knob(0, "Seed", group="Noise", help="The same seed gives the same map.", low=0, high=9999, step=1)


MOST_STEPS = 800
"""Integrated Gradients stops here, complete or not."""
COMPLETE = 0.01
"""A map whose sum is this near to what it should be, as a share of it, is complete."""
SMALL_GAP = 0.5
"""Under such a gap of logits the error is measured absolutely: a share of almost nothing says nothing."""


def incomplete(values: Any, gap: float) -> float:
    """How far a map's sum is from what it should be: a share of it, or absolutely where it is under `SMALL_GAP`.

    Args:
        values: the map, of any shape; torch.
        gap: what its sum should be.
    """
    return abs(float(values.double().sum()) - gap) / (abs(gap) if abs(gap) >= SMALL_GAP else 1.0)
