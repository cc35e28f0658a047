"""How late the window's event loop is while a model is fitted, and while its test pictures are gone through.

uv run tests/bench_inspection_window.py

A 5 ms timer of the event loop says how late it is. Imports are over before it is measured; anomalib's are not needed.
With SIGHTLINE_ASSETS magnetic_tile is fitted, without it drawn tiles.
"""

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ["SIGHTLINE_HOME"] = tempfile.mkdtemp(prefix="sightline-bench-")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from engine import runtime

runtime.prepare()

from PySide6.QtCore import Qt, QTimer

from engine.job import drive
from gui import job
from gui.app import build, warm_up

AIM_MS = 16


class Lateness:
    """A timer of the event loop that writes down how late it is, in milliseconds."""

    def __init__(self) -> None:
        self.late: list[float] = []
        self._last = 0.0
        self.timer = QTimer()
        self.timer.setTimerType(Qt.TimerType.PreciseTimer)
        self.timer.setInterval(5)
        self.timer.timeout.connect(self._tick)

    def _tick(self) -> None:
        now = time.perf_counter()
        self.late.append(max(0.0, (now - self._last) * 1e3 - 5))
        self._last = now

    def begin(self) -> None:
        """Forget what was, and measure."""
        self.late.clear()
        self._last = time.perf_counter()
        self.timer.start()

    def say(self, what: str) -> None:
        """Stop and print."""
        self.timer.stop()
        late = sorted(self.late)
        print(
            f"{what}: late by {statistics.median(late):.1f} ms (median), {late[int(0.99 * len(late))]:.1f} ms "
            f"(99th percentile; aim: {AIM_MS}), {late[-1]:.1f} ms (most), {len(late):,} looks"
        )


def main() -> None:
    app, window = build()
    window.resize(1280, 800)
    window.show()
    drive(warm_up())
    import torch.ao.quantization.fx  # noqa: F401  (the backbone is cut with torch.fx; its import is no part of the fit)
    import torchvision.models.feature_extraction  # noqa: F401

    window.show_page("inspect")
    page = window.page

    def until(done) -> None:
        end = time.monotonic() + 300
        while not done():
            app.processEvents()
            time.sleep(0.0002)
            assert time.monotonic() < end, "it took too long"

    window.open(str(_category()))
    until(lambda: page.category is not None and page.shown is not None)
    lateness = Lateness()
    lateness.begin()
    page.fit.start()
    until(lambda: page.card is not None)
    lateness.say(f"while {page.card.name} is fitted ({page.card.fit_s:.0f} s)")
    lateness.begin()
    until(lambda: page.rows.following is None and len(page.rows.scores) == len(page.category.test))
    lateness.say(f"while {len(page.category.test)} pictures are gone through")
    window.close()
    assert job.shutdown(10_000) == []


def _category() -> Path:
    assets = os.environ.get("SIGHTLINE_ASSETS")
    if assets:
        return Path(assets) / "anomaly" / "magnetic_tile"
    from engine.samples.textures import write_mvtec

    return write_mvtec(Path(tempfile.mkdtemp(prefix="sightline-sets-")), "tile", train=60)


if __name__ == "__main__":
    main()
