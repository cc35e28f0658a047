"""The states of the page Optimize, for `screens.py`: surfaces, regression, networks, a search, convergence."""

from collections.abc import Callable, Iterator
from typing import Any

LONG = 300
State = str | tuple[str, Callable[[], object]]
"""The name of a state; perhaps with what is done in each size: something pops up, is scrolled to."""


def states(screens: Any) -> Iterator[State]:
    """Bring the page into one state after the other, and name it."""
    window, spin = screens.window, screens.spin
    window.show_page("optimize")
    page = window.page
    runner = page.runner
    spin(LONG, lambda: runner.built is not None)
    spin(1)
    yield "optimize-empty"

    def race(key: str) -> None:
        page.open_example(key)
        spin(LONG, lambda: page.done > 0)

    def over() -> None:
        spin(LONG, lambda: not runner.busy)
        spin(1)

    race("valley")
    window.notices.clear()
    over()
    page.look_at_step(400)
    yield "optimize-surface"
    page.fork()
    spin(LONG, lambda: len(page.entries) == 7)
    yield "optimize-forked"
    page.open_example("logistic")
    spin(LONG, lambda: page.done > 300)
    page.runner.pause()
    spin(2)
    window.notices.clear()
    yield "optimize-regression-waiting"
    yield (
        "optimize-plot-menu",
        lambda: page.stage.menu.menu().popup(page.stage.menu.mapToGlobal(page.stage.menu.rect().bottomLeft())),
    )
    page.play()
    over()
    page.strip_view.show_panel("Confusion")
    yield "optimize-regression"
    page.strip_view.show_panel("Lessons")
    page.row_list.choose(1)
    spin(3)
    page.split.setSizes([380, 350])
    yield "optimize-lesson"
    page.split.setSizes([560, 170])
    page.strip_view.show_panel("ROC")
    race("spirals")
    window.notices.clear()
    over()
    yield "optimize-network"
    page.strip_view.show_panel("Gradient check")
    spin(LONG, lambda: not page.strip_view.check.slot.busy)
    yield "optimize-gradient-check"
    page.strip_view.show_panel("Precision and recall")
    race("digits")
    over()
    window.notices.clear()
    yield "optimize-digits"
    row = page.row_list.current
    page.row_list.form.changed.emit(_fast(row.contender, 1e9))
    page.begin()
    spin(LONG, lambda: bool(window.notices.texts()))
    over()
    yield "optimize-diverged"
    window.notices.clear()
    page.views.search()
    spin(1)
    yield "optimize-search-settings"
    view = page.views._search
    view.form.form.set_field("trials", 20)
    view.go.click()
    spin(LONG, lambda: view.searcher.finished >= 20)
    spin(2)
    yield "optimize-search"
    page.views.stop()
    page.views.convergence()
    spin(1)
    page.views._convergence.measure()
    spin(LONG, lambda: page.views._convergence.result is not None)
    spin(1)
    yield "optimize-convergence"
    page.views.close()
    window.open("/nowhere/clicks.csv")
    spin(LONG, lambda: bool(window.notices.texts()))
    yield "optimize-missing-table"
    window.notices.clear()
    if not screens.assets:
        return
    page.problem._chosen_problem("logistic")
    window.open(f"{screens.assets}/tables/ad_10000records.csv")
    spin(LONG, lambda: runner.built is not None and runner.built.setup.label != "")
    spin(2)
    yield "optimize-table"
    page.form.verticalScrollBar().setValue(0)
    window.notices.clear()
    page.begin()
    over()
    yield "optimize-table-raced"


def _fast(contender: Any, rate: float) -> Any:
    from dataclasses import replace

    return replace(contender, knobs=replace(contender.knobs, lr=rate))
