"""Build the application, route its errors to one place, and leave in order."""

import logging
import os
import signal
import sys
import threading
from collections.abc import Generator, Sequence
from types import TracebackType
from typing import NoReturn

from PySide6.QtCore import QMetaObject, QObject, Qt, QTimer, Slot
from PySide6.QtWidgets import QApplication

from engine.job import Progress
from gui import job, theme
from gui.settings import Settings, WindowSettings
from gui.window import Window
from gui.workspace import LatePage, Workspace

log = logging.getLogger("sightline")

HEAVY = ("numpy", "cv2", "pyqtgraph", "scipy.optimize", "torch", "torchvision", "openvino", "ultralytics")
"""Imported in the background once the window is up, in this order, so that the first source opens sooner."""


class ErrorRoute(QObject):
    """Brings what nobody caught, on any thread, to the notices."""

    def __init__(self, window: Window) -> None:
        super().__init__(window)
        self._window = window
        self._waiting: list[BaseException] = []
        sys.excepthook = self._caught
        threading.excepthook = lambda args: self._caught(args.exc_type, args.exc_value, args.exc_traceback)

    def _caught(self, kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            QApplication.quit()
            return
        sys.__excepthook__(kind, error or kind(), trace)
        if error is not None:
            self._waiting.append(error)
            QMetaObject.invokeMethod(self, "_show", Qt.ConnectionType.QueuedConnection)

    @Slot()
    def _show(self) -> None:
        while self._waiting:
            self._window.notices.error(self._waiting.pop(0))


def warm_up() -> Generator[Progress, None, None]:
    """Import the heavy libraries one after the other; each holds the interpreter for up to 0.3 s at a time."""
    import importlib

    from engine import runtime

    for done, name in enumerate(HEAVY):
        yield Progress("Getting ready", done, len(HEAVY))
        importlib.import_module(name)
    runtime.drop_qt_variables_of_cv2()


def _inspect(settings: Settings) -> Workspace:
    from gui.inspection_page import InspectionPage

    return InspectionPage(settings, settings.load("window", WindowSettings()).device)


def _explain(settings: Settings) -> Workspace:
    from gui.saliency_page import SaliencyPage

    return SaliencyPage(settings, settings.load("window", WindowSettings()).device)


def _optimize(settings: Settings) -> Workspace:
    from gui.optimizers_page import OptimizersPage

    return OptimizersPage(settings)


def build(argv: Sequence[str] = ()) -> tuple[QApplication, Window]:
    """The application and its window, not yet shown."""
    existing = QApplication.instance()
    app = existing if isinstance(existing, QApplication) else QApplication(["Sightline", *argv])
    app.setApplicationName("Sightline")
    app.setApplicationDisplayName("Sightline")
    settings = Settings()
    chosen = settings.load("window", WindowSettings())
    theme.apply(app, theme.wanted(chosen.theme))
    from gui import inspection_routes, optimizers_routes, saliency_routes
    from gui.tracking_page import TrackingPage

    inspect = LatePage(
        "inspect", "Inspect", "inspect", lambda: _inspect(settings),
        takes=lambda _kind: True, claims=inspection_routes.claims,
    )  # fmt: skip
    explain = LatePage(
        "explain", "Explain", "explain", lambda: _explain(settings),
        takes=lambda kind: kind != "drawn", claims=saliency_routes.claims,
    )  # fmt: skip
    optimize = LatePage(
        "optimize", "Optimize", "optimize", lambda: _optimize(settings),
        claims=optimizers_routes.claims,
    )  # fmt: skip
    window = Window([TrackingPage(settings, chosen.device), inspect, explain, optimize], settings)
    app.styleHints().colorSchemeChanged.connect(lambda _scheme: window.restyle())
    return app, window


def start(source: str | None = None) -> NoReturn:
    """Open the window, with a source if one is given, and stay until it is closed."""
    app, window = build()
    route = ErrorRoute(window)
    window.show()
    app.setQuitOnLastWindowClosed(True)

    def begin() -> None:
        ready = job.Job(warm_up, "Getting ready")
        window.job_bar.follow(ready, "Getting ready")
        ready.failed.connect(window.notices.error)
        ready.returned.connect(lambda _none: window.make_pages())
        ready.start()
        if source:
            window.open(source)

    # the first paint comes before anything heavy
    QTimer.singleShot(50, window, begin)
    # an exception raised while something is painted would end the process: Ctrl+C asks to leave instead
    signal.signal(signal.SIGINT, lambda *_: QApplication.quit())
    # Python looks at Ctrl+C only when it runs
    pulse = QTimer()
    pulse.start(250)
    pulse.timeout.connect(lambda: None)
    code = app.exec()
    pulse.stop()
    route.deleteLater()
    leave(code)


def leave(code: int, *, wait_ms: int = 3000) -> NoReturn:
    """End the process: ask every job to stop, wait, and name those that do not.

    A thread that hangs inside a library call can neither be joined nor killed; leaving through `os._exit` ends it with
    the process instead of aborting.
    """
    hanging = job.shutdown(wait_ms)
    if hanging:
        print(f"Left while these were still busy: {', '.join(hanging)}.", file=sys.stderr)
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    if hanging:
        os._exit(code)
    sys.exit(code)
