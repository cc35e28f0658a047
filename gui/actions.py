"""One thing that can be done, for a menu and the keyboard."""

from collections.abc import Callable

from PySide6.QtCore import QObject
from PySide6.QtGui import QAction


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
