"""Saving, reopening and exporting: the race as a file, its set-up as a text, its curves for other programs."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, QPoint, QRect, QSize
from PySide6.QtGui import QGuiApplication, QPainter
from PySide6.QtWidgets import QFileDialog, QWidget

from engine.errors import SightlineError
from engine.files import write_whole
from engine.job import Job as EngineJob
from engine.learning.race_export import Curve, ranking, write_curves, write_events, write_table
from engine.learning.race_file import KeptRace, kept_race, open_race, replayed, save_race
from engine.learning.race_text import text_of_race
from engine.optimizers.contenders import text_of
from engine.optimizers.thinned import Thinned
from gui.actions import action
from gui.job import Job, JobSlot
from gui.optimizers_parts import Entry

if TYPE_CHECKING:
    from gui.optimizers_page import OptimizersPage


class OptimizersSave(QObject):
    """What the button Save does."""

    def __init__(self, page: "OptimizersPage") -> None:
        super().__init__(page)
        self.page = page
        self.folder = ""
        self.opening = JobSlot(self)
        self.opening.returned.connect(self._opened)
        self.opening.failed.connect(page.failed)
        self.opening.progress.connect(lambda now: page.state.emit(now.what, "", True))
        self.opening.changed.connect(lambda busy: None if busy else page.say())
        self._writing: Job | None = None
        self._kept: KeptRace | None = None
        self._opening: KeptRace | None = None
        self.actions = [
            action(self, "Save the race …", self.ask_race, "Ctrl+S"),
            action(self, "Open a race …", self.ask_open, "Ctrl+O"),
            action(self, "Copy the set-up as text", self.copy_setup, "Ctrl+Shift+C"),
            action(self, "Curves as CSV …", lambda: self._ask("curves.csv", "Table (*.csv)", self.write_curves)),
            action(self, "Ranking as CSV …", lambda: self._ask("ranking.csv", "Table (*.csv)", self.write_ranking)),
            action(self, "Test curves as CSV …", lambda: self._ask("test.csv", "Table (*.csv)", self.write_test)),
            action(self, "Picture of the curves …", lambda: self.ask_picture("curves"), "Ctrl+E"),
            action(self, "Picture of the paths …", lambda: self.ask_picture("paths")),
            action(self, "Picture of the boundary …", lambda: self.ask_picture("boundary")),
            action(self, "Picture of the network …", lambda: self.ask_picture("network")),
            action(self, "Picture of the panel below …", lambda: self.ask_picture("panel")),
            action(self, "TensorBoard event files …", self.ask_events),
        ]

    # -- asking where

    def _ask(self, name: str, kinds: str, do: Callable[[Path], None]) -> None:
        start = str(Path(self.folder) / name) if self.folder else name
        path, _kind = QFileDialog.getSaveFileName(self.page.window(), "Save", start, kinds)
        if path:
            self.folder = str(Path(path).parent)
            do(Path(path))

    def ask_race(self) -> None:
        """Save the race: its set-up, its curves, what was changed on the way."""
        self._ask("race.race", "Race (*.race)", self.save_race)

    def ask_open(self) -> None:
        """Open a race that was saved."""
        path, _kind = QFileDialog.getOpenFileName(self.page.window(), "Open a race", self.folder, "Race (*.race)")
        if path:
            self.folder = str(Path(path).parent)
            self.open_race(path)

    def ask_picture(self, what: str) -> None:
        """One of the plots as a picture: "curves", "paths", "boundary", "network" or "panel"."""
        if not self.plots()[what].isVisible():
            self.page.failed.emit(SightlineError(f"There is no {what} to be seen here: choose another problem first."))
            return
        kinds = "Picture (*.png);;Drawing (*.svg)"
        self._ask(f"{what}.png", kinds, lambda path: self.write_picture(path, what))

    def plots(self) -> dict[str, QWidget]:
        """What can be saved as a picture."""
        stage = self.page.stage
        return {
            "curves": stage.plot, "paths": stage.paths, "boundary": stage.boundary, "network": stage.network,
            "panel": self.page.strip_view.stack.currentWidget(),
        }  # fmt: skip

    def ask_events(self) -> None:
        """The curves as TensorBoard reads them."""
        start = str(Path(self.folder) / "events") if self.folder else "events"
        path, _kind = QFileDialog.getSaveFileName(self.page.window(), "Folder of the event files", start)
        if path:
            self.folder = str(Path(path).parent)
            self.write_events(Path(path))

    # -- doing it

    def curves(self) -> list[Curve]:
        """All runs that are shown, the present race's first."""
        page = self.page
        before = [entry for entry in page.earlier if entry.problem == page.problem_text and entry.on]
        shown = [*page.entries, *before]
        if not any(len(entry.curve) for entry in shown):
            raise SightlineError("Nothing has been raced yet: start a race, then save it.")
        rows = page.data_rows
        return [Curve(e.name, e.curve.record, rows, text_of(e.contender)) for e in shown if len(e.curve)]

    def save_race(self, path: Path) -> None:
        """Write the race; one that runs hands its runs over first, and goes on."""
        page, runner = self.page, self.page.runner
        if not page.entries or not page.done:
            page.failed.emit(SightlineError("Nothing has been raced yet: start a race, then save it."))
            return
        running = runner.running

        def write() -> bool:
            runs = runner.runs[: len(page.entries)]
            for run, entry in zip(runs, page.entries, strict=False):
                run.rename(entry.name, entry.number)
            records = [entry.curve.record for entry in page.entries]
            assert runner.built is not None
            try:
                kept = kept_race(runner.built.setup, runs, records)
            except SightlineError as error:
                page.failed.emit(error)
                return running
            self._write(lambda: save_race(path, kept), path)
            return bool(running and runner.left)

        runner.interrupt(write)

    def _write(self, make: Callable[[], EngineJob[Any]], path: Path) -> None:
        name = f"Writing {path.name}"
        job = self._writing = Job(make, name, keep=16)
        job.failed.connect(self.page.failed)
        job.returned.connect(
            lambda made: self.page.said.emit(f"{Path(made).name} is written in {path.parent}.", "info")
        )
        self.page.background.emit(job, name)
        job.start()

    def _try(self, do: Callable[[], Any]) -> None:
        try:
            do()
        except SightlineError as error:
            self.page.failed.emit(error)

    def write_curves(self, path: Path) -> None:
        """Every step of every run."""
        self._try(lambda: self._write(_with(write_curves, path, self.curves()), path))

    def write_events(self, folder: Path) -> None:
        """A folder that TensorBoard opens."""
        self._try(lambda: self._write(_with(write_events, folder, self.curves()), folder))

    def write_ranking(self, path: Path) -> None:
        """The ranking."""

        def write() -> None:
            made = write_table(path, ranking(self.curves(), self.page.target()))
            self.page.said.emit(f"{made.name} is written in {made.parent}.", "info")

        self._try(write)

    def write_test(self, path: Path) -> None:
        """ROC and precision-recall curves of all models as they are drawn: at most about a thousand points each."""
        page = self.page

        def write() -> None:
            rows = []
            for number, look in page.strip_view.looks.items():
                for kind, curves in (("roc", look.roc), ("precision_recall", look.pr)):
                    for name, (x, y) in (curves or {}).items():
                        one = {"contender": page.entries[number].name, "class": name, "curve": kind}
                        rows += [{**one, "x": float(a), "y": float(b)} for a, b in zip(x, y, strict=True)]
            if not rows:
                raise SightlineError("There is no test curve yet: race on a problem that tells classes apart.")
            made = write_table(path, rows)
            page.said.emit(f"{made.name} is written in {made.parent}.", "info")

        self._try(write)

    def write_picture(self, path: Path, what: str = "curves") -> None:
        """One of the plots as PNG, twice as large as on the screen, or as SVG."""
        path = path if path.suffix.lower() in (".png", ".svg") else path.with_suffix(".png")

        def write() -> None:
            write_whole(path, drawing(self.plots()[what], path.suffix.lower()))
            self.page.said.emit(f"{path.name} is written in {path.parent}.", "info")

        self._try(write)

    def copy_setup(self) -> None:
        """The set-up as one text that another person can open."""
        if not self.page.row_list.racing():
            self.page.failed.emit(SightlineError("Nobody races: add a rule before the set-up is copied."))
            return
        QGuiApplication.clipboard().setText(text_of_race(self.page.race_setup()))
        self.page.said.emit("The set-up is on the clipboard: paste it into the bar above, here or elsewhere.", "info")

    # -- a race that was saved

    def open_race(self, path: str) -> None:
        """Show a race that was saved; Race runs it again, with its seeds."""
        self.opening.start(lambda: open_race(Path(path).expanduser()), f"Opening {Path(path).name}")

    def _opened(self, kept: KeptRace) -> None:
        page = self.page
        page._take_setup(kept.setup, keep_race=False)
        page.entries = []
        page.earlier = [entry for entry in page.earlier if entry.problem != page.problem_text]
        page._make()
        self._opening = kept

    def repeats(self) -> bool:
        """Whether the race that begins now is the one that was opened, and was changed on its way."""
        kept = self._kept
        if kept is None or all(len(run.history) == 1 for run in kept.runs):
            return False
        return kept.setup == self.page.race_setup()

    def replayed(self) -> tuple[Any, ...]:
        """The runs of the race that was opened, from their first step, with what is changed on the way."""
        built = self.page.runner.built
        assert self._kept is not None
        assert built is not None
        return tuple(replayed(self._kept, built.problem))

    def forget(self) -> None:
        """Another problem is made: a race that was to be shown on it is not."""
        self._opening = None

    def built(self) -> None:
        """The problem is there: a race that was opened is shown on it."""
        kept, self._opening = self._opening, None
        if kept is not None:
            self._show(kept)

    def _show(self, kept: KeptRace) -> None:
        page = self.page
        self._kept = kept
        entries = []
        for run in kept.runs:
            curve = Thinned(run.record, kept.rows)
            one = run.contender
            entry = Entry(
                one.name, one.colour, one, curve, page.problem_text, replicates=run.replicates, theta=run.theta,
                diverged=int((run.diverged >= 0).sum()),
            )  # fmt: skip
            entries.append(entry)
        for row, entry in zip(page.rows, entries, strict=False):
            row.entry = entry
        page.entries = entries
        page.show_entries()
        page.planes.look()
        page.say()
        page.said.emit(f"Raced on {kept.made[:16].replace('T', ' at ')}. Race runs it again, with its seeds.", "info")

    def stop(self) -> None:
        """Stop what is under way."""
        self.opening.cancel()
        if self._writing is not None:
            self._writing.cancel()


def _with(do: Callable[..., EngineJob[Any]], *given: Any) -> Callable[[], EngineJob[Any]]:
    return lambda: do(*given)


def drawing(widget: QWidget, suffix: str) -> bytes:
    """A widget as the bytes of a picture.

    Args:
        widget: what is drawn.
        suffix: ".svg" draws lines; anything else makes a PNG of twice its size.
    """
    from PySide6.QtCore import QBuffer, QByteArray, QIODevice

    store = QByteArray()
    buffer = QBuffer(store)
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    size: QSize = widget.size()
    if suffix == ".svg":
        from PySide6.QtSvg import QSvgGenerator

        made = QSvgGenerator()
        made.setOutputDevice(buffer)
        made.setSize(size)
        made.setViewBox(QRect(0, 0, size.width(), size.height()))
        made.setTitle("Curves of a race")
        painter = QPainter(made)
        widget.render(painter, QPoint())
        painter.end()
    else:
        from PySide6.QtGui import QPixmap

        picture = QPixmap(size * 2)
        picture.setDevicePixelRatio(2)
        widget.render(picture)
        picture.save(buffer, "PNG")
    buffer.close()
    return bytes(store.data())
