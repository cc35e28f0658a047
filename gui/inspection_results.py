"""What an evaluation found: the table, the curves of a row, what was called wrongly, and how it is taken away."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QSize, QUrl, Signal
from PySide6.QtGui import QDesktopServices, QGuiApplication
from PySide6.QtWidgets import QFileDialog, QFrame, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from engine.job import Progress
from gui.curves import RateCurves
from gui.job import JobSlot
from gui.results_table import ResultsTable, result_title
from gui.thumbnails import Entry, ThumbnailList, Thumbnails

if TYPE_CHECKING:
    from engine.inspection.results import PictureScore, Result

_LOWER = 224


class ResultsView(QWidget):
    """The table over curves and wrong pictures of its chosen row.

    Args:
        thumbnails: where those of the wrong pictures come from.

    Signals:
        opened(str): the path of a picture that was called wrongly and was pressed.
        said(str, str): a sentence and its level, for the notices.
        failed(object): an exception, for the notices.
        background(object, str): a job to show in the job bar, and its title.
    """

    opened = Signal(str)
    said = Signal(str, str)
    failed = Signal(object)
    background = Signal(object, str)

    def __init__(self, thumbnails: Thumbnails) -> None:
        super().__init__()
        self._thumbnails = thumbnails
        self.results: list[Result] = []
        self.folder = ""
        self.saving = JobSlot(self)
        self.saving.failed.connect(self.failed)
        self.saving.returned.connect(self._saved)
        self.saving.changed.connect(self._settle)
        self.table = ResultsTable()
        self.table.chosen.connect(self._show)
        self.notes = QLabel()
        self.notes.setObjectName("quiet")
        self.notes.setAccessibleName("What was left out")
        self.notes.hide()
        _may_be_cut(self.notes)
        rows = QVBoxLayout(self)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setSpacing(8)
        rows.addWidget(self.table, 3)
        rows.addWidget(self.notes)
        rows.addWidget(self._lower(), 2)
        rows.addLayout(self._buttons())
        self._settle()

    def _lower(self) -> QWidget:
        """Curves and what was called wrongly, of the chosen row."""
        frame = QFrame()
        frame.setObjectName("card")
        frame.setMinimumHeight(_LOWER)
        row = QHBoxLayout(frame)
        row.setContentsMargins(1, 1, 1, 1)
        row.setSpacing(0)
        self.roc = RateCurves("ROC", "good called defective", "defects found", chance=True)
        self.precision = RateCurves("Precision and recall", "defects found", "true alarms")
        plots = QHBoxLayout()
        plots.setSpacing(0)
        for plot in (self.roc, self.precision):
            plot.setMaximumSize(320, 320)
            plots.addWidget(plot, 1)
        left = QVBoxLayout()
        left.addLayout(plots, 1)
        left.addStretch()
        row.addLayout(left, 6)
        self.wrong_title = QLabel()
        self.wrong_title.setObjectName("plotTitle")
        _may_be_cut(self.wrong_title)
        self.wrong = ThumbnailList(
            "Pictures that were called wrongly, the worst first", self._thumbnails, QSize(84, 72), wrap=True, gap=6
        )
        self.wrong.chosen.connect(self.opened)
        wrong = QVBoxLayout()
        wrong.setContentsMargins(12, 8, 8, 4)
        wrong.setSpacing(6)
        wrong.addWidget(self.wrong_title)
        wrong.addWidget(self.wrong, 1)
        row.addLayout(wrong, 4)
        return frame

    def _buttons(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(8)
        self.chosen_title = QLabel()
        self.chosen_title.setObjectName("quiet")
        _may_be_cut(self.chosen_title)
        row.addWidget(self.chosen_title, 1)
        self.buttons: dict[str, QPushButton] = {}
        for word, says, do in (
            ("Copy table", "Copy the table, to paste it into a sheet", self.copy),
            ("CSV …", "Save the figures as CSV", lambda: self.ask("csv")),
            ("JSON …", "Save all numbers with settings, curves and scores as JSON", lambda: self.ask("json")),
            ("Report …", "Save a report with pictures for a colleague, and open it", lambda: self.ask("html")),
        ):  # fmt: skip
            button = QPushButton(word)
            button.setToolTip(says)
            button.setAccessibleName(says)
            button.clicked.connect(lambda _c=False, do=do: do())
            self.buttons[word.partition(" ")[0]] = button
            row.addWidget(button)
        return row

    def restyle(self) -> None:
        """Take on the colours of the theme."""
        self.roc.restyle()
        self.precision.restyle()
        self.table.viewport().update()
        self.wrong.viewport().update()

    def leave(self) -> None:
        """Stop what is being written."""
        self.saving.cancel()

    def _settle(self, _busy: bool = False) -> None:
        for button in self.buttons.values():
            button.setEnabled(bool(self.results) and not self.saving.busy)

    # -- showing

    def show_results(self, results: Sequence["Result"], *, fresh: bool = False) -> None:
        """Show these; what was chosen stays chosen, or with `fresh` the first is.

        Args:
            results: at least one.
            fresh: they are of a new run.
        """
        self.results = list(results)
        # the average over one category says nothing new
        self.table.show_results([result for result in self.results if result.averaged != 1])
        now = None if fresh else self.table.current()
        if now is None:
            now = self.results[0]
            self.table.choose(now)
        self._show(now)
        self._settle()

    def show_notices(self, notices: Sequence[str]) -> None:
        """Say what was left out: the last one, all of them where the mouse rests."""
        self.notes.setVisible(bool(notices))
        if notices:
            self.notes.setText(notices[-1] + (f"  (and {len(notices) - 1} more)" if len(notices) > 1 else ""))
            self.notes.setToolTip("\n".join(notices))

    def _show(self, result: "Result") -> None:
        """Curves and wrong pictures of a row: beside it the other methods, or for an average its categories."""
        beside = [
            other
            for other in self.results
            if not other.averaged
            and (other.method == result.method if result.averaged else other.category == result.category)
        ]
        names = [other.category if result.averaged else other.method for other in beside]
        hues = {method: number for number, method in enumerate(self.table.rows.methods)}
        for plot, field in ((self.roc, "roc"), (self.precision, "precision_recall")):
            plot.clear()
            for number, (name, other) in enumerate(zip(names, beside, strict=True)):
                curve = getattr(other, field)
                if curve is not None:
                    plot.draw(name, curve.x, curve.y, number if result.averaged else hues[other.method])
            plot.stress("" if result.averaged else result.method)
        self._show_wrong(result, beside)
        where = f"average of {result.averaged}" if result.averaged else result.category
        self.chosen_title.setText(f"{where} · {result_title(result.method)}")

    def _show_wrong(self, result: "Result", beside: Sequence["Result"]) -> None:
        own = beside if result.averaged else [result]
        wrong = {str(seen.item.path): (seen, one) for one in own for seen in one.wrong}
        if result.averaged:
            wrong = dict(sorted(wrong.items(), key=lambda pair: -_by_how_much(*pair[1])))
        examined = sum(one.images for one in own)
        if wrong:
            self.wrong_title.setText(f"Called wrongly, the worst first: {len(wrong):,} of {examined:,}")
        elif any(one.f1 is not None for one in own):
            self.wrong_title.setText(f"Nothing is called wrongly: all {examined:,} are right at the best threshold.")
        else:
            self.wrong_title.setText("Good and defective test pictures are needed to say what is called wrongly.")

        def describe(path: str) -> Entry:
            seen, one = wrong[path]
            word = "missed" if seen.item.abnormal else "false alarm"
            tip = (
                f"{word}: {one.category}, {seen.item.kind}, score {seen.score:.2f}, best threshold {one.threshold:.2f}"
            )
            mark = "bad" if seen.item.abnormal else "good"
            return Entry(path, seen.item.kind, f"{seen.score:.2f}", mark, f"{tip}\n{path}")

        self.wrong.show_entries(list(wrong), describe)

    # -- taking it away

    def copy(self) -> None:
        """Put the table on the clipboard, as a sheet takes it."""
        QGuiApplication.clipboard().setText(self.table.text())
        self.said.emit("The table is on the clipboard.", "info")

    def ask(self, suffix: str) -> None:
        """Choose where to save."""
        kind = {"csv": "Figures (*.csv)", "json": "All numbers (*.json)", "html": "Report (*.html)"}[suffix]
        start = str(Path(self.folder) / f"evaluation_{date.today():%Y-%m-%d}.{suffix}")
        path, _kind = QFileDialog.getSaveFileName(self.window(), "Save", start, kind)
        if path:
            target = Path(path)
            self.save(target if target.suffix else target.with_suffix(f".{suffix}"), suffix)

    def save(self, path: Path, suffix: str) -> None:
        """Write figures ("csv"), all numbers ("json") or the report ("html"), in the background."""
        self.folder = str(path.parent)
        results = list(self.results)
        title = f"Save {path.name}"
        job = self.saving.start(lambda: _writing(results, path, suffix), title)
        if suffix == "html":
            self.background.emit(job, title)

    def _saved(self, path: Path) -> None:
        opened = path.suffix.lower() in (".html", ".htm") and QDesktopServices.openUrl(QUrl.fromLocalFile(str(path)))
        self.said.emit(f"{path.name} is written{' and opened' if opened else ''}, in {path.parent}.", "info")


def _may_be_cut(label: QLabel) -> None:
    """A long sentence does not push the window wider."""
    label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)


def _by_how_much(seen: "PictureScore", result: "Result") -> float:
    return abs(seen.score - (result.threshold or 0.0))


def _writing(results: list["Result"], path: Path, suffix: str) -> Any:
    yield Progress(f"Writing {path.name}")
    if suffix == "html":
        from engine.inspection.report import write_report

        yield from write_report(results, path)
    else:
        from engine.inspection.results import to_csv, to_json

        (to_csv if suffix == "csv" else to_json)(results, path)
    return path
