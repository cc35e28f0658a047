"""Draws every state of every page as a PNG, in both themes and two sizes, to be looked at.

uv run tests/screens.py [FOLDER] [--only WORD]

With SIGHTLINE_ASSETS a real clip is tracked by a real YOLO; without, the drawn example by the shipped network.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ["SIGHTLINE_HOME"] = tempfile.mkdtemp(prefix="sightline-screens-")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from engine import runtime

runtime.prepare()

from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QPainter, QPixmap
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QWidget

from engine.errors import SightlineError
from engine.job import Progress
from gui import job, theme
from gui.app import build
from gui.notice import Action

SIZES = ((1280, 800), (1920, 1080))
State = str | tuple[str, Callable[[], object]]
"""The name of a state; perhaps with what is done in each size: something pops up, is scrolled to."""


class Screens:
    """The window, driven from state to state."""

    def __init__(self) -> None:
        self.app, self.window = build()
        self.page = self.window.page_of("track")
        self.window.show()
        self.assets = os.environ.get("SIGHTLINE_ASSETS", "")

    def spin(self, seconds: float = 0.2, until: Callable[[], bool] = lambda: False) -> None:
        """Let the window live for a while, or until something holds."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and not until():
            self.app.processEvents()
            time.sleep(0.004)

    def states(self) -> Iterator[State]:
        """Bring the window into one state after the other, and name it."""
        page, window = self.page, self.window
        yield "empty"
        window.open_bar.address.setFocus()
        yield "empty-address-focused"
        window.show_drop_hint()
        yield "empty-dropping"
        window._drop_hint.hide()
        window.open("/nowhere/street.mp4")
        self.spin(5, lambda: bool(window.notices.texts()))
        yield "missing-file"
        window.notices.clear()
        yield from self._page_cards()
        if self.assets:
            window.open(f"{self.assets}/video/TUD-Stadtmitte.mp4")
            self.spin(8, lambda: page.info is not None and not page.slot.busy)
            yield "no-network-yet"
            page.controls.model.choose(f"{self.assets}/models/yolov8n.pt")
        else:
            window.open("example:crowd")
        self.spin(120, lambda: page.frame is not None and page.index > 20 and len(page.frame.seen.tracks) > 3)
        yield "tracking"
        ids = page.frame.seen.tracks.ids.tolist()
        page.track.choose(ids[0])
        yield "track-chosen"
        page.card.button.setChecked(True)
        self.spin(1.5)
        yield "track-focused"
        page.card.button.setChecked(False)
        page.track.choose(None)
        page.play(on=False)
        page.go_to(10)
        self.spin(1)
        yield "held-and-scrubbed-back"
        page.picture.zoom(3.0, page.picture.to_view(300, 220))
        yield "zoomed"
        page.picture.fit()
        window.toggle_form()
        yield "form-hidden"
        window.toggle_form()
        row = job.Job(lambda: iter(()), "export")
        window.job_bar.follow(row, "Export street_tracked.mp4")
        row.progress.emit(Progress("Export street_tracked.mp4", 1110, 1790, "frames", 9.0))
        yield "exporting"
        row.finished.emit()
        yield from self._notices()
        page.controls.show_scores("HOTA 61.5 · IDF1 84.6 · MOTA 77.0 · 7 switches, over the first 179 frames")
        yield "scored"
        yield "menu", lambda: window.menu.popup(window.mapToGlobal(QPoint(64, 300)))
        if not self.assets:
            return
        window.open(f"{self.assets}/images/pets.jpg")
        self.spin(20, lambda: page.loaded is not None and len(page.history.frames) == 1)
        yield "one-picture"

    def all_states(self) -> Iterator[State]:
        """Those of every page."""
        from screens_inspection import states as inspection_states
        from screens_optimizers import states as optimizers_states
        from screens_saliency import states as saliency_states

        yield from self.states()
        yield from inspection_states(self)
        yield from saliency_states(self)
        yield from optimizers_states(self)

    def _notices(self) -> Iterator[str]:
        say = self.window.notices.say
        say("OpenVINO could not load this network; torch runs it instead, more slowly.", "warning")
        say("street_tracked.mp4 is written: 179 frames, H.264, in /home/you/Videos.")
        self.window.notices.error(SightlineError("There is no camera 2 here; plug one in or choose another number."))
        yield "notices"
        self.window.notices.clear()
        self.window.notices.error(RuntimeError("shape mismatch in layer 3"))
        yield "defect"
        self.window.notices.clear()
        actions = [Action("Download 5.4 MB", lambda: None), Action("Choose a file …", lambda: None)]
        say("YOLO11n is not on this machine yet. Its licence is AGPL-3.0.", "info", actions=actions)
        yield "question"
        self.window.notices.clear()

    def _page_cards(self) -> Iterator[str]:
        from engine.media.youtube import Entry, Page

        source = self.page.source
        address = "https://video.example/watch?v=1"
        source._ask_how(address, Page(address, "A street in the rain", (1080, 720, 480, 360), 754.0), None)
        yield "page-watch-or-download"
        entries = tuple(Entry(f"Street {n}", 60.0 * n) for n in range(1, 6))
        source._ask_entry(address, Page(address, "Streets of the world", entries=entries))
        yield "page-with-several-videos"
        self.page.show_empty()

    def shoot(self, folder: Path, only: str) -> None:
        """Save each state in both themes and sizes."""
        from screens_inspection import states as inspection_states
        from screens_optimizers import states as optimizers_states
        from screens_saliency import states as saliency_states

        # the pages do not depend on each other's states
        alone = {"inspect": inspection_states, "explain": saliency_states, "optimize": optimizers_states}
        found = next((states for word, states in alone.items() if only.startswith(word)), None)
        every = found(self) if found is not None else self.all_states()
        for state in every:
            # what pops up is opened anew in each size, what is scrolled to looked for again
            name, pop_up = state if isinstance(state, tuple) else (state, lambda: None)
            if only not in name:
                continue
            for width, height in SIZES:
                self.window.resize(width, height)
                for look in theme.THEMES:
                    self.window.set_theme(look)
                    self.spin(0.25)
                    pop_up()
                    self.spin(0.05)
                    self._grab().save(str(folder / f"{name}-{look}-{width}.png"))
                    for popup in self._popups():
                        popup.hide()
            print(name, flush=True)
        QTest.keyClick(self.window, Qt.Key.Key_Escape)
        self.window.close()

    def _grab(self) -> QPixmap:
        """The window, with the popups that are open over it."""
        whole = self.window.grab()
        painter = QPainter(whole)
        for popup in self._popups():
            painter.drawPixmap(self.window.mapFromGlobal(popup.pos()), popup.grab())
        painter.end()
        return whole

    def _popups(self) -> list[QWidget]:
        return [w for w in self.app.topLevelWidgets() if w.isVisible() and w.windowType() == Qt.WindowType.Popup]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=Path(tempfile.gettempdir()) / "sightline-screens")
    parser.add_argument("--only", default="", help="only the states with this in their name")
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    Screens().shoot(asked.folder, asked.only)
    print(f"in {asked.folder}")
    hanging = job.shutdown(5000)
    sys.stdout.flush()
    os._exit(1 if hanging else 0)


if __name__ == "__main__":
    main()
