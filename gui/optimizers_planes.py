"""What is drawn beside the curves: the surface with its paths, a slice of the loss, the boundary, the network."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtCore import QObject, QTimer

from engine.learning.build import Built
from engine.learning.hand_network import HandNetwork
from engine.learning.loading import DRAWN
from engine.learning.looking import plane_room
from engine.learning.setup import FEATURES
from engine.learning.watching import Judged, Seen, Sliced, Wanted, seen_at, slice_part, surface
from engine.optimizers.run import Edit
from engine.optimizers.slices import room
from gui.job import JobSlot
from gui.optimizers_parts import Entry

if TYPE_CHECKING:
    from gui.optimizers_page import OptimizersPage

_PATHS_MS = 66


class OptimizersPlanes(QObject):
    """Keeps the planes of the stage as they should be."""

    def __init__(self, page: "OptimizersPage") -> None:
        super().__init__(page)
        self.page, self.stage = page, page.stage
        self.built: Built | None = None
        self.field, self.looking = JobSlot(self), JobSlot(self)
        self.field.returned.connect(self._drawn)
        self.looking.batch.connect(lambda events: [self.show(event) for event in events])
        for slot in (self.field, self.looking):
            slot.failed.connect(page.failed)
        self._paths = QTimer(self)
        self._paths.setSingleShot(True)
        self._paths.setInterval(_PATHS_MS)
        self._paths.timeout.connect(self._draw_paths)
        self.stage.paths.view_changed.connect(self._view_changed)
        self.stage.network.edited.connect(self._edited)
        self.stage.network.hidden_changed.connect(lambda hidden: page.change_setup(hidden=hidden))
        self.stage.network.features_changed.connect(lambda features: page.change_setup(features=features))
        self._kept: dict[str, Any] = {}

    @property
    def surface(self) -> bool:
        """Whether the problem has two parameters and is drawn whole."""
        return self.built is not None and self.built.problem.parameters == 2

    def opened(self, built: Built) -> None:
        """Another problem."""
        self.built = built
        network = isinstance(built.problem, HandNetwork)
        plane = built.table is not None and built.table.plane is not None
        self.stage.arrange(network=network and plane, plane=plane)
        for view in (self.stage.paths, self.stage.boundary):
            view.clear()
        self._sliced: Sliced | None = None
        if self.surface:
            minima = None if built.problem.minimum is None else built.problem.minimum.theta
            start = built.problem.start(1, 0).numpy()
            part = room(start if minima is None else np.concatenate([start, minima]), 1.0, 0.35)
            self.stage.paths.set_title(f"Paths over {built.problem.title}")
            self.stage.paths.set_axes("x", "y")
            self.stage.paths.set_minima(minima)
            self.stage.paths.show_part(*part)
            # the same part may be seen as before: nothing has moved then
            self._view_changed(*self.stage.paths.part())
        else:
            self.stage.paths.set_title("Paths over the loss, a slice")
            self.stage.paths.set_axes("along", "across")
        if plane:
            assert built.table is not None
            assert built.table.plane is not None
            self.stage.boundary.show_part(*plane_room(built.table.plane))
            self.stage.boundary.set_title("What the model says" if not built.table.classes else "Decision boundary")
        self.show_network(None)
        self.look()

    def show_network(self, look: Any) -> None:
        """Draw the network as it is now."""
        built = self.built
        if built is None or not isinstance(built.problem, HandNetwork):
            return
        known = DRAWN.get(built.setup.data)
        offered = FEATURES if known is not None and known.two_numbers else ()
        self.stage.network.show_network(look, built.setup.hidden, offered=offered, features=built.setup.features)

    # -- what is computed

    def _view_changed(self, x0: float, x1: float, y0: float, y1: float) -> None:
        built = self.built
        if built is None:
            return
        # a little more than is seen, so that a pan has something to show
        wide, high = (x1 - x0) * 0.25, (y1 - y0) * 0.25
        part = (x0 - wide, x1 + wide, y0 - high, y1 + high)
        if self.surface:
            self.field.start(lambda: surface(built, part), "Drawing the objective")
        elif self._sliced is not None and self._sliced.slice is not None and not self.page.runner.running:
            cut = self._sliced.slice
            self.field.start(lambda: slice_part(built, cut, part), "Drawing a slice")

    def _drawn(self, drawn: Sliced) -> None:
        self.stage.paths.set_surface(drawn.field, drawn.lines)

    def look(self) -> None:
        """Look at the models as they are, while no race runs."""
        built, page = self.built, self.page
        if built is None or built.table is None or page.runner.busy:
            return
        thetas = [entry.theta[0] for entry in page.entries if entry.theta is not None]
        if not thetas:
            # before a race: the model where the first contender begins
            seed = page.rows[page.chosen].contender.seed if page.rows else 0
            thetas = [built.problem.start(1, seed)[0].numpy()]
        wanted = replace(self.wanted(), judge=bool(page.entries))
        if wanted.contender >= len(thetas):
            wanted = replace(wanted, contender=0)
        self.looking.start(lambda: seen_at(built, thetas, wanted), "Looking", keep=8)

    def look_at(self, theta: np.ndarray, number: int) -> None:
        """Look at a model that is no contender's present one: an earlier step."""
        built = self.built
        if built is not None and built.table is not None:
            wanted = Wanted(0, judge=False)
            self.looking.start(lambda: seen_at(built, [theta], wanted), "Looking", keep=8)

    def wanted(self) -> Wanted:
        """What is to be looked at while a race runs."""
        plane = self.built is not None and self.built.table is not None and self.built.table.plane is not None
        view = self.stage.paths
        return Wanted(
            self.page.chosen_entry, look=plane, slice=not self.surface,
            aspect=max(0.3, view.plot_rect().width() / max(1.0, view.plot_rect().height())),
        )  # fmt: skip

    # -- what is shown

    def show(self, event: Any) -> None:
        """A `Seen`, `Judged` or `Sliced`."""
        if self.built is None:
            return
        if isinstance(event, Seen):
            if self.built.table is not None and self.built.table.plane is not None:
                self.stage.boundary.show_decision(event.look, self.built.table)
            self.show_network(event.look)
        elif isinstance(event, Judged):
            for number, look in event.looks.items():
                if number < len(self.page.entries) and look.figures is not None:
                    self.page.entries[number].figures = look.figures
            self.page.strip_view.show_judged(event.looks, self.page.entries, self.page.chosen_entry)
            self.page.table_grown()
        elif isinstance(event, Sliced):
            self._sliced = event
            if event.field is not None:
                field = event.field
                self.stage.paths.set_surface(field, event.lines)
                if self.stage.paths.fits:
                    self.stage.paths.show_part(field.x0, field.x1, field.y0, field.y1)
                rows = f", {field.rows:,} rows" if field.rows else ""
                self.stage.paths.set_title(f"Paths over the loss, a slice{rows}")
            self._draw_paths()

    def grown(self) -> None:
        """The runs have gone on."""
        if not self._paths.isActive():
            self._paths.start()

    def _draw_paths(self) -> None:
        # the picture of a slice is as wide as there is room
        self.page.runner.wanted.value = self.wanted()
        entries: Sequence[Entry] = self.page.entries
        if self.surface:
            until = self.page.looked
            paths = []
            for entry in entries:
                if entry.on:
                    places = entry.path.places()
                    first = entry.curve.record.first
                    paths.append((entry.number, places if until is None else places[: max(1, until - first + 1)]))
            self.stage.paths.set_paths(paths)
        elif self._sliced is not None:
            self.stage.paths.set_paths(
                [
                    (entries[number].number, path)
                    for number, path in self._sliced.paths
                    if number < len(entries) and entries[number].on
                ]
            )

    _sliced: Sliced | None = None

    # -- editing

    def _edited(self, layer: int, out: int, into: int, value: float) -> None:
        built = self.built
        if built is None or not isinstance(built.problem, HandNetwork):
            return
        self.page.edit(Edit(built.problem.place(layer, out, into), value))

    def stop(self) -> None:
        """Stop what is under way."""
        self.field.cancel()
        self.looking.cancel()
