"""The states of the page Inspect, for `screens.py`: drawn tiles, a model that is fitted on them on the way."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QPushButton

LONG = 300
State = str | tuple[str, Callable[[], object]]
"""The name of a state; perhaps with what is done in each size: something pops up, is scrolled to."""


def states(screens: Any) -> Iterator[State]:
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
    scroll = page.form.verticalScrollBar()
    yield "inspect-threshold", lambda: scroll.setValue(scroll.maximum())
    scroll.setValue(0)
    page.controls.layers.button("side by side").click()
    page.controls.layers.button("mask").click()
    QTest.mouseMove(page.picture, page.picture.to_view(*page.shown.looked.verdict.hottest).toPoint())
    screens.spin(0.3)
    yield "inspect-one-view-mask-and-value"
    page.controls.layers.button("mask").click()
    bad = next(item for item in page.category.test if item.mask is not None)
    page.look(str(bad.path))
    screens.spin(10, lambda: page.item == bad and bool(page.overlays.truth))
    yield "inspect-truth"
    page.controls.layers.button("heat map").click()
    yield "inspect-truth-and-contour"
    page.controls.layers.button("heat map").click()
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
    yield from _alike(screens, page)
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
    yield "inspect-unlabelled", lambda: scroll.setValue(scroll.maximum())
    scroll.setValue(0)
    window.notices.clear()
    yield from _watched(screens, page)


def _drawn() -> Path:
    from engine.samples.textures import write_mvtec

    folder = Path(tempfile.mkdtemp(prefix="sightline-sets-")) / "textures"
    folder.mkdir()
    for name in ("tile", "leather", "grid"):
        train, good, each = (10, 6, 3) if name == "tile" else (2, 1, 1)
        write_mvtec(folder, name, train=train, good=good, each=each)
    return folder


def _said(screens: Any, page: Any) -> Iterator[State]:
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
    menu = screens.window.menu
    yield "inspect-menu", lambda: menu.popup(screens.window.mapToGlobal(QPoint(64, 100)))


def _alike(screens: Any, page: Any) -> Iterator[State]:
    """The gallery: empty, filled with the set's own pictures, asked, filtered."""
    panel, window = page.similar.panel, screens.window
    bad = next(item for item in page.category.test if item.abnormal)
    page.look(str(bad.path))
    page.similar.tab.click()
    screens.spin(10, lambda: page.item == bad and not panel.waits)
    yield "inspect-gallery-empty"
    panel.edit.index_test()
    screens.spin(LONG, lambda: not panel.edit.filling.busy and panel.result is not None and not panel.seen.slot.busy)
    screens.spin(1)
    window.notices.clear()
    yield "inspect-similar-cases"
    page.similar.tab.click()
    tile = panel.tiles[0]
    tile.setFocus(Qt.FocusReason.TabFocusReason)
    yield "inspect-similar-case-focused"
    at = tile.rect().center()
    yield "inspect-similar-case-menu", lambda: panel.edit.menu_of(tile.neighbour.case).popup(tile.mapToGlobal(at))
    yield "inspect-gallery-filter", panel.filter.click
    more = panel.more
    yield "inspect-gallery-menu", lambda: panel.edit.menu.popup(more.mapToGlobal(more.rect().bottomLeft()))
    panel.choose(replace(panel.chosen, kinds=("good",), lowest=0.95))
    screens.spin(5, lambda: not panel.waits)
    yield "inspect-gallery-nothing-matches"
    panel.choose(panel.chosen.cleared())
    panel.ask_region((0.3, 0.3, 0.3, 0.3))
    screens.spin(5, lambda: not panel.waits and not panel.seen.slot.busy)
    screens.spin(0.5)
    yield "inspect-gallery-by-region"
    panel.ask_picture_shown()
    screens.spin(5, lambda: not panel.waits)
    next(tab for tab in page.findChildren(QPushButton) if tab.text() == "Pictures").click()


def _watched(screens: Any, page: Any) -> Iterator[State]:
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
