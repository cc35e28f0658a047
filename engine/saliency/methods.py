"""The table of methods: what each is called, what it needs, where it is from. Whoever asks looks it up here."""

from collections.abc import Callable
from dataclasses import dataclass

from engine.errors import SightlineError
from engine.job import Job
from engine.saliency.ask import Ask
from engine.saliency.cams import eigen_cam, grad_cam, grad_cam_plus_plus
from engine.saliency.gradient_methods import (
    deep_lift,
    gradient_shap,
    guided_backprop,
    guided_grad_cam,
    input_x_gradient,
    saliency,
    smooth_grad,
)
from engine.saliency.integrated_gradients import integrated_gradients
from engine.saliency.layer_methods import layer_conductance, neuron
from engine.saliency.perturbation_methods import occlusion, rise, superpixels
from engine.saliency.types import Explanation


@dataclass(frozen=True, slots=True)
class Method:
    """One way to explain.

    Attributes:
        key: how the command line and files call it.
        title: how people call it.
        run: the job.
        paper: who and when, and its address.
        layer: whether it looks at a layer.
        signed: whether its map tells evidence for from evidence against.
        fine: whether its map is as fine as the picture (it is smoothed before it is looked at).
        promises: whether the map's sum is what it explains (completeness).
        knobs: the fields of `ExplainKnobs` that it reads.
    """

    key: str
    title: str
    run: Callable[[Ask], Job[Explanation]]
    paper: str
    layer: bool = False
    signed: bool = True
    fine: bool = True
    promises: bool = False
    knobs: tuple[str, ...] = ()


_ALL = (
    Method(
        "integrated_gradients", "Integrated Gradients", integrated_gradients,
        "Sundararajan, Taly, Yan 2017, https://arxiv.org/abs/1703.01365", promises=True,
        knobs=("baseline", "steps", "double", "seed"),
    ),
    Method(
        "grad_cam", "Grad-CAM", grad_cam, "Selvaraju et al. 2017, https://arxiv.org/abs/1610.02391",
        layer=True, fine=False, knobs=("layer", "relu"),
    ),
    Method("saliency", "Saliency", saliency, "Simonyan et al. 2013, https://arxiv.org/abs/1312.6034", signed=False),
    Method(
        "input_x_gradient", "Input x Gradient", input_x_gradient,
        "Shrikumar et al. 2016, https://arxiv.org/abs/1605.01713",
    ),
    Method(
        "smooth_grad", "SmoothGrad", smooth_grad, "Smilkov et al. 2017, https://arxiv.org/abs/1706.03825",
        signed=False, knobs=("samples", "noise", "seed"),
    ),
    Method(
        "guided_backprop", "Guided Backprop", guided_backprop,
        "Springenberg et al. 2014, https://arxiv.org/abs/1412.6806", signed=False,
    ),
    Method(
        "guided_grad_cam", "Guided Grad-CAM", guided_grad_cam,
        "Selvaraju et al. 2017, https://arxiv.org/abs/1610.02391", layer=True, signed=False, knobs=("layer",),
    ),
    Method(
        "grad_cam_plus_plus", "Grad-CAM++", grad_cam_plus_plus,
        "Chattopadhay et al. 2018, https://arxiv.org/abs/1710.11063", layer=True, fine=False, knobs=("layer", "relu"),
    ),
    Method(
        "eigen_cam", "Eigen-CAM", eigen_cam, "Muhammad, Yeasin 2020, https://arxiv.org/abs/2008.00299",
        layer=True, fine=False, knobs=("layer", "relu"),
    ),
    Method(
        "deep_lift", "DeepLift", deep_lift, "Shrikumar et al. 2017, https://arxiv.org/abs/1704.02685",
        promises=True, knobs=("baseline", "seed"),
    ),
    Method(
        "gradient_shap", "GradientSHAP", gradient_shap, "Lundberg, Lee 2017, https://arxiv.org/abs/1705.07874",
        promises=True, knobs=("baseline", "samples", "noise", "seed"),
    ),
    Method(
        "occlusion", "Occlusion", occlusion, "Zeiler, Fergus 2013, https://arxiv.org/abs/1311.2901",
        fine=False, knobs=("baseline", "window", "seed"),
    ),
    Method(
        "superpixels", "Superpixel ablation", superpixels,
        "Achanta et al. 2012, https://doi.org/10.1109/TPAMI.2012.120", fine=False,
        knobs=("baseline", "segments", "seed"),
    ),
    Method(
        "rise", "RISE", rise, "Petsiuk, Das, Saenko 2018, https://arxiv.org/abs/1806.07421",
        fine=False, knobs=("baseline", "masks", "seed"),
    ),
    Method(
        "layer_conductance", "Layer Conductance", layer_conductance,
        "Dhamdhere, Sundararajan, Yan 2018, https://arxiv.org/abs/1805.12233", layer=True, fine=False, promises=True,
        knobs=("layer", "baseline", "steps", "seed"),
    ),
    Method(
        "neuron", "Neuron", neuron, "Sundararajan, Taly, Yan 2017, https://arxiv.org/abs/1703.01365",
        layer=True, promises=True, knobs=("layer", "channel", "baseline", "steps", "double", "seed"),
    ),
)  # fmt: skip

METHODS: dict[str, Method] = {method.key: method for method in _ALL}
"""By key, in the order in which they are offered."""


def method(key: str) -> Method:
    """The method of this name.

    Raises:
        SightlineError: there is none.
    """
    found = METHODS.get(key.strip().lower().replace("-", "_").replace(" ", "_").replace("++", "_plus_plus"))
    if found is None:
        raise SightlineError(f"There is no method {key}: choose one of {', '.join(METHODS)}.")
    return found
