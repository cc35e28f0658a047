"""The picture: what is rendered, where a point is, zoom to the cursor, pan, and overlays at the right place."""

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QColor, QImage
from PySide6.QtTest import QTest

from gui.picture import PictureView, View, render, to_array, to_qimage


def quarters(width=64, height=48):
    """Top left red, top right green, bottom left blue, bottom right white (BGR)."""
    image = np.zeros((height, width, 3), np.uint8)
    image[: height // 2, : width // 2] = (0, 0, 255)
    image[: height // 2, width // 2 :] = (0, 255, 0)
    image[height // 2 :, : width // 2] = (255, 0, 0)
    image[height // 2 :, width // 2 :] = 255
    return image


@pytest.fixture
def view(qtbot):
    made = PictureView()
    qtbot.addWidget(made)
    made.resize(400, 300)
    made.show_picture(quarters())
    made.show()
    return made


@pytest.mark.parametrize("width", [1, 2, 3, 5, 7, 641])
def test_odd_widths_keep_their_rows_straight(qapp, width):
    pixels = np.zeros((4, width, 4), np.uint8)
    for row in range(4):
        pixels[row] = (row * 10, row * 20, row * 30, 255)
    image = to_qimage(pixels)
    for row in range(4):
        colour = QColor(image.pixel(width - 1, row))
        assert (colour.blue(), colour.green(), colour.red()) == (row * 10, row * 20, row * 30)


def test_a_qimage_becomes_bgr(qapp):
    image = QImage(3, 2, QImage.Format.Format_RGB888)
    image.fill(QColor(10, 20, 30))
    assert to_array(image).shape == (2, 3, 3)
    assert (to_array(image) == (30, 20, 10)).all()


@pytest.mark.parametrize("ratio", [1.0, 1.5, 2.0])
def test_a_picture_fits_its_view_at_every_scale(ratio):
    made = render(quarters(), View(400, 300, ratio))
    left, top, width, height = made.place
    assert (left, top) == pytest.approx((400 / 2 - width / 2, 300 / 2 - height / 2))
    assert width / height == pytest.approx(64 / 48)
    assert made.pixels.shape[:2] == (round(height * ratio), round(width * ratio))


def test_only_what_is_seen_is_rendered():
    made = render(quarters(), View(400, 300, 1.0, 20.0, (0.0, 0.0)))
    assert made.pixels.shape[0] <= 300
    assert made.pixels.shape[1] <= 400
    assert (made.pixels[5, 5, :3] == (0, 0, 255)).all()


def test_a_picture_point_and_its_place_in_the_view_are_one_another(view):
    for point in ((0, 0), (10.5, 20.25), (64, 48)):
        back = view.to_picture(view.to_view(*point))
        assert (back.x(), back.y()) == pytest.approx(point)


def test_the_wheel_zooms_to_the_cursor(view):
    at = QPointF(130, 90)
    before = view.to_picture(at)
    view.zoom(3.0, at)
    after = view.to_picture(at)
    assert (after.x(), after.y()) == pytest.approx((before.x(), before.y()))
    assert not view.fits


def test_dragging_pans_and_a_double_click_fits_again(view, qtbot):
    view.zoom(4.0)
    start = view.to_picture(QPointF(200, 150))
    QTest.mousePress(view, Qt.MouseButton.LeftButton, pos=QPoint(200, 150))
    QTest.mouseMove(view, QPoint(220, 150))
    QTest.mouseMove(view, QPoint(240, 150))
    QTest.mouseRelease(view, Qt.MouseButton.LeftButton, pos=QPoint(240, 150))
    moved = view.to_picture(QPointF(240, 150))
    assert moved.x() == pytest.approx(start.x(), abs=1.0)
    QTest.mouseDClick(view, Qt.MouseButton.LeftButton, pos=QPoint(200, 150))
    assert view.fits


def test_a_click_tells_the_picture_point_and_a_drag_does_not(view):
    clicked = []
    view.clicked.connect(lambda p: clicked.append((p.x(), p.y())))
    QTest.mouseClick(view, Qt.MouseButton.LeftButton, pos=view.to_view(32, 24).toPoint())
    assert clicked[0] == pytest.approx((32, 24), abs=0.2)
    QTest.mousePress(view, Qt.MouseButton.LeftButton, pos=QPoint(100, 100))
    QTest.mouseMove(view, QPoint(160, 100))
    QTest.mouseRelease(view, Qt.MouseButton.LeftButton, pos=QPoint(160, 100))
    assert len(clicked) == 1


def test_the_overlay_is_painted_where_the_picture_point_is(view):
    def mark(painter, where):
        painter.fillRect(where.to_view(48, 36).x() - 3, where.to_view(48, 36).y() - 3, 6, 6, QColor("#ff00ff"))

    view.overlay = mark
    view.update()
    shot = view.grab().toImage()
    at = view.to_view(48, 36).toPoint()
    ratio = shot.devicePixelRatio()
    assert QColor(shot.pixel(round(at.x() * ratio), round(at.y() * ratio))).name() == "#ff00ff"
    assert (view.image == quarters()).all(), "the frame itself stays clean"


def test_a_stale_rendering_is_not_used(view):
    stale = render(quarters(), View(10, 10))
    view.show_picture(quarters(), stale)
    assert view._rendered.view == view.view()


def test_keys_zoom_and_fit(view):
    QTest.keyClick(view, Qt.Key.Key_Plus)
    assert not view.fits
    QTest.keyClick(view, Qt.Key.Key_F)
    assert view.fits
    QTest.keyClick(view, Qt.Key.Key_1)
    assert view.scale() == pytest.approx(1 / view.devicePixelRatioF())


def test_a_picture_of_one_pixel_is_shown(view):
    view.show_picture(np.full((1, 1, 3), 200, np.uint8))
    view.zoom(0.5)
    view.fit()
    assert view.grab().width() > 0
