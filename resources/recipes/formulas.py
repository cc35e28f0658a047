"""Sets the formulas of the lessons as resources/formulas/KEY.svg: `uv run resources/recipes/formulas.py`.

Each is outlines alone (no font is needed to show it) in `currentColor`, which the window replaces by its own.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from engine.runtime import resources_folder
from engine.saliency.lessons import LESSONS

SIZE = 14.0
"""Of the letters, pixels."""
_MARGIN = 1.0
_COMMANDS = {1: "M", 2: "L", 3: "Q", 4: "C", 79: "Z"}


def typeset(formula: str) -> str:
    """The SVG of a formula, as high and as wide as it is.

    Args:
        formula: TeX, without the dollars.

    Raises:
        ValueError: it cannot be parsed.
    """
    from matplotlib import rc_context
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath

    with rc_context({"mathtext.fontset": "stix", "text.usetex": False}):
        path = TextPath((0, 0), f"${formula}$", size=SIZE, prop=FontProperties(math_fontfamily="stix"))
    box = path.get_extents()
    across, down = _MARGIN - box.x0, _MARGIN + box.y1
    parts = []
    for points, code in path.iter_segments(simplify=False, curves=True):
        letter = _COMMANDS[int(code)]
        numbers = "" if letter == "Z" else " ".join(
            _number(value) for x, y in points.reshape(-1, 2) for value in (x + across, down - y)
        )  # fmt: skip
        parts.append(letter + numbers)
    wide, high = (_number(side + 2 * _MARGIN) for side in (box.width, box.height))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide}" height="{high}" viewBox="0 0 {wide} {high}">'
        f'<path fill="currentColor" d="{"".join(parts)}"/></svg>\n'
    )


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def main() -> None:
    folder = resources_folder() / "formulas"
    folder.mkdir(exist_ok=True)
    for key, lesson in LESSONS.items():
        part = folder / f".{key}.part"
        part.write_text(typeset(lesson.formula), encoding="utf-8", newline="\n")
        part.replace(folder / f"{key}.svg")
    for file in folder.glob("*.svg"):
        if file.stem not in LESSONS:
            file.unlink()
    print(f"{len(LESSONS)} formulas in {folder}")


if __name__ == "__main__":
    main()
