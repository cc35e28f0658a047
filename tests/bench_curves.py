"""How late the window's event loop is while 12 curves grow to 1,000,000 points each; how 500 earlier runs are drawn.

uv run tests/bench_curves.py [--points 1000000] [--seconds 60] [--band 1] [--raw]

The curves are drawn numbers: they cross from a worker's job as those of a race do, as chunks of steps. First what is
drawn is checked: each bucket's lowest and highest value is there. A 5 ms timer of the event loop says how late it is.
"""

import argparse
import itertools
import os
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

import numpy as np

CURVES = 12


def losses(points: int, number: int) -> np.ndarray:
    """A falling, noisy curve."""
    rng = np.random.default_rng(number)
    steps = np.arange(1, points + 1)
    return (0.1 + (number + 2) / np.sqrt(steps)) * np.exp(0.1 * rng.standard_normal(points))


def growing(series, seconds: float):
    """A job whose chunks come as those of a race, at most 90 a second, each contender's in turn."""
    from engine.optimizers.record import Chunk, Trace, columns_of

    points = len(series[0])
    rounds = max(1, round(seconds * 90 / CURVES))
    edges = np.linspace(0, points, rounds + 1).astype(int)
    begun = time.monotonic()
    for turn, (first, last) in enumerate(itertools.pairwise(edges)):
        for number, one in enumerate(series):
            values = np.stack([one[first:last] * 0.98, one[first:last] * 1.02])
            steps = np.arange(first, last, dtype=float)
            rates = np.full(len(steps), 0.1)
            trace = Trace(first, values, values, None, rates, steps, steps, None, (), 0)
            yield Chunk(number, trace, np.zeros((2, 1)), columns=columns_of(trace))
            while time.monotonic() < begun + (turn * CURVES + number + 1) / 90:
                time.sleep(0.002)
                yield None


def watched(app, seconds: float, done) -> list[float]:
    """Milliseconds that a 5 ms timer was late until `done`."""
    from PySide6.QtCore import Qt, QTimer

    late: list[float] = []
    last = time.perf_counter()

    def tick() -> None:
        nonlocal last
        now = time.perf_counter()
        late.append(max(0.0, (now - last) * 1000 - 5))
        last = now

    timer = QTimer()
    timer.setTimerType(Qt.TimerType.PreciseTimer)
    timer.timeout.connect(tick)
    timer.start(5)
    end = time.monotonic() + seconds
    while not done() and time.monotonic() < end:
        app.processEvents()
        time.sleep(0.0005)
    timer.stop()
    return late


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--band", type=float, default=1.0)
    parser.add_argument("--raw", action="store_true", help="noise and all; the page draws means of stretches")
    asked = parser.parse_args()
    from PySide6.QtWidgets import QApplication

    from engine.optimizers.thinned import Thinned
    from gui import job, theme
    from gui.curves_race import RacePlot
    from gui.curves_race_parts import Shown

    sys.setswitchinterval(0.0005)
    app = QApplication([])
    theme.apply(app, theme.DARK)
    plot = RacePlot()
    plot.resize(640, 500)
    plot.show()
    curves = [Thinned(rows=100, expected=asked.points) for _ in range(CURVES)]
    plot.show_curves([Shown(f"rule {n}", curve, n, noisy=not asked.raw) for n, curve in enumerate(curves)])
    plot.choose(band=asked.band)
    plot.set_growing(True)
    series = [losses(asked.points, number) for number in range(CURVES)]
    work = job.Job(lambda: growing(series, asked.seconds), "growing", keep=4096)

    def take(events) -> None:
        for event in events:
            curves[event.contender].append(event)
        plot.grown()

    work.batch.connect(take)
    over = []
    work.finished.connect(lambda: over.append(True))
    began = time.perf_counter()
    work.start()
    late = watched(app, asked.seconds * 5, lambda: bool(over))
    took = time.perf_counter() - began
    assert all(len(curve) == asked.points for curve in curves)
    for number, curve in enumerate(curves):
        line, truth = curve.line("loss", "steps", 0, asked.points, 600), series[number].astype(np.float32)
        assert abs(line.y.max() - truth.max()) < 1e-5 * truth.max()
        assert abs(line.y.min() - truth.min()) < 1e-5 * truth.min()
        assert len(line.x) <= 1204
    late.sort()
    print(
        f"{CURVES} curves to {asked.points:,} points in {took:.1f} s, band {asked.band:g}"
        f"{', every point' if asked.raw else ', as the page draws them'}: event loop late by "
        f"{late[len(late) // 2]:.1f} ms (median), {late[int(len(late) * 0.99)]:.1f} ms (99th percentile), "
        f"{late[-1]:.1f} ms (most), {plot.repaints / took:.1f} repaints a second"
    )
    finished(app, plot)


def finished(app, plot) -> None:
    """500 earlier runs of 2,000 steps behind 6 that race: how long a pan's repaint takes."""
    from engine.job import drive
    from engine.optimizers.thinned import Thinned
    from gui.curves_race import Shown

    shown = []
    for number in range(500):
        curve = Thinned(rows=100)
        drive(_one(number), curve.append)
        shown.append(Shown(f"run {number}", curve, number, quiet=number >= 6))
    began = time.perf_counter()
    plot.show_curves(shown)
    plot.fit()
    for _ in range(5):
        app.processEvents()
        time.sleep(0.05)
    print(f"500 runs: shown after {(time.perf_counter() - began) * 1000 - 250:.0f} ms")
    times = []
    for turn in range(60):
        began = time.perf_counter()
        plot._plot.getViewBox().translateBy(x=10 if turn % 2 else -10)
        plot._moved()
        plot._repaint()
        plot.grab()
        times.append((time.perf_counter() - began) * 1000)
    print(
        f"500 runs: a pan with its whole repaint takes {sorted(times)[30]:.1f} ms (median), {max(times):.1f} ms (most)"
    )


def _one(number: int):
    from engine.optimizers.record import Chunk, Trace

    values = losses(2000, number)[None]
    steps = np.arange(2000.0)
    yield Chunk(0, Trace(0, values, values, None, steps * 0 + 0.1, steps, steps, None, (), 0), np.zeros((1, 1)))


if __name__ == "__main__":
    main()
