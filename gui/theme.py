"""Colours, the style sheet and the icons: one place for how everything looks."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from PySide6.QtCore import QByteArray, QRectF, Qt
from PySide6.QtGui import QColor, QGuiApplication, QIcon, QPainter, QPalette, QPixmap
from PySide6.QtWidgets import QApplication

from engine.palette import SERIES
from engine.runtime import resources_folder

SERIES_ON_LIGHT = ("#1667d9", "#9a5b00", "#0b7a4b", "#b3236f", "#6d3fd4", "#c02626")
"""The series hues, dark enough to be read as text on white."""


@dataclass(frozen=True, slots=True)
class Theme:
    """The colours of one theme, as "#rrggbb"."""

    name: str
    ground: str
    panel: str
    line: str
    text: str
    quiet: str
    accent: str
    on_accent: str
    picture: str
    control: str
    hover: str
    tint: str
    good: str
    warning: str
    danger: str
    series_text: tuple[str, ...]


DARK = Theme(
    name="dark", ground="#16181d", panel="#1d2027", line="#2b2f38", text="#e6e8ec", quiet="#9aa1ad",
    accent="#4c9ffe", on_accent="#0e0f12", picture="#0e0f12", control="#262a33", hover="#303541", tint="#1d3550",
    good="#3ecf8e", warning="#ffb02e", danger="#ff8080", series_text=SERIES,
)  # fmt: skip
LIGHT = Theme(
    name="light", ground="#f6f7f9", panel="#ffffff", line="#dfe3e8", text="#1c2128", quiet="#626b78",
    accent="#1667d9", on_accent="#ffffff", picture="#e9ebef", control="#eff1f4", hover="#e8ebef", tint="#e7f0fe",
    good="#0b7a4b", warning="#8a5200", danger="#b91c1c", series_text=SERIES_ON_LIGHT,
)  # fmt: skip
THEMES = {"dark": DARK, "light": LIGHT}


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours, 1..21 (WCAG 2.2, relative luminance)."""

    def luminance(colour: str) -> float:
        c = QColor(colour)
        parts = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in (c.redF(), c.greenF(), c.blueF())]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def series_text(number: int) -> str:
    """The colour of the `number`-th track, rule or class where it is text on a panel."""
    colours = current().series_text
    return colours[number % len(colours)]


_current = DARK


def current() -> Theme:
    """The theme in use."""
    return _current


def wanted(choice: str) -> Theme:
    """The theme for the setting "dark", "light" or "system"."""
    if choice in THEMES:
        return THEMES[choice]
    light = QGuiApplication.styleHints().colorScheme() == Qt.ColorScheme.Light
    return LIGHT if light else DARK


def apply(app: QApplication, theme: Theme) -> None:
    """Give the whole application these colours; widgets that paint themselves read `current()`."""
    global _current
    _current = theme
    _pixmap.cache_clear()
    app.setStyle("Fusion")
    palette = QPalette()
    role = QPalette.ColorRole
    for which, colour in {
        role.Window: theme.panel, role.Base: theme.panel, role.AlternateBase: theme.ground, role.Button: theme.control,
        role.WindowText: theme.text, role.Text: theme.text, role.ButtonText: theme.text, role.ToolTipBase: theme.panel,
        role.ToolTipText: theme.text, role.PlaceholderText: theme.quiet, role.Highlight: theme.accent,
        role.HighlightedText: theme.on_accent, role.Link: theme.accent,
    }.items():  # fmt: skip
        palette.setColor(which, QColor(colour))
    for which in (role.WindowText, role.Text, role.ButtonText):
        palette.setColor(QPalette.ColorGroup.Disabled, which, QColor(theme.quiet))
    app.setPalette(palette)
    font = app.font()
    font.setFamilies(["Inter", "Segoe UI", "SF Pro Text", "Noto Sans", "DejaVu Sans"])
    font.setPixelSize(13)
    app.setFont(font)
    app.setStyleSheet(style_sheet(theme))


def style_sheet(theme: Theme) -> str:
    """`resources/style.qss` with the theme's colours filled in for `@name`."""
    text = (resources_folder() / "style.qss").read_text(encoding="utf-8")
    names = [name for name in Theme.__slots__ if isinstance(getattr(theme, name), str)]
    for name in sorted(names, key=len, reverse=True):
        text = text.replace(f"@{name}", getattr(theme, name))
    return text.replace("%icons", (resources_folder() / "icons").as_posix())


def icon(name: str) -> QIcon:
    """The icon `resources/icons/NAME.svg` in the theme's colours: plain, chosen and disabled."""
    theme = current()
    made = QIcon()
    for colour, mode, state in (
        (theme.text, QIcon.Mode.Normal, QIcon.State.Off),
        (theme.accent, QIcon.Mode.Normal, QIcon.State.On),
        (theme.quiet, QIcon.Mode.Disabled, QIcon.State.Off),
    ):
        for scale in (1, 2):
            made.addPixmap(pixmap(name, colour, 20, scale), mode, state)
    return made


def pixmap(name: str, colour: str, size: int, ratio: float = 1.0) -> QPixmap:
    """The icon `resources/icons/NAME.svg` in one colour, `size` device-independent pixels wide."""
    return _pixmap(name, colour, round(size * ratio), ratio)


@lru_cache(maxsize=256)
def _pixmap(name: str, colour: str, size: int, ratio: float) -> QPixmap:
    from PySide6.QtSvg import QSvgRenderer  # not before the first icon is wanted

    path: Path = resources_folder() / "icons" / f"{name}.svg"
    renderer = QSvgRenderer(QByteArray(path.read_bytes().replace(b"currentColor", colour.encode())))
    drawn = QPixmap(size, size)
    drawn.fill(Qt.GlobalColor.transparent)
    painter = QPainter(drawn)
    renderer.render(painter, QRectF(0, 0, size, size))
    painter.end()
    drawn.setDevicePixelRatio(ratio)
    return drawn
