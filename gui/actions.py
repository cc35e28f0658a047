"""One thing that can be done: for a menu and the keyboard, or as a small button with an icon."""

from collections.abc import Callable

from PySide6.QtCore import QObject
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QToolButton

from gui import theme


def action(owner: QObject, text: str, do: Callable[[], object], *keys: str) -> QAction:
    """Make an action.

    Args:
        owner: it lives as long as this.
        text: as a menu says it.
        do: what is done.
        keys: shortcuts, the first one is shown.
    """
    made = QAction(text, owner)
    made.setShortcuts(list(keys))
    made.triggered.connect(lambda _c=False: do())
    return made


def icon_button(icon: str, says: str, size: int = 30) -> QToolButton:
    """Make a button.

    Args:
        icon: of `resources/icons`.
        says: its tool tip; what stands before a bracket, in which the key is, is its name.
        size: of its sides, pixels.
    """
    made = QToolButton()
    show_icon(made, icon, says)
    made.setFixedSize(size, size)
    return made


def show_icon(button: QToolButton, icon: str, says: str) -> None:
    """Give a button another icon and another meaning, as of `icon_button`."""
    button.setIcon(theme.icon(icon))
    button.setToolTip(says)
    button.setAccessibleName(says.partition(" (")[0])
