"""The states of the page Inspect, for `screens.py`: drawn tiles, a model that is fitted on them on the way."""

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest

LONG = 300


def states(screens: Any) -> Iterator[str]:
    """Bring the page into one state after the other, and name it."""
    window = screens.window
    window.show_page("inspect")
    page = window.page
    yield "inspect-empty"
    folder = _drawn()
    window.open(str(folder))
    screens.spin(20, lambda: "categories" in page.empty.title.text())
    screens.spin(0.5)
    yield "inspect-which-category"
    window.open(str(folder / "tile"))
    screens.spin(20, lambda: page.shown is not None)
    yield "inspect-without-a-model"
    page.fit.start()
    screens.spin(LONG, lambda: bool(window.job_bar.rows()) and window.job_bar.rows()[0].bar.maximum() > 0)
    yield "inspect-fitting"
    screens.spin(LONG, lambda: page.card is not None and page.shown.looked.verdict is not None)
    screens.spin(LONG, lambda: page.rows.following is None and len(page.rows.scores) == len(page.category.test))
    window.notices.clear()
    page.controls.threshold.press("best F1")
    yield "inspect-abnormal"
    page.reason.ask_hottest()
    screens.spin(10, lambda: page.why.area.isVisible())
    yield "inspect-why"
    page.form.verticalScrollBar().setValue(page.form.verticalScrollBar().maximum())
    yield "inspect-threshold"
    page.form.verticalScrollBar().setValue(0)
    page.controls.layers.button("side by side").click()
    page.controls.layers.button("mask").click()
    QTest.mouseMove(page.picture, page.picture.to_view(*page.shown.looked.verdict.hottest).toPoint())
    screens.spin(0.3)
    yield "inspect-one-view-mask-and-value"
    page.controls.layers.button("mask").click()
    page.controls.layers.button("side by side").click()
    good = next(item for item in page.category.test if not item.abnormal)
    page.look(str(good.path))
    screens.spin(10, lambda: page.item == good)
    yield "inspect-good"
    page.desk.button.click()
    yield "inspect-evaluate-empty"
    page.set_knobs(replace(page.knobs, size=128))
    page.desk.view.run()
    screens.spin(LONG, lambda: not page.desk.view.slot.busy)
    yield "inspect-evaluated"
    page.desk.hide()
    yield from _said(screens, page)
    other = Path(tempfile.mkdtemp(prefix="sightline-belt-")) / "belt"
    other.mkdir()
    for number, item in enumerate(page.category.test):
        shutil.copy(item.path, other / f"{number:03}.png")
    (other / "999.png").write_bytes(b"damaged")
    window.open(str(other))
    screens.spin(20, lambda: page.empty.isVisible())
    yield "inspect-what-are-these"
    page.empty.button(f"Inspect them with {page.card.name}").click()
    screens.spin(LONG, lambda: page.rows.following is None and len(page.rows.scores) > 3)
    page.form.verticalScrollBar().setValue(page.form.verticalScrollBar().maximum())
    yield "inspect-unlabelled"
    page.form.verticalScrollBar().setValue(0)
    window.notices.clear()
    yield from _watched(screens, page)


def _drawn() -> Path:
    from engine.samples.textures import write_mvtec

    folder = Path(tempfile.mkdtemp(prefix="sightline-sets-")) / "textures"
    folder.mkdir()
    for name in ("tile", "leather", "grid"):
        write_mvtec(folder, name, train=10 if name == "tile" else 2, good=6 if name == "tile" else 1, each=1)
    return folder


def _said(screens: Any, page: Any) -> Iterator[str]:
    """What a person says of a picture: labels, masks, the region."""
    bad = next(item for item in page.category.test if item.abnormal)
    page.look(str(bad.path))
    screens.spin(10, lambda: page.item == bad)
    page.labels.paint()
    screens.spin(10, lambda: page.labels.brush is not None)
    view = page.picture
    QTest.mousePress(view, Qt.MouseButton.LeftButton, pos=view.to_view(60, 60).toPoint())
    for x in range(60, 140, 8):
        QTest.mouseMove(view, view.to_view(x, 60 + x / 4).toPoint())
    QTest.mouseRelease(view, Qt.MouseButton.LeftButton, pos=view.to_view(140, 95).toPoint())
    yield "inspect-painting-a-mask"
    page.labels.stop()
    page.labels.region(True)
    QTest.mousePress(view, Qt.MouseButton.LeftButton, pos=view.to_view(40, 40).toPoint())
    QTest.mouseMove(view, view.to_view(200, 180).toPoint())
    QTest.mouseRelease(view, Qt.MouseButton.LeftButton, pos=view.to_view(200, 180).toPoint())
    screens.spin(5, lambda: page.region[2] < 1)
    yield "inspect-region-of-interest"
    page.labels.region(False)
    screens.spin(5, lambda: page.region[2] == 1)
    screens.window.notices.clear()
    page.labels.relabel("good")
    screens.spin(5, lambda: bool(screens.window.notices.texts()))
    yield "inspect-relabelled"
    page.labels.undo()
    screens.spin(5, lambda: not page.data.undo.isEnabled())
    screens.window.notices.clear()
    screens.window.menu.popup(screens.window.mapToGlobal(QPoint(64, 100)))
    screens.spin(0.3)
    yield "inspect-menu"
    screens.window.menu.hide()


def _watched(screens: Any, page: Any) -> Iterator[str]:
    """A video, held."""
    import cv2

    from engine.media.writer import VideoWriter

    path = Path(tempfile.mkdtemp(prefix="sightline-belt-")) / "belt.mp4"
    image = cv2.imread(next(iter(page.items)))
    with VideoWriter(path, image.shape[1], image.shape[0], 25.0) as to:
        for _ in range(400):
            to.write(image)
    screens.window.open(str(path))
    screens.spin(20, lambda: page.shown is not None and page.shown.live)
    yield "inspect-video"
    page.live.play(False)
    page.look(next(iter(page.items)))
    screens.spin(1)
