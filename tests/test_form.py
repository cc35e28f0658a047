"""A settings dataclass becomes a form: sliders, fields, lists and chips stay one value."""

from dataclasses import dataclass

import pytest
from PySide6.QtCore import Qt

from engine.knobs import knob
from engine.tracking.knobs import TrackKnobs
from gui.chips import Chips
from gui.form import Form, NumberRow


@dataclass(frozen=True)
class Small:
    share: float = knob(0.25, "Share", group="One", low=0.0, high=1.0, step=0.01)
    count: int = knob(30, "Count", group="One", low=1, high=300, step=1, unit="frames")
    size: int = knob(640, "Size", group="Two", choices=(320, 640))
    on: bool = knob(True, "On", group="Two")
    kinds: tuple[str, ...] = knob((), "Kinds", group="Two")
    hidden: int = 3


@pytest.fixture
def form(qtbot):
    made = Form(Small(), names={"kinds": ("person", "car")})
    qtbot.addWidget(made)
    return made


def test_only_knobs_are_shown_and_each_has_a_name(form):
    assert set(form._controls) == {"share", "count", "size", "on", "kinds"}
    for control in form._controls.values():
        named = control.slider if isinstance(control, NumberRow) else control
        assert named.accessibleName()


def test_the_slider_moves_the_field_and_the_settings_are_replaced_whole(form):
    before = form.value()
    seen = []
    form.changed.connect(seen.append)
    form.control("share").slider.setValue(40)
    assert form.control("share").field.value() == pytest.approx(0.40)
    assert seen == [Small(share=0.4)]
    assert before == Small()


def test_typing_moves_the_slider(form, qtbot):
    field = form.control("count").field
    field.setFocus()
    field.selectAll()
    qtbot.keyClicks(field, "120")
    qtbot.keyClick(field, Qt.Key.Key_Return)
    assert form.control("count").slider.value() == 120
    assert form.value().count == 120
    assert isinstance(form.value().count, int)


def test_lists_boxes_and_chips(form, qtbot):
    form.control("size").setCurrentIndex(0)
    form.control("on").click()
    qtbot.mouseClick(form.control("kinds").button("car"), Qt.MouseButton.LeftButton)
    assert form.value() == Small(size=320, on=False, kinds=("car",))


def test_showing_other_settings_emits_nothing(form):
    seen = []
    form.changed.connect(seen.append)
    form.set_value(Small(share=0.5, count=2, size=320, on=False, kinds=("person",)))
    assert seen == []
    assert form.control("kinds").chosen() == ("person",)
    assert form.control("count").value() == 2


def test_many_chips_hide_behind_plus_n_but_a_chosen_one_is_in_view(qtbot):
    names = [f"class {n}" for n in range(80)]
    chips = Chips("Classes", names, ["class 70"], first=5)
    qtbot.addWidget(chips)
    chips.resize(260, 200)
    chips.show()
    assert chips.button("class 70").isVisible()
    assert not chips.button("class 20").isVisible()
    more = next(b for b in chips.findChildren(type(chips.button("class 1"))) if b.text() == "+ 74")
    qtbot.mouseClick(more, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: chips.button("class 20").isVisible())
    assert chips.chosen() == ("class 70",)


def test_the_knobs_of_track_make_a_form(qtbot):
    form = Form(TrackKnobs(), names={"classes": ("person",)})
    qtbot.addWidget(form)
    form.control("confidence").slider.setValue(50)
    assert form.value().confidence == pytest.approx(0.5)


def test_every_rule_and_schedule_has_a_form(qtbot):
    from engine.optimizers.rules import RULES
    from engine.optimizers.schedules import SCHEDULES

    for knobs in (one.knobs() for one in (*RULES.values(), *SCHEDULES.values())):
        form = Form(knobs)
        qtbot.addWidget(form)
        assert form.value() == knobs


def test_a_number_over_many_powers_of_ten(qtbot):
    from engine.optimizers.rules import RULES

    form = Form(RULES["adam"].knobs(lr=0.01))
    qtbot.addWidget(form)
    row = form.control("lr")
    seen = []
    form.changed.connect(lambda knobs: seen.append(knobs.lr))
    row.slider.setValue(row.slider.value() + 100)
    assert seen[-1] == pytest.approx(0.1)
    # what cannot be is taken as it is typed: the race says so in words
    row.field.setValue(-1.0)
    assert seen[-1] == -1.0
    assert form.control("eps").field.text() == "1e-08"
