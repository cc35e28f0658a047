"""The strip along the bottom: what runs now, how fast, and the jobs in the background with progress and cancel."""

from collections.abc import Generator
from contextlib import closing
from dataclasses import replace
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QToolButton, QWidget
from shiboken6 import isValid

from engine.job import Progress
from gui import theme, words
from gui.job import Job, JobSlot

HEIGHT = 26


def titled(title: str, job: Generator[Any, None, Any]) -> Generator[Any, None, Any]:
    """A job of several parts, each of which is shown with the job's title before it: "Fit tile: loading the backbone".

    Args:
        title: what the job is for ("Fit tile").
        job: whose progress is shown.
    """
    with closing(job):
        while True:
            try:
                event = next(job)
            except StopIteration as end:
                return end.value
            if isinstance(event, Progress) and event.what:
                event = replace(event, what=f"{title}: {event.what[0].lower()}{event.what[1:]}")
            yield event


class _Row(QWidget):
    """One background job."""

    def __init__(self, job: Job | JobSlot, title: str) -> None:
        super().__init__()
        row = QHBoxLayout(self)
        row.setContentsMargins(12, 0, 0, 0)
        row.setSpacing(8)
        self.title = QLabel(title)
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setFixedWidth(110)
        self.bar.setRange(0, 0)
        self.bar.setAccessibleName(f"{title}: progress")
        self.text = QLabel()
        self.stop = QToolButton()
        self.stop.setIcon(theme.icon("close"))
        self.stop.setFixedSize(20, 20)
        self.stop.setToolTip(f"Cancel: {title}")
        self.stop.setAccessibleName(f"Cancel: {title}")
        self.stop.clicked.connect(self._cancel)
        self._job = job
        for widget in (self.title, self.bar, self.text, self.stop):
            row.addWidget(widget, 0, Qt.AlignmentFlag.AlignVCenter)
        job.progress.connect(self.show_progress)

    def show_progress(self, now: Progress) -> None:
        if now.what:
            self.title.setText(now.what)
        share = now.share
        self.bar.setRange(0, 1000 if share is not None else 0)
        if share is not None:
            self.bar.setValue(round(share * 1000))
        self.text.setText(words.progress(now))

    def _cancel(self) -> None:
        self.text.setText("stopping …")
        self.stop.setEnabled(False)
        self._job.cancel()


class JobBar(QWidget):
    """State on the left, background jobs on the right."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("jobBar")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setFixedHeight(HEIGHT)
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(12, 0, 8, 0)
        self._row.setSpacing(12)
        self.dot = QLabel("●")
        self.state = QLabel()
        self.state.setObjectName("state")
        self.detail = QLabel()
        for label in (self.dot, self.state, self.detail):
            self._row.addWidget(label)
        self._row.addStretch(1)
        self.say("Ready")

    def say(self, state: str, detail: str = "", *, busy: bool = False) -> None:
        """What the page in front is doing."""
        now = theme.current()
        self.dot.setStyleSheet(f"color: {now.good if busy else now.quiet}")
        self.state.setText(state)
        self.state.setAccessibleName(f"State: {state} {detail}")
        self.detail.setText(detail)

    def follow(self, job: Job | JobSlot, title: str) -> None:
        """Show a job's progress with a cancel button until it has finished."""
        row = _Row(job, title)
        self._row.addWidget(row)
        row.show()

        def drop() -> None:
            if not isValid(row):
                # the window went first
                return
            row.hide()
            row.deleteLater()

        job.finished.connect(drop)

    def rows(self) -> list[_Row]:
        """The jobs that are shown."""
        return [row for row in self.findChildren(_Row) if not row.isHidden()]
