"""What can be seen of a model as it is now: its answers over the plane, its neurons, its mistakes, its figures."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.learning import metrics
from engine.learning.problems import test_figures
from engine.learning.tables import Plane, Table
from engine.optimizers.problem import Problem
from engine.optimizers.slices import Field, grid
from engine.palette import bgr

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Curve = tuple[Floats, Floats]
Part = tuple[float, float, float, float]
NEURON = 32
"""Values along each side of a neuron's picture."""
BANDS = 9
"""Colours that points with a number get."""
_MARGIN, _MOST_CURVE, _FINE = 0.12, 1000, 4


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What is seen of a model.

    Attributes:
        classes: names of the classes, () for a number.
        span: what the lowest and the highest colour stand for: 0..1 of two classes, the labels' range of a number.
        boundary: answers over the plane, row 0 at the bottom: of two classes the share of the second (0..1, squashed
            by a sigmoid), of more the index of the best, of a number the answer. None without a plane, or where the
            model has diverged.
        sure: of more than two classes the share of the best, 0..1 (softmax of the scores).
        inputs: names of the numbers of a row without the constant.
        input_pictures: (F, 32, 32) float32, each of these numbers over the plane; None without one.
        neurons: of each layer (width, 32, 32) float32, hidden ones after their activation, then the output's scores.
        weights: of each layer (out, in) weights and (out,) biases; () for what is no network.
        confusion: (C, C) int64, rows the truth, columns what was said; None for a number or without a test part.
        roc: false and true positive rates, precision over recall likewise in `pr` (recall, precision); of two classes
            under the second one's name, of more under each one's name, it against the rest.
        figures: of the test part, see `engine.learning.problems.test_figures`.
    """

    classes: tuple[str, ...]
    span: tuple[float, float]
    boundary: Field | None = None
    sure: Field | None = None
    inputs: tuple[str, ...] = ()
    input_pictures: Singles | None = None
    neurons: tuple[Singles, ...] | None = None
    weights: tuple[tuple[Floats, Floats], ...] = ()
    confusion: NDArray[np.int64] | None = None
    roc: dict[str, Curve] | None = None
    pr: dict[str, Curve] | None = None
    figures: dict[str, float] | None = None


def look(
    problem: Problem, table: Table, theta: Floats, size: int = 64, test: bool = True, part: Part | None = None
) -> Look:
    """Look at a model; a few milliseconds for small ones.

    Args:
        problem: made of `table`.
        table: what it learns from.
        theta: (P,) float64, one replicate's parameters.
        size: values along each side of the boundary.
        test: whether the rows kept aside are looked at too.
        part: x0, x1, y0, y1 of the plane; what `plane_room` says if None.
    """
    import torch

    theta = np.ascontiguousarray(theta, dtype=np.float64).reshape(-1)
    network: Any = problem if hasattr(problem, "neurons") else None
    layers = tuple(network.layers(theta)) if network is not None else ()
    span = (0.0, 1.0) if table.classes else _span(table.y)
    inputs = tuple(table.names[:-1])
    if not np.isfinite(theta).all():
        return Look(table.classes, span, inputs=inputs, weights=layers)
    many = torch.from_numpy(theta).to(problem.dtype)[None]
    boundary = sure = pictures = neurons = None
    if table.plane is not None:
        part = part or plane_room(table.plane)
        boundary, sure = _boundary(problem, table.plane, many, part, size, len(table.classes))
        # neurons are seen over all rows, wherever a person looks closer
        rows = table.plane.lift(grid(*plane_room(table.plane), NEURON))
        pictures = _pictures(rows[:, :-1])
        if network is not None:
            neurons = tuple(_pictures(seen) for seen in network.neurons(theta, rows))
    confusion = roc = pr = figures = None
    answers: Any = problem.answers(many) if test and hasattr(problem, "answers") else None
    if answers is not None and np.isfinite(np.asarray(answers[0])).all():
        figures = test_figures(problem, many)
        if table.classes:
            scores, truth = np.asarray(answers[0])[0], np.asarray(answers[1])
            said = (scores > 0).astype(np.int64) if scores.ndim == 1 else scores.argmax(1)
            confusion = metrics.confusion(truth, said, len(table.classes))
            roc, pr = _curves(truth, scores, table.classes)
    return Look(table.classes, span, boundary, sure, inputs, pictures, neurons, layers, confusion, roc, pr, figures)


def plane_room(plane: Plane) -> Part:
    """A part of the plane with all rows in it and a margin around them, both axes to one scale."""
    points = np.concatenate([plane.train, plane.test])
    points = points[np.isfinite(points).all(1)]
    if not len(points):
        return -1.0, 1.0, -1.0, 1.0
    low, high = points.min(0), points.max(0)
    side = float((high - low).max()) or 1.0
    (x, y), half = (low + high) / 2, side * (0.5 + _MARGIN)
    return float(x - half), float(x + half), float(y - half), float(y + half)


def _span(labels: Floats) -> tuple[float, float]:
    low, high = (float(np.min(labels)), float(np.max(labels))) if len(labels) else (0.0, 0.0)
    return (low, high) if high > low else (low - 1, low + 1)


def _boundary(
    problem: Any, plane: Plane, theta: Any, part: Part, size: int, classes: int
) -> tuple[Field, Field | None]:
    import torch

    rows = torch.from_numpy(np.ascontiguousarray(plane.lift(grid(*part, size)))).to(problem.dtype)
    scores = problem.scores(theta, rows)[0]
    if classes == 2:
        scores = scores.sigmoid()
    if scores.ndim == 1:
        return Field(*part, scores.numpy().astype(np.float32).reshape(size, size)), None
    share, best = scores.softmax(1).max(1)
    made = [one.numpy().astype(np.float32).reshape(size, size) for one in (best, share)]
    return Field(*part, made[0]), Field(*part, made[1])


def _pictures(columns: Floats) -> Singles:
    """(k * k, n) as (n, k, k)."""
    return np.ascontiguousarray(columns.T, dtype=np.float32).reshape(columns.shape[1], NEURON, NEURON)


def _curves(truth: Floats, scores: Floats, names: tuple[str, ...]) -> tuple[dict[str, Curve], dict[str, Curve]]:
    roc: dict[str, Curve] = {}
    pr: dict[str, Curve] = {}
    columns = [(1, scores)] if scores.ndim == 1 else list(enumerate(scores.T))
    for number, column in columns:
        labels = (truth == number).astype(np.float64)
        if not 0 < labels.sum() < len(labels):
            continue
        roc[names[number]] = _thinned(*metrics.roc(labels, column))
        precision, recall = metrics.precision_recall(labels, column)
        # nothing is found above the highest score
        pr[names[number]] = _thinned(np.append(0.0, recall), np.append(precision[0], precision))
    return roc, pr


def _thinned(x: Floats, y: Floats) -> Curve:
    """At most about a thousand points: what is drawn needs no more."""
    if len(x) <= _MOST_CURVE:
        return x, y
    kept = np.unique(np.linspace(0, len(x) - 1, _MOST_CURVE).round().astype(int))
    return x[kept], y[kept]


def bands(labels: Floats, look: Look) -> NDArray[np.int64]:
    """Which colour a row's point has: its class, or 0..`BANDS` - 1 for where its number lies in the labels' range."""
    if look.classes:
        return labels.astype(np.int64)
    low, high = look.span
    return np.clip((labels - low) / (high - low) * BANDS, 0, BANDS - 1).astype(np.int64)


def said_at(look: Look, x: float, y: float) -> str:
    """What a model answers at a place of the plane, in words; "" where nothing is known."""
    value = None if look.boundary is None else look.boundary.at(x, y)
    if value is None or not np.isfinite(value):
        return ""
    if not look.classes:
        return f"answer {value:.3g}"
    if look.sure is None:
        best = int(value > 0.5)
        return f"{look.classes[best]} ({100 * (value if best else 1 - value):.0f} %)"
    field = look.sure
    height, width = field.values.shape
    # classes have no value between them: the nearest one
    row = round((y - field.y0) / (field.y1 - field.y0) * (height - 1))
    column = round((x - field.x0) / (field.x1 - field.x0) * (width - 1))
    assert look.boundary is not None
    best = int(look.boundary.values[row, column])
    return f"{look.classes[best]} ({100 * float(field.values[row, column]):.0f} %)"


# -- as colours


def shades(values: Singles, low: float, high: float, colours: tuple[str, str], ground: str) -> NDArray[np.uint8]:
    """Values as colours between two, through the ground's in the middle.

    Args:
        values: (..., h, w) float32; what is no number is the ground.
        low, high: what has the first and the second colour.
        colours, ground: "#rrggbb".

    Returns:
        (..., h, w, 4) uint8 BGRA, the rows turned over: the first is the top one.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        share = np.nan_to_num((values - low) / max(high - low, 1e-30), nan=0.5, posinf=1.0, neginf=0.0)
    place = (np.clip(share, 0, 1) * 255).astype(np.uint8)
    made: NDArray[np.uint8] = _ramp(colours, ground)[place[..., ::-1, :]]
    return made


