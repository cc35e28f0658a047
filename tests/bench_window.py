"""How soon the window is there, how late its event loop is while it tracks, and how long a cancel takes.

uv run tests/bench_window.py [--seconds 15]

First paint: from the start of the process to the first paint event, in fresh processes, torch, ultralytics and
pyqtgraph not yet imported (checked first). Lateness: a drawn 1280x720 clip is tracked by the shipped network as fast as
it goes and painted; a 5 ms timer of the event loop says how late it is. Imports are over before it is measured.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ["SIGHTLINE_HOME"] = tempfile.mkdtemp(prefix="sightline-bench-")
ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from engine import runtime

runtime.prepare()

FIRST = """
import sys, time
from engine import runtime
runtime.prepare()
from gui.app import build
from PySide6.QtCore import QEvent, QObject
app, window = build()
class Watch(QObject):
    def eventFilter(self, watched, event):
        if event.type() == QEvent.Type.Paint:
            app.removeEventFilter(self)
            heavy = [n for n in ("torch", "ultralytics", "pyqtgraph") if n in sys.modules]
            print(time.time() - float(sys.argv[1]), ",".join(heavy) or "none", flush=True)
            app.exit()
        return False
watch = Watch()
app.installEventFilter(watch)
window.show()
app.exec()
"""


def first_paint(times: int = 7) -> list[float]:
    """Seconds from starting the process to the first paint, each in a fresh process."""
    found = []
    for _ in range(times):
        done = subprocess.run(
            [sys.executable, "-c", FIRST, str(time.time())], cwd=ROOT, capture_output=True, text=True, check=True
        )
        seconds, heavy = done.stdout.split()
        assert heavy == "none", f"imported before the first paint: {heavy}"
        found.append(float(seconds))
    return found


def clip(folder: Path) -> Path:
    """A drawn 720p clip."""
    from engine.media.writer import VideoWriter
    from engine.samples.scenes import crowd

    scene = crowd(10, size=(1280, 720), frames=150)
    path = folder / "drawn720.mp4"
    with VideoWriter(path, scene.width, scene.height, scene.fps) as writer:
        for index in range(scene.frames):
            writer.write(scene.draw(index))
    return path


def lateness(seconds: float) -> tuple[list[float], float, int]:
    """Milliseconds that a 5 ms timer is late while a clip is tracked; frames a second; paints."""
    from PySide6.QtCore import Qt, QTimer

    from engine.job import drive
    from engine.tracking.example import EXAMPLE_WEIGHTS
    from gui import job
    from gui.app import build, warm_up

    app, window = build()
    window.resize(1280, 800)
    window.show()
    drive(warm_up())
    page = window.pages["track"]
    page.controls.model.choose(str(EXAMPLE_WEIGHTS))
    page.timeline.rate.setCurrentIndex(page.timeline.rate.findData(0.0))
    window.open(str(clip(Path(os.environ["SIGHTLINE_HOME"]))))
    until = time.monotonic() + 120
    while not (page.frame is not None and page.index > 15 and page.strip_view.table.rows.rowCount() > 3):
        app.processEvents()
        assert time.monotonic() < until, "nothing was tracked"
    late: list[float] = []
    last = [time.perf_counter()]
    begun, first = time.perf_counter(), len(page.history.log)

    def tick() -> None:
        now = time.perf_counter()
        late.append(max(0.0, (now - last[0]) * 1e3 - 5))
        last[0] = now
        if page.info.frames and page.index >= page.info.frames - 1:
            page.history.forget_from(0)
            page.play(on=True)

    timer = QTimer()
    timer.setTimerType(Qt.TimerType.PreciseTimer)
    timer.timeout.connect(tick)
    timer.start(5)
    paints = [0]
    old = page.picture.overlay
    page.picture.overlay = lambda *given: (paints.__setitem__(0, paints[0] + 1), old(*given))
    tracked = 0
    while time.perf_counter() - begun < seconds:
        app.processEvents()
        time.sleep(0.0002)
        tracked = max(tracked, len(page.history.log) - first)
    timer.stop()
    took = time.perf_counter() - begun
    window.close()
    assert job.shutdown(10_000) == []
    return late, tracked / took, paints[0]


def cancelling(times: int = 20) -> list[float]:
    """Seconds from `cancel` to `finished` of a job that yields every 10 ms."""
    from PySide6.QtCore import QEventLoop

    from gui.job import Job

    found = []
    for _ in range(times):

        def body():
            while True:
                time.sleep(0.01)
                yield 1

        one, loop = Job(body, "endless"), QEventLoop()
        one.finished.connect(loop.quit)
        one.start()
        time.sleep(0.05)
        begun = time.perf_counter()
        one.cancel()
        loop.exec()
        found.append(time.perf_counter() - begun)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=15.0)
    asked = parser.parse_args()
    print(f"CPU: {runtime.cores()} cores, {', '.join(runtime.cpu_features())}")
    paints = first_paint()
    print(f"first paint: least {min(paints):.2f} s, median {statistics.median(paints):.2f} s (aim: under 1 s, warm)")
    late, fps, painted = lateness(asked.seconds)
    late.sort()
    p99 = late[int(0.99 * len(late))]
    print(
        f"event loop while tracking 720p at {fps:.0f} fps, painted {painted / asked.seconds:.0f} times a second: "
        f"late by {statistics.median(late):.1f} ms (median), {p99:.1f} ms (99th percentile; aim: 16), "
        f"{late[-1]:.1f} ms (most)"
    )
    times = cancelling()
    print(f"cancel: median {statistics.median(times) * 1e3:.0f} ms, most {max(times) * 1e3:.0f} ms (aim: 200)")


if __name__ == "__main__":
    main()
