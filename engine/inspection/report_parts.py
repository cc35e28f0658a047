"""What a report is put together from: escaped words, pictures inside the file, tables, curves drawn as SVG."""

import base64
import html
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.inspection.metrics import Curve
from engine.inspection.results import AVERAGE, Bank, Kept, Result
from engine.inspection.threshold import KnownScores
from engine.inspection.types import Image

HUES = 6
"""As many colours as the style sheet has for methods."""
_QUALITY = 85
_DIM = 0.35

TABLE = (
    ("image_auroc", "Image AUROC", 100.0, 1),
    ("pixel_auroc", "Pixel AUROC", 100.0, 1),
    ("aupro", "AUPRO", 100.0, 1),
    ("f1", "F1", 100.0, 1),
    ("fit_s", "Fit, s", 1.0, 1),
    ("ms_per_image", "ms a picture", 1.0, 1),
)
"""Field of a `Result`, head, what it is multiplied with, digits."""
_LOW_IS_BEST = ("fit_s", "ms_per_image")


def words(text: object) -> str:
    """Any text as text in HTML: nothing in it is a tag, an entity, or a character that draws nothing."""
    shown = "".join(one if one.isprintable() or one == " " else "\ufffd" for one in str(text))
    return html.escape(shown, quote=True)


def title_of(method: str) -> str:
    """A method's name as people write it, with its settings behind it."""
    from engine.inspection.fit import TITLES

    name = method.partition(",")[0].partition(" (")[0]
    rest = method[len(name) :]
    if rest.startswith(", "):
        rest = f" ({rest[2:]})"
    return TITLES.get(name, name) + rest


def picture(image: Image, alt: str, width: int = 360) -> str:
    """An `<img>` with the picture in it.

    Args:
        image: (H, W, 3) uint8, BGR.
        alt: what it shows, not escaped yet.
        width: the most pixels that the longer side may have.
    """
    height, wide = image.shape[:2]
    scale = width / max(height, wide)
    if scale < 1:
        size = max(1, round(wide * scale)), max(1, round(height * scale))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1]
    code = base64.b64encode(data.tobytes()).decode("ascii")
    size_words = f'width="{image.shape[1]}" height="{image.shape[0]}"'
    return f'<img {size_words} alt="{words(alt)}" src="data:image/jpeg;base64,{code}">'


def figure(inside: str, caption: str) -> str:
    """A picture or drawing (HTML) over its caption (HTML)."""
    return f"<figure>{inside}<figcaption>{caption}</figcaption></figure>"


def number(value: float | None, times: float = 1.0, digits: int = 1) -> str:
    """A figure as it stands in the table; a dash where there is none."""
    return "–" if value is None else f"{value * times:,.{digits}f}"


def table(results: Sequence[Result]) -> str:
    """Category x method with all figures; the best of a category's methods is set off."""
    methods = len({result.method for result in results})
    heads = "".join(f'<th scope="col">{head}</th>' for _name, head, _times, _digits in TABLE)
    rows = [
        "<table><caption>In per cent, but for pictures, seconds and milliseconds"
        + (". The best of each category's methods is set off." if methods > 1 else ".")
        + '</caption><thead><tr><th scope="col" class="words">Category</th><th scope="col" class="words">Method</th>'
        f'<th scope="col">Pictures</th>{heads}</tr></thead><tbody>'
    ]
    before = ""
    # the average over one category says nothing new
    for result in [one for one in results if one.averaged != 1]:
        mean = result.category == AVERAGE
        name = f"Average of {result.averaged}" if mean else result.category
        kind = "mean" if mean else ("first" if before and result.category != before else "")
        before = result.category
        cells = "".join(_cell(result, results, *column) for column in TABLE)
        rows.append(
            f'<tr class="{kind}"><th scope="row">{words(name)}</th><td class="words">{words(title_of(result.method))}'
            f"</td><td>{result.images:,}</td>{cells}</tr>"
        )
    return "".join([*rows, "</tbody></table>"])


def _cell(result: Result, results: Sequence[Result], name: str, _head: str, times: float, digits: int) -> str:
    value = getattr(result, name)
    rivals = [v for other in results if other.category == result.category and (v := getattr(other, name)) is not None]
    best = len(rivals) > 1 and value == (min if name in _LOW_IS_BEST else max)(rivals)
    return f"<td{' class=best' if best else ''}>{number(value, times, digits)}</td>"


