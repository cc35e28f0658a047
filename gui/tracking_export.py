"""Saving from the page Track: annotated video, MOT text, and the score against ground truth."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QFileDialog, QMenu, QPushButton

from engine.job import Notice, Progress
from gui.job import JobSlot

if TYPE_CHECKING:
    from gui.tracking_page import TrackingPage


class TrackingExport(QObject):
    """The button Export, its menu and its jobs.

    Args:
        page: whose source and history are saved.
    """

    def __init__(self, page: "TrackingPage") -> None:
        super().__init__(page)
        self.page = page
        self.folder = ""
        self.slot = JobSlot(self)
        self.slot.failed.connect(self._failed)
        self.slot.notice.connect(lambda notice: page.said.emit(notice.text, "warning"))
        self.slot.returned.connect(self._written)
        self.score_slot = JobSlot(self)
        self.score_slot.returned.connect(self._scored)
        self.score_slot.failed.connect(page.failed)
        self.button = QPushButton("Export ▾")
        self.button.setProperty("primary", True)
        self.button.setAccessibleName("Export")
        self.button.setToolTip("Save the tracks (Ctrl+E)")
        self.menu = QMenu(self.button)
        self.video = self.menu.addAction("Annotated video …")
        self.video.setShortcut("Ctrl+E")
        self.mot = self.menu.addAction("MOT text …")
        self.mot.setShortcut("Ctrl+Shift+E")
        self.video.triggered.connect(lambda: self.ask("mp4"))
        self.mot.triggered.connect(lambda: self.ask("txt"))
        self.button.setMenu(self.menu)
        self.actions: list[QAction] = [self.video, self.mot]
        page.controls.truth_wanted.connect(self.ask_truth)
        self.set_ready(live=False, ready=False)

    def set_ready(self, *, live: bool, ready: bool = True) -> None:
        """Switch on what can be saved; the pictures of a live source are gone."""
        self.button.setEnabled(ready)
        self.video.setEnabled(ready and not live)
        self.mot.setEnabled(ready)

    def ask(self, suffix: str) -> None:
        """Choose where to save."""
        info = self.page.info
        if info is None:
            return
        kind = {"mp4": "Video (*.mp4)", "txt": "MOT text (*.txt)"}[suffix]
        stem = Path(info.name).stem or "source"
        start = str(Path(self.folder) / f"{stem}_tracked.{suffix}")
        path, _kind = QFileDialog.getSaveFileName(self.page, "Save the tracks", start, kind)
        if path:
            target = Path(path)
            self.folder = str(target.parent)
            self.save(target if target.suffix else target.with_suffix(f".{suffix}"))

    def save(self, path: Path) -> None:
        """Write annotated video (.mp4) or MOT text (anything else) in the background."""
        from engine.tracking.export import export

        page = self.page
        request = page.request
        if request is None:
            return
        names = page.loaded.names if page.loaded is not None else {}
        which: dict[str, Any] = {"mot": path} if path.suffix == ".txt" else {"save": path}
        more = {"device": page.device, "height": request.height, "entry": request.entry}
        made = (
            page.history,
            names,
            page.source.weights_for(request.text),
            page.chosen.tracker,
            page.knobs.value,
            page.layers,
        )
        # two trackers at once would only slow each other down
        page.play(on=False)
        self.slot.start(lambda: export(request.text, *made, **which, **more), f"Export {path.name}")
        page.background.emit(self.slot.job or self.slot, f"Export {path.name}")

    def _written(self, done: Any) -> None:
        path = done.save or done.mot
        more = f", {done.codec}" if done.codec else ""
        self.page.said.emit(f"{path.name} is written: {done.frames:,} frames{more}, in {path.parent}.", "info")

    def _failed(self, error: BaseException) -> None:
        self.page.failed.emit(error)

    def ask_truth(self) -> None:
        """Choose a MOT ground truth file and compare."""
        path, _kind = QFileDialog.getOpenFileName(
            self.page, "Choose a MOT ground truth file", self.folder, "MOT text (*.txt);;All files (*)"
        )
        if path:
            self.folder = str(Path(path).parent)
            self.score(Path(path))

    def score(self, truth: Path) -> None:
        """Compare what has been tracked with ground truth."""
        history = self.page.history

        def job() -> Any:
            from engine.tracking.score import score

            yield Progress("Comparing")
            frames = [history.frames[i] for i in sorted(history.frames)]
            if not frames:
                yield Notice("Nothing has been tracked yet.")
                return None
            return score(truth, frames, frames=frames[-1].index + 1), frames[0].index, frames[-1].index

        self.score_slot.start(job, f"Score against {truth.name}")

    def _scored(self, result: Any) -> None:
        if result is None:
            self.page.controls.show_scores("Nothing has been tracked yet: play the video first.")
            return
        found, _first, last = result
        self.page.controls.show_scores(
            f"HOTA {found.HOTA:.1f} · IDF1 {found.IDF1:.1f} · MOTA {found.MOTA:.1f} · "
            f"{found.switches} switches, over the first {last + 1:,} frames"
        )