def boundary_shades(look: Look, colours: tuple[str, ...], ground: str) -> NDArray[np.uint8]:
    """A look's boundary as colours, finer than it was computed, so that a sharp one is a line and no row of dots.

    Args:
        look: with a boundary.
        colours: of the classes; two of what is low and high where there are two classes or a number.
        ground: "#rrggbb", of what is undecided.

    Returns:
        (h, w, 4) uint8 BGRA over the same places, the first row is the top one.
    """
    import cv2

    assert look.boundary is not None
    values = look.boundary.values
    size = (_FINE * values.shape[1], _FINE * values.shape[0])
    if look.sure is not None:
        best = cv2.resize(values, size, interpolation=cv2.INTER_NEAREST)
        return class_shades(best, cv2.resize(look.sure.values, size, interpolation=cv2.INTER_LINEAR), colours, ground)
    fine = cv2.resize(values, size, interpolation=cv2.INTER_LINEAR)
    return shades(fine, *look.span, (colours[0], colours[-1]), ground)


def neuron_shades(look: Look, colours: tuple[str, str], ground: str, most: int) -> list[NDArray[np.uint8]]:
    """The pictures of a network's inputs, hidden neurons and outputs as colours.

    Args:
        look: at a network with a plane.
        colours, ground: as in `shades`: of what is negative and positive.
        most: of each layer, the first ones.

    Returns:
        Of each layer (n, 32, 32, 4) uint8 BGRA.
    """
    assert look.input_pictures is not None
    assert look.neurons is not None
    made = []
    for number, layer in enumerate([look.input_pictures, *look.neurons]):
        some = layer[:most]
        if number == len(look.neurons) and not look.classes:
            low, high = look.span
        else:
            # a neuron that hardly says anything is not made to shout
            sizes = np.abs(np.nan_to_num(some, posinf=0.0, neginf=0.0)).max((1, 2), initial=0.0)
            scale = np.maximum(sizes, 1.0)[:, None, None]
            some, low, high = some / scale, -1.0, 1.0
        made.append(shades(some, low, high, colours, ground))
    return made


