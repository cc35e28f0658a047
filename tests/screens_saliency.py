"""The states of the page Explain, for `screens.py`: the drawn example, a network that is trained on the way."""

from collections.abc import Callable, Iterator
from typing import Any

from PySide6.QtCore import QPoint

LONG = 300
State = str | tuple[str, Callable[[], object]]
"""The name of a state; perhaps with what is done in each size: something pops up, is scrolled to."""


def states(screens: Any) -> Iterator[State]:
    """Bring the page into one state after the other, and name it."""
    window, spin = screens.window, screens.spin
    window.show_page("explain")
    page = window.page
    spin(10, lambda: bool(page.controls.methods.names()))
    spin(1)
    yield "explain-empty"

    def finished() -> bool:
        return len(page.maps) == len(page.wanted) > 0 and all(found.done for found in page.maps.values())

    page.open("example:explain")
    spin(LONG, lambda: bool(window.job_bar.rows()))
    yield "explain-training"
    spin(LONG, lambda: page.seen is not None and finished())
    window.notices.clear()
    yield "explain-two-maps"
    page.trust.measure()
    spin(LONG, lambda: not page.trust.busy)
    yield "explain-trust"
    page.controls.choose_methods(("grad_cam", "integrated_gradients", "guided_backprop", "occlusion"))
    spin(LONG, finished)
    yield "explain-four-maps"
    page.strip_view.show_panel("Layers")
    spin(LONG, lambda: bool(page.strip_view.layers.swatches))
    yield "explain-layers"
    page.strip_view.show_panel("Lesson")
    page.controls.choose_methods(("grad_cam",))
    first, second = (row.index for row in page.controls.classes.rows[:2])
    from engine.saliency.types import Target

    page.controls.classes.set_targets((Target(first, second),))
    page.controls.show_form.set_field("sign", "both")
    spin(LONG, finished)
    yield "explain-why-this-and-not-that"
    page.controls.show_form.set_field("how", "mask")
    yield "explain-mask"
    page.controls.show_form.set_field("how", "blend")
    page.controls.show_form.set_field("sign", "for")
    page.controls.classes.set_targets(())
    spin(LONG, finished)
    page.turned.crop()
    spin(LONG, lambda: bool(window.notices.texts()))
    yield "explain-crop"
    window.notices.clear()
    page.turned.dream()
    spin(LONG, lambda: not page.turned._going)
    yield "explain-what-excites"
    page.turned.flip()
    spin(LONG, lambda: not page.turned._going)
    yield "explain-flipped"
    page.escape()
    spin(LONG, finished)
    yield "explain-menu", lambda: page.menu.popup(page.button.mapToGlobal(QPoint(-120, 32)))
    scroll = page.form.verticalScrollBar()
    yield "explain-form-below", lambda: scroll.setValue(scroll.maximum())
    scroll.setValue(0)
    page.open("/nowhere/cat.png")
    spin(5, lambda: bool(window.notices.texts()))
    yield "explain-missing-file"
    window.notices.clear()
