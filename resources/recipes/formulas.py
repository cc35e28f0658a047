"""Sets the formulas of the lessons as resources/formulas/KEY.svg: `uv run resources/recipes/formulas.py`.

Each is outlines alone (no font is needed to show it) in `currentColor`, which the window replaces by its own.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from engine.learning import lessons as optimizers
from engine.runtime import resources_folder
from engine.saliency.lessons import LESSONS

SIZE = 14.0
"""Of the letters, pixels."""
_MARGIN = 1.0
_GAP = 6.0
"""Between the lines of a formula, pixels."""
_COMMANDS = {1: "M", 2: "L", 3: "Q", 4: "C", 79: "Z"}


def typeset(formula: str) -> str:
    """The SVG of a formula, as high and as wide as it is.

    Args:
        formula: TeX, without the dollars; its lines come one below the other.

    Raises:
        ValueError: it cannot be parsed.
    """
    parts, wide, down = [], 0.0, _MARGIN
    for line in formula.split("\n"):
        drawn, width, height = _line(line, down)
        parts.append(drawn)
        wide, down = max(wide, width), down + height + _GAP
    width, height = (_number(side + _MARGIN) for side in (wide + _MARGIN, down - _GAP))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">'
        f'<path fill="currentColor" d="{"".join(parts)}"/></svg>\n'
    )


def _line(formula: str, top: float) -> tuple[str, float, float]:
    """The outlines of one line that begins at `top`, its width and its height."""
    from matplotlib import rc_context
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath

    with rc_context({"mathtext.fontset": "stix", "text.usetex": False}):
        path = TextPath((0, 0), f"${formula}$", size=SIZE, prop=FontProperties(math_fontfamily="stix"))
    box = path.get_extents()
    across, down = _MARGIN - box.x0, top + box.y1
    parts = []
    for points, code in path.iter_segments(simplify=False, curves=True):
        letter = _COMMANDS[int(code)]
        numbers = "" if letter == "Z" else " ".join(
            _number(value) for x, y in points.reshape(-1, 2) for value in (x + across, down - y)
        )  # fmt: skip
        parts.append(letter + numbers)
    return "".join(parts), box.width, box.height


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def main() -> None:
    folder = resources_folder() / "formulas"
    folder.mkdir(exist_ok=True)
    wanted = {key: lesson.formula for key, lesson in LESSONS.items()} | optimizers.formulas()
    for key, formula in wanted.items():
        part = folder / f".{key}.part"
        part.write_text(typeset(formula), encoding="utf-8", newline="\n")
        part.replace(folder / f"{key}.svg")
    for file in folder.glob("*.svg"):
        if file.stem not in wanted:
            file.unlink()
    print(f"{len(wanted)} formulas in {folder}")


if __name__ == "__main__":
    main()
