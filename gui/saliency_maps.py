"""The maps of the page Explain: which are wanted, where each stands, which is in front."""

from collections.abc import Callable
from typing import Any

from engine.saliency.explainer import Explainer
from engine.saliency.knobs import ExplainKnobs
from engine.saliency.questions import Cell, Explain, Question, Seen
from engine.saliency.types import Explanation, Target
from gui.saliency_cells import Cells
from gui.saliency_parts import MOST, ShownMap
from gui.workspace import Workspace


class SaliencyMaps(Workspace):
    """What the page is made of, as far as its maps go; `SaliencyPage` fills in the rest.

    Attributes:
        wanted: the maps that are to be shown, in order.
        maps: those that are there, by place.
        front: the place of the one that is saved and whose lesson is shown.
        seen: the picture that is shown, with what the network says of it.
    """

    cells: Cells
    controls: Any
    strip_view: Any
    live: Any
    detection: Any
    trust: Any
    turned: Any
    save: Any
    explainer: Explainer
    knobs: ExplainKnobs
    show_choice: Any
    classifier: Any
    ask: Callable[[Question], None]

    def __init__(self) -> None:
        super().__init__()
        self.seen: Seen | None = None
        self.wanted: tuple[Cell, ...] = ()
        self.maps: dict[int, Explanation] = {}
        self.front = 0

    def cells_wanted(self) -> tuple[Cell, ...]:
        """Each shown method for each shown class, at most four."""
        targets: tuple[Target | None, ...] = self.controls.classes.targets or (None,)
        methods = self.controls.chosen_methods
        return tuple(Cell(method, target) for target in targets for method in methods)[:MOST]

    def ask_maps(self) -> None:
        """Make the maps that are chosen now."""
        if self.live.watching:
            self.live.follow()
            return
        if self.detection.shown is not None:
            return
        self.turned.leave()
        before = self.wanted
        self.wanted = self.cells_wanted()
        if before != self.wanted:
            self.trust.clear()
        self._arrange()
        if self.seen is not None and self.classifier is not None:
            self.state.emit("Explaining", "", True)
            self.ask(Explain(self.wanted, self.knobs))
        else:
            self.explainer.ask(Explain(self.wanted, self.knobs))

    def _arrange(self) -> None:
        """A cell for each map that is wanted."""
        some = self.seen is not None and self.seen.prediction is not None
        self.cells.set_count(len(self.wanted) if some else 0)
        self.maps = {place: found for place, found in self.maps.items() if place < len(self.wanted)}
        for place, wanted in enumerate(self.wanted[: len(self.cells.shown)]):
            cell = self.cells.shown[place]
            cell.opacity = self.show_choice.opacity
            held = self.maps.get(place)
            if held is None or (held.method, held.target) != (wanted.method, self.target_of(wanted)):
                self.maps.pop(place, None)
                cell.show_map(None)
                cell.show_words(self.title_of(wanted), "…")
        self.front = min(self.front, max(0, len(self.cells.shown) - 1))
        self._show_front()

    def target_of(self, cell: Cell) -> Target:
        """What a cell asks, of the present picture."""
        if cell.target is not None:
            return cell.target
        said = self.seen.prediction if self.seen is not None else None
        return Target(said.top(1)[0] if said is not None else 0)

    def title_of(self, cell: Cell) -> str:
        """What stands under a map."""
        from engine.saliency.methods import METHODS

        title = METHODS[cell.method].title if cell.method in METHODS else cell.method
        return f"{title} · {self.controls.classes.name_of(self.target_of(cell))}"

    def _show_map(self, event: ShownMap) -> None:
        found, place = event.event.explanation, event.event.place
        current = self.seen is not None and event.event.name == self.seen.asked.name
        if self.turned.mode or not current or place >= len(self.cells.shown) or self.wanted[place] != event.event.cell:
            return
        self.maps[place] = found
        cell = self.cells.shown[place]
        cell.show_map(event.layered)
        cell.show_words(self.title_of(event.event.cell), self.trust.line(found))
        if found.completeness_error is not None:
            unit = "" if abs(found.gap or 0) < 0.5 else " %"
            error = found.completeness_error * (100 if unit else 1)
            more = "" if found.done else " so far"
            self.controls.complete.show()
            self.controls.complete.setText(f"Error {error:.2g}{unit} at {found.steps} steps{more}")
        self.settle()

    def settle(self) -> None:
        """Switch on what can be done."""
        self.save.settle()
        self.trust.settle()
        self.turned.settle()

    def refresh_lines(self) -> None:
        """Say anew what stands under the maps."""
        for place, found in self.maps.items():
            if place < len(self.cells.shown):
                self.cells.shown[place].show_words(self.title_of(self.wanted[place]), self.trust.line(found))

    def bring_front(self, place: int) -> None:
        """A map was pressed: its lesson is shown, and it is the one that is saved."""
        self.front = max(0, place)
        self._show_front()
        self.settle()

    def _show_front(self) -> None:
        shown_cells = self.cells.shown
        for place, cell in enumerate(shown_cells):
            cell.chosen = len(shown_cells) > 1 and place == self.front
            cell.view.update()
        if self.front < len(self.wanted):
            self.strip_view.lesson.show_lesson(self.wanted[self.front].method)