def curves(title: str, axes: tuple[str, str], lines: Sequence[tuple[str, Curve, int]], *, chance: bool = False) -> str:
    """Curves over 0..1 as an SVG.

    Args:
        title: what it shows.
        axes: names of x and y.
        lines: name, points and number of the colour of each.
        chance: draw the diagonal of a coin.
    """
    left, top, side = 40, 8, 260
    parts = [f'<svg viewBox="0 0 {left + side + 12} {top + side + 38}" role="img" aria-label="{words(title)}">']
    for tick in (0.0, 0.5, 1.0):
        x, y = left + tick * side, top + (1 - tick) * side
        parts.append(
            f'<path class="axis" d="M{left} {y:g}h{side}M{x:g} {top}v{side}"/>'
            f'<text x="{x:g}" y="{top + side + 15}" text-anchor="middle">{tick:g}</text>'
            f'<text x="{left - 6}" y="{y + 4:g}" text-anchor="end">{tick:g}</text>'
        )
    if chance:
        parts.append(f'<path class="chance" d="M{left} {top + side}L{left + side} {top}"/>')
    for name, curve, hue in lines:
        points = " ".join(
            f"{left + x * side:.1f},{top + (1 - y) * side:.1f}"
            for x, y in zip(curve.x.tolist(), curve.y.tolist(), strict=True)
        )
        parts.append(f'<polyline class="curve s{hue % HUES}" points="{points}"><title>{words(name)}</title></polyline>')
    parts.append(
        f'<text x="{left + side / 2:g}" y="{top + side + 31}" text-anchor="middle">{words(axes[0])}</text>'
        f'<text transform="translate(11 {top + side / 2:g}) rotate(-90)" text-anchor="middle">{words(axes[1])}</text>'
    )
    return "".join([*parts, "</svg>"])


def histogram(title: str, known: KnownScores, threshold: float | None) -> str:
    """How many good and defective pictures have which score, as an SVG."""
    left, top, wide, high = 8, 4, 304, 96
    shown = known.histogram(32)
    most = max(1, int(shown.good.max()), int(shown.bad.max()))
    step = wide / len(shown.good)
    parts = [f'<svg viewBox="0 0 {left + wide + 8} {top + high + 20}" role="img" aria-label="{words(title)}">']
    for counts, kind in ((shown.good, "good"), (shown.bad, "bad")):
        for place, count in enumerate(counts.tolist()):
            if count:
                # the root lets single pictures be seen beside a heap of others
                tall = high * 0.94 * (count / most) ** 0.5
                parts.append(
                    f'<rect class="bar-{kind}" x="{left + place * step + 0.5:.1f}" y="{top + high - tall:.1f}" '
                    f'width="{step - 1:.1f}" height="{tall:.1f}"><title>{count} {kind}</title></rect>'
                )
    parts.append(f'<path class="axis" d="M{left} {top + high}h{wide}"/>')
    for tick in (0.0, 0.5, 1.0):
        anchor = {0.0: "start", 1.0: "end"}.get(tick, "middle")
        parts.append(f'<text x="{left + tick * wide:g}" y="{top + high + 15}" text-anchor="{anchor}">{tick:g}</text>')
    if threshold is not None:
        x = left + min(1.0, max(0.0, threshold)) * wide
        parts.append(f'<path class="limit" d="M{x:.1f} {top}v{high}"><title>threshold {threshold:.3f}</title></path>')
    return "".join([*parts, "</svg>"])


def scatter(title: str, bank: Bank, *, kept: NDArray[np.float32] | None) -> str:
    """Patches as dots on the two directions in which they differ most; those that are kept over the others."""
    both = np.concatenate([bank.before, bank.after])
    low, high = both.min(0), both.max(0)
    scale = 300 / max(float((high - low).max()), 1e-9)
    size = (high - low) * scale + 16
    parts = [f'<svg viewBox="0 0 {size[0]:.0f} {size[1]:.0f}" role="img" aria-label="{words(title)}">']
    parts.append(_dots("dots" if kept is None else "dots faint", (bank.before - low) * scale + 8))
    if kept is not None:
        parts.append(_dots("dots kept", (kept - low) * scale + 8))
    return "".join([*parts, "</svg>"])


def _dots(kind: str, points: Any) -> str:
    # a line of no length with round ends is a dot: one path for thousands of them
    path = "".join(f"M{x:.1f} {y:.1f}h0" for x, y in points.tolist())
    return f'<path class="{kind}" d="{path}"/>'


def kept_patches(kept: Kept) -> Image:
    """A good picture, dark but for the patches that the memory bank keeps."""
    lit = np.zeros(kept.image.shape[:2], bool)
    for left, top, width, height in kept.boxes.tolist():
        lit[round(top) : round(top + height), round(left) : round(left + width)] = True
    dark = (kept.image * _DIM).astype(np.uint8)
    return np.where(lit[:, :, None], kept.image, dark)


def read_small(path: Path, white: float | None) -> Image | None:
    """A picture of the data set, or None where it is gone or damaged by now."""
    from engine.errors import SightlineError
    from engine.inspection.pictures import read_any

    try:
        return read_any(path, white)
    except SightlineError:
        return None
