"""The pictures of a report: a defect and why, the bank before and after, what was called wrongly, similar cases."""

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from engine.errors import SightlineError
from engine.inspection.draw import contours, outlined, picture_with_verdict
from engine.inspection.gallery import Neighbour
from engine.inspection.pictures import read_mask
from engine.inspection.report_parts import figure, kept_patches, picture, read_small, scatter, title_of, words
from engine.inspection.results import Bank, Example, PictureScore, Result
from engine.inspection.showing import square
from engine.inspection.types import Image, Item
from engine.palette import bgr

_TRUTH = "#16a34a"
_FRAME = "#4c9ffe"
_WRONG = 12
"""Wrong pictures of a category and method that are shown."""
_NEAR = 6
_CROP = 96
_LARGE = 400
_WIDER = 1.3
"""Times what a patch's features have seen of its picture, cut out around it."""


def plainest(result: Result, example: Example) -> str:
    """One defect, its map, and for PatchCore its strangest patch beside the nearest good ones."""
    where = f"{words(result.category)}, {words(example.item.kind)}, {words(example.item.path.name)}"
    plain = _drawn_large(example.image)
    shown = [
        figure(picture(plain, "A defective picture", _LARGE), f"A picture of this run: {where}"),
        figure(picture(_map(example, outline=False), "Its map", _LARGE), "What glows was not seen in a good picture"),
        figure(picture(_map(example), "The verdict", _LARGE), _outlined_at(example)),
    ]
    parts = [f"<div class='three'>{''.join(shown)}</div>"]
    if example.nearest:
        parts.append(
            "<p>Its strangest patch, and the good patches of the memory bank that are nearest to it, with their "
            f"distance:</p>{_nearest(example)}"
        )
    return "".join(parts)


def bank_pictures(bank: Bank, category: str) -> str:
    """Before the coreset and after it."""
    if bank.kept >= bank.patches:
        many = f"<p>In this run the bank keeps all {bank.patches:,} patches of {words(category)}.</p>"
    else:
        many = (
            f"<p>In this run, for {words(category)}: of {bank.patches:,} patches the coreset keeps {bank.kept:,}. Each "
            f"dot is a patch; patches that look alike lie close together (drawn are the two directions in which they "
            f"differ most, which hold {bank.share * 100:.0f} % of the differences).</p>"
        )
    plots = [
        figure(
            scatter("All patches", bank, kept=None), f"Before: all {bank.patches:,} patches, {len(bank.before):,} drawn"
        ),
        figure(scatter("The coreset", bank, kept=bank.after), f"After: the {bank.kept:,} in the memory bank"),
    ]
    if bank.kept < bank.patches:
        few = bank.before[: max(1, round(len(bank.before) * bank.kept / bank.patches))]
        plots.append(
            figure(
                scatter("A random choice", bank, kept=few),
                f"For comparison: as small a share at random ({len(few):,} of the dots) stays in the crowd",
            )
        )
    parts = [many, f"<div class='three'>{''.join(plots)}</div>"]
    if len(bank.first):
        parts.append(
            "<p>Patches taken at random, and those that the coreset takes first, each as different as can be:</p>"
        )
        for crops, word in ((bank.any, "At random"), (bank.first, "Taken first by the coreset")):
            cells = "".join(picture(crop, word, 56) for crop in crops)
            parts.append(figure(f"<div class='patches'>{cells}</div>", word))
    if bank.pictures and bank.kept < bank.patches:
        parts.append("<p>Good pictures, lit where the memory bank keeps a patch:</p>")
        cells = "".join(
            figure(picture(kept_patches(one), "Kept patches", 256), f"{len(one.boxes):,} patches kept")
            for one in bank.pictures
        )
        parts.append(f"<div class='four'>{cells}</div>")
    return "".join(parts)


def example_pictures(example: Example, result: Result) -> str:
    """One test picture: as it is, its map, and why."""
    verdict, limit = example.verdict, result.threshold if result.threshold is not None else example.verdict.threshold
    called = verdict.score >= limit
    wrong = "a false alarm" if called else "missed"
    right = "called rightly" if called == example.item.abnormal else wrong
    truth, marked = _drawn_large(example.image), ""
    if example.mask is not None and example.mask.any():
        mask = _drawn_large(example.mask.astype(np.float32))
        truth = outlined(truth, contours(mask, 0.5), _TRUTH)
        marked = ", the defect outlined in green as the data set marks it"
    mark = "good" if right == "called rightly" else "bad"
    head = (
        f"<p><strong>{words(example.item.kind)}</strong> · {words(example.item.path.name)} · "
        f"score {verdict.score:.2f}, threshold {limit:.2f} · <span class='{mark}'>{right}</span></p>"
    )
    shown = [
        figure(picture(truth, f"{example.item.kind}, {example.item.path.name}", _LARGE), f"The picture{marked}"),
        figure(picture(_map(example), "Its map over the picture", _LARGE), _outlined_at(example)),
    ]
    if example.nearest:
        shown.append(figure(_nearest(example), "Why: its hottest patch, and the nearest good ones with their distance"))
    return f"<div class='example'>{head}<div class='three'>{''.join(shown)}</div></div>"


def _outlined_at(example: Example) -> str:
    return f"Its map, outlined where it reaches {example.verdict.threshold:.2f}"


def _map(example: Example, *, outline: bool = True) -> Image:
    large = _drawn_large(example.image)
    verdict = replace(example.verdict, map=_drawn_large(example.verdict.map))
    return picture_with_verdict(large, verdict, contour=outline, words=False)


