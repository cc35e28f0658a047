"""Fixtures for every test: own folders, no network, and guards against what a test leaves behind."""

import gc
import os
import sys
import tempfile
import threading
import time
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ["SIGHTLINE_HOME"] = tempfile.mkdtemp(prefix="sightline-tests-")

from engine import runtime

runtime.prepare()

import pytest  # noqa: E402


@pytest.fixture(scope="session")
def assets() -> Path:
    """The folder of real clips and weights; the test is skipped where `SIGHTLINE_ASSETS` is unset."""
    folder = os.environ.get("SIGHTLINE_ASSETS")
    if not folder or not Path(folder).is_dir():
        pytest.skip("set SIGHTLINE_ASSETS to the folder of real clips and weights to run this test")
    return Path(folder)


@pytest.fixture(autouse=True)
def _nothing_left_behind(request: pytest.FixtureRequest):
    """Fail the test that leaves a thread of ours, a running job or an active timer behind, and name it."""
    yield
    problems = []
    if "PySide6.QtCore" in sys.modules and {"qtbot", "qapp"} & set(request.fixturenames):
        problems += _left_in_qt()
    problems += [f"thread {thread.name}" for thread in _our_threads()]
    if problems:
        pytest.fail(f"left behind: {', '.join(problems)}")


def _our_threads() -> list[threading.Thread]:
    until = time.monotonic() + 3
    while True:
        ours = [t for t in threading.enumerate() if t.name.startswith("sightline") and t.is_alive()]
        if not ours or time.monotonic() > until:
            return ours
        time.sleep(0.02)


def _left_in_qt() -> list[str]:
    import shiboken6
    from PySide6.QtCore import QCoreApplication, QEvent, QTimer

    from gui import job

    left = [f"job {name}" for name in job.shutdown(3000)]
    app = QCoreApplication.instance()
    for _ in range(3):
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
        if app is not None:
            app.processEvents()
    gc.collect()
    timers = [o for o in gc.get_objects() if type(o) is QTimer and shiboken6.isValid(o) and o.isActive()]
    left += [f"timer of {timer.parent()!r}" for timer in timers]
    for timer in timers:
        timer.stop()
    # what is still here belongs to libraries and fixtures: looking through it again after each test took half a second
    gc.freeze()
    return left
