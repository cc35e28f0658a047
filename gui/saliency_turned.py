"""Explain turned round: previews of the layers, the crop that keeps a class, what excites it, what flips it."""

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject

from engine.job import Job
from engine.saliency.questions import Aside, Bench, Failed, Told
from engine.saliency.types import Image, Target
from gui.actions import action
from gui.saliency_classes import share

if TYPE_CHECKING:
    from gui.saliency_page import SaliencyPage

LAYERS, CROP, DREAM, FLIP = "layers", "crop", "dream", "flip"
_PREVIEW = 56


class SaliencyTurned(QObject):
    """Jobs that show something else than the chosen maps.

    Args:
        page: that shows it.

    Attributes:
        mode: what takes the maps' place (`DREAM`, `FLIP`), "" while the maps are shown.
    """

    def __init__(self, page: "SaliencyPage") -> None:
        super().__init__(page)
        self.page = page
        self.mode = ""
        self._going: set[str] = set()
        self.crop_action = action(self, "The crop that alone keeps the class", self.crop, "Alt+C")
        self.dream_action = action(self, "What excites this class", self.dream, "Alt+V")
        self.flip_action = action(self, "The smallest change that flips the class", self.flip, "Alt+F")
        self.back_action = action(self, "Back to the maps", self.escape)
        self.actions = [self.crop_action, self.dream_action, self.flip_action, self.back_action]
        self.settle()

    def settle(self) -> None:
        """Switch on what can be done."""
        page = self.page
        some = page.seen is not None and page.seen.prediction is not None
        self.dream_action.setEnabled(some)
        self.flip_action.setEnabled(some)
        found = page.maps.get(page.front)
        self.crop_action.setEnabled(found is not None and found.done and not self.mode)
        self.back_action.setEnabled(bool(self.mode))

    def _target(self) -> Target:
        page = self.page
        if page.front < len(page.wanted):
            return page.target_of(page.wanted[page.front])
        said = page.seen.prediction if page.seen is not None else None
        return Target(said.top(1)[0] if said is not None else 0)

    def _begin(self, kind: str, make: Any, words: str) -> None:
        self._going.add(kind)
        self.page.state.emit(words, "", True)
        self.page.ask(Aside(kind, make))

    def stop(self) -> None:
        """Stop what is under way; what is shown stays."""
        for kind in self._going:
            self.page.explainer.ask(Aside(kind))
        self._going.clear()

    def escape(self) -> None:
        """Back to the maps."""
        self.page.trust.escape()
        if self.mode:
            self.stop()
            self.mode = ""
            self.page.ask_maps()
        for cell in (self.page.cells.plain, *self.page.cells.maps):
            cell.box = self.page.trust.box
            cell.view.update()
        self.settle()

    def leave(self) -> None:
        """Other maps are asked for."""
        if self.mode:
            self.stop()
            self.mode = ""
        self.settle()

    # -- the layers

    def preview_layers(self) -> None:
        """Make a small map at every layer of the present class."""
        page = self.page
        if page.seen is None or page.seen.prediction is None or page.live.watching:
            return
        target = self._target()
        self._begin(LAYERS, lambda bench: _previewing(bench, target), "Looking at the layers")

    # -- the crop

    def crop(self) -> None:
        """Find the smallest square that keeps the class of the map in front."""
        found = self.page.maps.get(self.page.front)
        if found is None or not found.done:
            return

        def make(bench: Bench) -> Job[Any]:
            from engine.saliency.crop import keeping_crop

            return keeping_crop(bench.classifier, bench.image, found)

        self._begin(CROP, make, "Looking for the crop")

    def _cropped(self, crop: Any) -> None:
        page = self.page
        found = page.maps.get(page.front)
        name = page.controls.classes.name_of(found.target) if found is not None else "the class"
        if crop is None:
            page.said.emit(f"No square of the picture alone keeps {name}: it needs the whole of it.", "info")
            return
        for cell in (page.cells.plain, *page.cells.shown):
            cell.box = tuple(float(side) for side in crop.box)
            cell.view.update()
        left, top, width, height = crop.box
        page.said.emit(
            f"{width} × {height} pixels at {left}, {top} alone keep {name}: {100 * crop.probability:.0f} %, "
            f"{100 * crop.share:.0f} % of what the network sees.",
            "info",
        )

    # -- what excites, what flips

    def dream(self) -> None:
        """Climb to a picture that excites the class."""
        target = self._target()

        def make(bench: Bench) -> Job[Any]:
            from engine.saliency.visualise import visualise

            return visualise(bench.classifier, target, seed=bench.knobs.seed)

        self._turn(DREAM, make, "Climbing to what excites the class", 1, "class_visualisation")

    def flip(self) -> None:
        """Look for the smallest change of the picture after which the network says something else."""
        page = self.page
        likeliest = page.seen.prediction.top(1)[0] if page.seen is not None and page.seen.prediction else -1
        target = self._target()
        # asked of another class than the likeliest: towards that one
        towards = target.index if target.index != likeliest else None

        def make(bench: Bench) -> Job[Any]:
            from engine.saliency.flip import flip

            return flip(bench.classifier, bench.image, towards)

        self._turn(FLIP, make, "Looking for the smallest change", 2, "flip")

    def _turn(self, kind: str, make: Any, words: str, count: int, lesson: str) -> None:
        page = self.page
        if page.seen is None or page.seen.prediction is None:
            return
        page.trust.clear()
        self.stop()
        self.mode = kind
        page.cells.set_count(count)
        page.cells.plain.box = None
        page.cells.plain.view.update()
        for cell in page.cells.shown:
            cell.chosen, cell.box = False, None
            cell.show_map(None)
            cell.show_words(words, "…")
        page.strip_view.lesson.show_lesson(lesson)
        page.strip_view.show_panel("Lesson")
        self._begin(kind, make, words)
        self.settle()

    def _put(self, place: int, image: Image, title: str, line: str) -> None:
        cell = self.page.cells.shown[place]
        cell.view.show_picture(image)
        cell.show_words(title, line)

    def _dreamt(self, dream: Any) -> None:
        name = self.page.controls.classes.name_of(dream.target)
        line = f"{name} {share(dream.probability)} · step {dream.step} of {dream.steps}"
        self._put(0, dream.image, f"What excites {name}", line)

    def _flipped(self, flip: Any) -> None:
        names = self.page.controls.classes
        now = names.name_of(Target(flip.now))
        self._put(0, flip.image, f"Now {now}", f"{now} {share(flip.probability)}")
        self._put(1, flip.difference, f"The change, {flip.times:.0f} times as strong",
                  f"{flip.l2:.0f} in all, {flip.most:.0f} of 255 at most")  # fmt: skip

    # -- what comes back

    def told(self, event: Told) -> None:
        """Something came of it."""
        if event.kind not in self._going:
            return
        page = self.page
        if event.kind == LAYERS and event.done:
            page.strip_view.layers.show_previews(*event.event)
        elif event.kind == CROP and event.done:
            self._cropped(event.event)
        elif event.kind == DREAM and self.mode == DREAM:
            self._dreamt(event.event)
        elif event.kind == FLIP and self.mode == FLIP:
            self._flipped(event.event)
        if event.done:
            self._going.discard(event.kind)
            page.say_ready()
            self.settle()

    def refused(self, event: Failed) -> None:
        """It cannot be done."""
        if isinstance(event.asked, Aside) and event.asked.kind in self._going:
            self._going.discard(event.asked.kind)
            if event.asked.kind == self.mode:
                self.escape()


def _previewing(bench: Bench, target: Target) -> Job[Any]:
    """Small pictures (BGRA) of the map at every layer, and what kind each layer is."""
    import cv2

    from engine.job import Progress
    from engine.saliency.blend import Show, heat
    from engine.saliency.cams import previews

    yield Progress("Looking at the layers")
    classifier = bench.classifier
    square = classifier.preprocessing.square(bench.image)
    small = cv2.resize(square, (_PREVIEW, _PREVIEW), interpolation=cv2.INTER_AREA)
    made = {}
    for name, values in previews(classifier, classifier.tensor(bench.image), target).items():
        large = cv2.resize(values, (_PREVIEW, _PREVIEW), interpolation=cv2.INTER_LINEAR)
        pixels, _values = heat(large, Show())
        weight = 0.65 * pixels[..., 3:].astype("float32") / 255
        over = (small * (1 - weight) + 0.65 * pixels[..., :3]).clip(0, 255).astype("uint8")
        made[name] = cv2.cvtColor(over, cv2.COLOR_BGR2BGRA)
        yield None
    spatial = [layer for layer in classifier.layers if layer.spatial]
    return made, {layer.name: f"{layer.kind}, {layer.shape[1]} × {layer.shape[2]}" for layer in spatial}
