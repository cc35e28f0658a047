"""Going through the pictures of a set in the background: scores, the list by score, the histogram, progress."""

from dataclasses import replace
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal

from engine.inspection.inspector import Gone, Inspector, Many, Scored

if TYPE_CHECKING:
    from gui.inspection_page import InspectionPage

REFRESH_MS = 250


class Following(QObject):
    """The row of pictures that is gone through, as the job bar knows a job.

    Signals:
        progress(Progress), finished(): as `gui.job.Job`.
    """

    progress = Signal(object)
    finished = Signal()

    def __init__(self, inspector: Inspector, asked: Many, parent: QObject) -> None:
        super().__init__(parent)
        self._inspector, self.asked = inspector, asked

    def cancel(self) -> None:
        """Stop; what has been inspected stays."""
        self._inspector.ask(Many())


class InspectionRows(QObject):
    """What is known of the set's pictures, and the row that is gone through.

    Args:
        page: whose set it is.

    Attributes:
        scores: path -> what was found.
    """

    def __init__(self, page: "InspectionPage") -> None:
        super().__init__(page)
        self.page = page
        self.scores: dict[str, Scored] = {}
        self.following: Following | None = None
        self._dirty = False
        self._tick = QTimer(self)
        self._tick.setInterval(REFRESH_MS)
        self._tick.timeout.connect(self._refresh_if_new)

    def go_through(self) -> None:
        """Inspect what has not been inspected yet, in the background."""
        page = self.page
        if page.category is None or page.card is None:
            return
        items = tuple(item for item in page.category.test if str(item.path) not in self.scores)
        if not items:
            return
        self.end()
        asked = Many(items)
        page.ask(asked)
        self.following = Following(page.inspector, asked, self)
        page.background.emit(self.following, f"Inspect {page.category.name}")
        self._tick.start()

    def scored(self, event: Scored) -> None:
        """One more picture has been inspected."""
        path = str(event.item.path)
        if path in self.page.items:
            self.scores[path] = event
            self._dirty = True

    def gone(self, event: Gone) -> None:
        """How far the row is."""
        if self.following is None or event.asked is not self.following.asked:
            return
        if event.over:
            self.end()
        else:
            name = self.page.category.name if self.page.category is not None else ""
            self.following.progress.emit(replace(event.progress, what=f"Inspect {name}"))

    def stop(self) -> None:
        """Stop the row; what has been inspected stays."""
        if self.following is not None:
            self.page.inspector.ask(Many())
            self.end()

    def end(self) -> None:
        """The row is over: show all of it."""
        following, self.following = self.following, None
        self._tick.stop()
        if self._dirty:
            self.refresh()
        pictures = self.page.pictures.list
        pictures.choose(pictures.current())
        if following is not None:
            following.finished.emit()
            following.deleteLater()

    def keep(self) -> None:
        """The set has changed: keep the scores of what is still tested, under its new label."""
        items = self.page.items
        for path, scored in list(self.scores.items()):
            item = items.get(path)
            if item is None or item.split == "train":
                del self.scores[path]
            elif item != scored.item:
                self.scores[path] = replace(scored, item=item)

    def clear(self) -> None:
        """Another model or another set: nothing is known."""
        self.scores = {}
        self._dirty = True

    def refresh(self) -> None:
        """Bring the list and the histogram up to date."""
        self._dirty = False
        page = self.page
        items = page.category.items if page.category is not None else ()
        page.pictures.show_items(items, self.scores, page.threshold, unlabelled=page.unlabelled)
        rows, group = self.scores.values(), page.controls.threshold
        if page.unlabelled:
            group.show_scores((), (), [row.score for row in rows])
        else:
            bad = [row.score for row in rows if row.item.abnormal]
            group.show_scores([row.score for row in rows if not row.item.abnormal], bad)

    def close(self) -> None:
        """The window closes."""
        self._tick.stop()

    def _refresh_if_new(self) -> None:
        if self._dirty:
            self.refresh()
