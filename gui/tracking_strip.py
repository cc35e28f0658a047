"""Track's strip: how many are in view, by class, over time; and the table of tracks."""

import time
from collections import deque

import numpy as np
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from engine.media.frame import SourceInfo
from engine.tracking.history import Summary
from engine.tracking.player import Played
from gui.curves import Curves
from gui.tracks_table import TracksTable

LIVE_SPAN_S = 60.0


class TrackingStrip:
    """Fills the strip and keeps it up to date, a few times a second."""

    def __init__(self, strip: QHBoxLayout) -> None:
        self.curves = Curves("In view, by class", "tracks")
        self.table = TracksTable()
        for widget, stretch in ((self.curves, 1), (self.table, 1)):
            cell = QWidget()
            cell.setObjectName("stripCell")
            column = QVBoxLayout(cell)
            column.setContentsMargins(*((0, 0, 0, 0) if widget is self.curves else (12, 4, 12, 0)))
            column.addWidget(widget)
            strip.addWidget(cell, stretch)
        self._seen: deque[tuple[float, int]] = deque(maxlen=60)
        self._places: dict[int, int] = {}
        self._new = self._turn = False

    def clear(self) -> None:
        """Another source."""
        self._seen.clear()
        self._places.clear()
        self.curves.clear()
        self.table.rows.show_rows([], set(), {})

    def restyle(self) -> None:
        """Take on the colours of the theme."""
        self.curves.restyle()
        self.table.viewport().update()

    def rate(self, index: int) -> float:
        """Frames a second, from how far the frame numbers went in the last second or two."""
        now = time.monotonic()
        if self._seen and not 0 <= index - self._seen[-1][1] < 1000:
            self._seen.clear()
        self._seen.append((now, index))
        while self._seen and now - self._seen[0][0] > 2:
            self._seen.popleft()
        took = now - self._seen[0][0]
        return (index - self._seen[0][1]) / took if took > 0.05 else 0.0

    def refresh(
        self, summary: Summary, info: SourceInfo, names: dict[int, str], frame: Played | None, *, whole: bool = True
    ) -> None:
        """Take in what was tracked since the last time.

        Args:
            summary, info, names: of the source.
            frame: that is shown.
            whole: False brings the curve and the table up to date in turns: painting both at once would hold the event
                loop for longer than a frame.
        """
        self._new = summary.update() or self._new
        self._turn = not self._turn
        if whole or self._turn:
            if self._new:
                self._new = False
                self._draw(summary, info, names)
            if frame is not None:
                self.curves.mark(frame.seen.time_s)
        if whole or not self._turn:
            in_view = set(frame.seen.tracks.ids.tolist()) if frame is not None else set()
            if summary.rows or self.table.rows.rows:
                self.table.rows.show_rows(list(summary.rows.values()), in_view, names)

    def _draw(self, summary: Summary, info: SourceInfo, names: dict[int, str]) -> None:
        times, counts = summary.counts()
        for number in counts:
            # colours in the order in which the classes came into view
            place = self._places.setdefault(number, len(self._places))
            self.curves.draw(names.get(number, str(number)), times, counts[number], place)
        if info.live:
            last = float(times[-1]) if len(times) else 0.0
            self.curves.span(max(0.0, last - LIVE_SPAN_S), max(last, 1.0))
        else:
            self.curves.span(0.0, info.duration_s or (float(np.max(times)) if len(times) else 1.0))