def _drawn_large(pixels: Any) -> Any:
    """As large as it is shown: outlines drawn on a small picture would be broad ones."""
    height, width = pixels.shape[:2]
    scale = _LARGE / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    smooth = cv2.INTER_LINEAR if pixels.dtype == np.float32 else cv2.INTER_CUBIC
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA if scale < 1 else smooth)


def _nearest(example: Example) -> str:
    """The hottest patch with what surrounds it, then the nearest good ones, all equally large."""
    side = _WIDER * max(example.nearest[0].box[2:])
    crop = square(example.image, *example.verdict.hottest, side, _CROP)
    cells = [figure(picture(crop, "The hottest patch", _CROP), "this one")]
    for one in example.nearest[:_NEAR]:
        left, top, width, height = one.box
        crop = square(one.picture, left + width / 2, top + height / 2, _WIDER * max(width, height), _CROP)
        name = words(Path(one.path).name)
        cells.append(f"<div title='{name}'>{figure(picture(crop, 'A good patch', _CROP), f'{one.distance:.2f}')}</div>")
    return f"<div class='near'>{''.join(cells)}</div>"


def wrong_pictures(result: Result) -> str:
    head = f"<h3>{words(result.category)}, {words(title_of(result.method))}</h3>"
    if not result.wrong:
        return head + "<p>Nothing: at the best threshold every picture is called rightly.</p>"
    missed = sum(seen.item.abnormal for seen in result.wrong)
    alarms = len(result.wrong) - missed
    limit = "" if result.threshold is None else f" at the threshold {result.threshold:.2f}"
    said = (
        f"<p>{missed:,} missed and {alarms:,} false alarm{'s' if alarms != 1 else ''} of {result.images:,} pictures"
        f"{limit}, the worst first.</p>"
    )
    white = result.card.white if result.card is not None else None
    cells = "".join(_wrong_one(seen, white) for seen in result.wrong[:_WRONG])
    more = len(result.wrong) - _WRONG
    rest = f"<p class='quiet'>And {more:,} more; they are in the JSON file of the numbers.</p>" if more > 0 else ""
    return f"{head}{said}<div class='six'>{cells}</div>{rest}"


def _wrong_one(seen: PictureScore, white: float | None) -> str:
    image = read_small(seen.item.path, white)
    word = "missed" if seen.item.abnormal else "false alarm"
    inside = picture(image, f"{seen.item.kind}, {word}", 192) if image is not None else _gone()
    kind = words(seen.item.kind)
    return figure(inside, f"<b class='bad'>{word}</b> · {kind} · {seen.score:.2f}<br>{words(seen.item.path.name)}")


def _gone() -> str:
    return "<div class='none'>not here any more</div>"


def similar_said() -> str:
    """What the most similar test pictures show."""
    return (
        "<p>Can a defect be found again by how it looks? Each of these pictures is compared with all other test "
        "pictures by what is abnormal in it. The five that are most like it stand beside it, the most similar first "
        "(similarity 1: alike), with the defect outlined in green where the data set marks it. The comparison knows "
        "neither the kinds nor the marks.</p>"
    )


def similar_pictures(item: Item, neighbours: Sequence[Neighbour], result: Result | None = None) -> str:
    """One picture and the cases that look most like it.

    Args:
        item: that was asked for.
        neighbours: the most similar first.
        result: whose test pictures all of them are; None for cases of a gallery.
    """
    masks: dict[str, Path | None] = {}
    white, there = None, ""
    if result is not None:
        # a case's path is absolute, a category's need not be
        masks = {os.path.abspath(seen.item.path): seen.item.mask for seen in result.scores}  # noqa: PTH100
        white = result.card.white if result.card is not None else None
        others = sum(seen.item.kind == item.kind for seen in result.scores) - 1
        there = f"; the test has {others or 'no'} other{'s' if others > 1 else ''}"
    asked = _alike(item.path, f"{item.kind}, asked for", item.mask if result is not None else None, white, framed=True)
    cells = [figure(asked, f"<b>asked for</b> · {words(item.kind)}<br>{words(item.path.name)}")]
    for near in neighbours:
        path = Path(near.case.path)
        inside = _alike(path, f"{near.case.kind}, similar", masks.get(near.case.path), white)
        caption = f"{words(near.case.kind)} · similarity {near.similarity:.2f}<br>{words(path.name)}"
        cells.append(figure(inside, caption))
    same = sum(near.case.kind == item.kind for near in neighbours)
    said = (
        f"{same} of {len(neighbours)} are of the same kind ({words(item.kind)}){there}."
        if neighbours
        else "There are none."
    )
    return f"<div class='example'><p>{said}</p><div class='six'>{''.join(cells)}</div></div>"


def _alike(path: Path, alt: str, mask: Path | None, white: float | None, *, framed: bool = False) -> str:
    """A picture of a row of similar ones, its defect outlined where a mask can be read."""
    image = read_small(path, white)
    if image is None:
        return _gone()
    drawn = _drawn_large(image)
    if framed:
        # below the outline: a defect may lie at the edge
        drawn = _framed(drawn)
    if mask is not None:
        # what is wrong with a mask was said when the pixels were counted
        with suppress(SightlineError):
            truth = _drawn_large(read_mask(mask, image.shape[:2]).astype(np.float32))
            drawn = outlined(drawn, contours(truth, 0.5), _TRUTH)
    return picture(drawn, alt, 192)


def _framed(image: Image) -> Image:
    drawn = image.copy()
    width = max(2, max(image.shape[:2]) // 48)
    cv2.rectangle(drawn, (0, 0), (image.shape[1] - 1, image.shape[0] - 1), bgr(_FRAME), 2 * width)
    return drawn
