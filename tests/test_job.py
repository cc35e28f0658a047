"""Any engine job on its thread: what arrives, in which order, and what is left behind."""

import gc
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from PySide6.QtCore import QThread

from engine.job import Notice, Progress, drive
from gui.job import Job, JobSlot, running, shutdown

ROOT = Path(__file__).parent.parent


def count(n, wait_s=0.0):
    for i in range(n):
        yield i
        time.sleep(wait_s)
    return "done"


def record(job):
    """Write down every signal of a job in the order in which they came."""
    seen = []
    job.batch.connect(lambda events: seen.append(("batch", events)))
    job.returned.connect(lambda value: seen.append(("returned", value)))
    job.failed.connect(lambda error: seen.append(("failed", error)))
    job.finished.connect(lambda: seen.append(("finished", None)))
    return seen


def test_events_come_in_order_then_the_result_then_finished(qtbot):
    job = Job(lambda: count(50, 0.002), "count", keep=100)
    seen = record(job)
    with qtbot.waitSignal(job.finished):
        job.start()
    assert [event for kind, events in seen if kind == "batch" for event in events] == list(range(50))
    assert [kind for kind, _ in seen if kind != "batch"] == ["returned", "finished"]
    assert seen[-2][1] == "done"


def test_latest_wins_under_a_slow_slot(qtbot):
    job = Job(lambda: count(400, 0.002), "fast")
    shown = []

    def slow(event):
        shown.append(event)
        time.sleep(0.05)

    job.latest.connect(slow)
    with qtbot.waitSignal(job.finished, timeout=10_000):
        job.start()
    assert shown[-1] == 399, "the last event is never lost"
    assert len(shown) < 100, "the ones between were dropped, not queued"
    assert shown == sorted(shown)


@pytest.mark.parametrize("kind", [ValueError, RuntimeError, StopAsyncIteration])
def test_an_error_arrives_with_its_traceback_and_finished_follows(qtbot, kind):
    def bad():
        yield 1
        raise kind("out of memory")

    job = Job(bad, "bad")
    seen = record(job)
    with qtbot.waitSignal(job.finished):
        job.start()
    assert [k for k, _ in seen] == ["batch", "failed", "finished"]
    error = seen[1][1]
    assert isinstance(error, kind)
    names = []
    trace = error.__traceback__
    while trace:
        names.append(trace.tb_frame.f_code.co_name)
        trace = trace.tb_next
    assert "bad" in names


def test_an_error_while_the_job_is_being_made_arrives_too(qtbot):
    def make():
        raise RuntimeError("no camera")

    job = Job(make, "make")
    seen = record(job)
    with qtbot.waitSignal(job.finished):
        job.start()
    assert [k for k, _ in seen] == ["failed", "finished"]


def test_cancel_closes_the_generator_on_its_own_thread_within_two_seconds(qtbot):
    where = {}

    def job_body():
        where["made"] = threading.get_ident()
        try:
            while True:
                time.sleep(0.01)
                yield 0
        finally:
            where["closed"] = threading.get_ident()

    job = Job(job_body, "endless")
    seen = record(job)
    with qtbot.waitSignal(job.latest):
        job.start()
    before = len(seen)
    with qtbot.waitSignal(job.finished, timeout=2000):
        job.cancel()
    assert where["made"] == where["closed"] != threading.get_ident()
    assert [k for k, _ in seen[before:]] == ["finished"], "nothing but finished after a cancel"


def test_slots_run_on_the_gui_thread_lambdas_too(qtbot):
    job = Job(lambda: count(3), "count")
    threads = []
    job.latest.connect(lambda _e: threads.append(QThread.currentThread()))
    here = QThread.currentThread()
    with qtbot.waitSignal(job.finished):
        job.start()
    assert threads
    assert all(thread is here or thread == here for thread in threads)


def test_a_dropped_reference_is_harmless(qtbot):
    done = []
    for _ in range(40):
        job = Job(lambda: count(3, 0.001), "dropped")
        job.finished.connect(lambda: done.append(1))
        job.start()
        del job
        gc.collect()
    qtbot.waitUntil(lambda: len(done) == 40, timeout=10_000)
    assert not running()


def test_progress_and_notices_are_not_lost_between_many_events(qtbot):
    def body():
        for i in range(200):
            yield i
            if i == 100:
                yield Notice("fell back to torch")
                yield Progress("Tracking", 100, 200)
        return None

    job = Job(body, "news")
    notices, steps = [], []
    job.notice.connect(lambda n: notices.append(n.text))
    job.progress.connect(lambda p: steps.append(p.share))
    with qtbot.waitSignal(job.finished):
        job.start()
    assert notices == ["fell back to torch"]
    assert steps == [0.5]


def test_of_many_requests_only_the_newest_runs_and_old_events_never_arrive(qtbot):
    slot = JobSlot()
    shown = []
    started = []
    slot.latest.connect(shown.append)

    def body(name):
        started.append(name)
        while True:
            time.sleep(0.005)
            yield name

    slot.start(lambda: body("first"), "first")
    qtbot.waitUntil(lambda: "first" in shown)
    for name in ("second", "third", "fourth"):
        slot.start(lambda name=name: body(name), name)
        shown.clear()
    qtbot.waitUntil(lambda: "fourth" in shown)
    assert set(shown) == {"fourth"}
    assert started == ["first", "fourth"]
    with qtbot.waitSignal(slot.finished):
        slot.cancel()
    assert not slot.busy


def test_shutdown_names_the_job_that_hangs(qtbot):
    release = threading.Event()

    def hangs():
        yield 1
        release.wait(20)
        yield 2

    def obeys():
        while True:
            time.sleep(0.005)
            yield 1

    stuck = Job(hangs, "stuck export")
    fine = Job(obeys, "fine")
    with qtbot.waitSignals([stuck.latest, fine.latest]):
        stuck.start()
        fine.start()
    time.sleep(0.05)
    assert shutdown(300) == ["stuck export"]
    with qtbot.waitSignal(stuck.finished):
        release.set()
    qtbot.waitUntil(lambda: not running())


QUIT = """
import sys, time
from PySide6.QtCore import QCoreApplication, QTimer
from gui.app import leave
from gui.job import Job
app = QCoreApplication([])
def body():
    while True:
        time.sleep({sleep}); yield 1
job = Job(body, "long one").start()
QTimer.singleShot(300, app.quit)
leave(app.exec(), wait_ms=700)
"""


@pytest.mark.parametrize(("sleep", "named"), [(0.01, False), (30, True)])
def test_quitting_while_a_job_runs_exits_0_and_names_the_one_that_hangs(sleep, named):
    code = QUIT.format(sleep=sleep)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert ("long one" in done.stderr) == named


def test_drive_runs_a_job_without_qt():
    seen = []
    assert drive(count(3), seen.append) == "done"
    assert seen == [0, 1, 2]


def test_this_pyside_keeps_its_references_to_none_and_true():
    code = """
from PySide6.QtCore import QObject, Signal
class A(QObject):
    s = Signal(bool)
a = A()
for _ in range(20_000):
    QObject().parent(); a.s.emit(True)
print("alive")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "alive" in done.stdout