def class_shades(best: Singles, sure: Singles, colours: tuple[str, ...], ground: str) -> NDArray[np.uint8]:
    """The best class's colour, stronger where it is surer.

    Args:
        best, sure: (h, w) float32, indices of classes and 0..1.
        colours: of the classes, taken anew from the first where there are more of them.
        ground: what an answer that is a mere guess looks like.

    Returns:
        (h, w, 4) uint8 BGRA, the first row is the top one.
    """
    ramps = _ramps(colours, ground)
    which = np.nan_to_num(best).astype(np.intp) % len(colours)
    return ramps[which, (np.clip(np.nan_to_num(sure), 0, 1) * 255).astype(np.intp)][::-1].copy()


@lru_cache(maxsize=16)
def _ramps(colours: tuple[str, ...], ground: str) -> NDArray[np.uint8]:
    """(C, 256, 4) uint8, of each colour from the ground to it."""
    share = np.linspace(0, 1, 256)[:, None]
    return np.stack([_opaque(_bgr(ground) + (_bgr(colour) - _bgr(ground)) * share) for colour in colours])


@lru_cache(maxsize=16)
def _ramp(colours: tuple[str, str], ground: str) -> NDArray[np.uint8]:
    """(256, 4) uint8."""
    low, high, middle = _bgr(colours[0]), _bgr(colours[1]), _bgr(ground)
    share = np.linspace(-1, 1, 256)[:, None]
    return _opaque(middle + np.where(share < 0, low - middle, high - middle) * np.abs(share))


def _bgr(colour: str) -> Floats:
    return np.array(bgr(colour), np.float64)


def _opaque(colours: Floats) -> NDArray[np.uint8]:
    return np.concatenate([colours, np.full((*colours.shape[:-1], 1), 255.0)], -1).round().astype(np.uint8)
