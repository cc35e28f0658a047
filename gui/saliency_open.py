"""Opening on the page Explain: pictures, folders, cameras and videos; networks that are here, fetched or trained."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject

from engine.job import Job, Progress
from engine.saliency.questions import Use
from gui.job import JobSlot
from gui.saliency_routes import EXAMPLE, is_classifier
from gui.thumbnails import Entry

if TYPE_CHECKING:
    from gui.saliency_page import SaliencyPage

EXAMPLE_NETWORK = "shapes"


class SaliencyOpen(QObject):
    """What happens between "open this" and the first map.

    Args:
        page: that shows it.

    Attributes:
        none_here: whether no network is on this machine.
    """

    def __init__(self, page: "SaliencyPage") -> None:
        super().__init__(page)
        self.page = page
        self.none_here = False
        self._paths: list[str] = []
        self._opening = ""
        self._before: tuple[str, str] | None = None
        self._after: str | None = None
        self.fetching, self.training, self.reading = JobSlot(self), JobSlot(self), JobSlot(self)
        for slot in (self.fetching, self.training, self.reading):
            slot.failed.connect(page.failed)
            slot.changed.connect(self._busy_changed)
        self.fetching.returned.connect(self._fetched)
        self.training.returned.connect(self._trained)
        self.training.batch.connect(self._steps)
        self.reading.returned.connect(self._read)

    def _busy_changed(self, busy: bool) -> None:
        if not busy:
            self.page.say_ready()

    # -- the beginning

    def begin(self) -> None:
        """The page is seen for the first time: what is offered, and the network that was used last."""
        page = self.page
        page.controls.fill_methods()
        page.controls.network.fill()
        page.wanted = page.cells_wanted()
        if page.classifier is None and not self._opening:
            self._use_remembered()

    def _use_remembered(self) -> None:
        from engine.saliency.networks import networks_here, trained_here
        from engine.weights.fetch import locate

        chosen = self.page.chosen
        known = Path(chosen.network).is_dir() or chosen.weights or locate(chosen.network) is not None
        if known:
            self.use(chosen.network, chosen.weights)
            return
        others = [card.name for card, here in networks_here() if here] + [str(folder) for folder in trained_here()]
        if others:
            self.page.controls.network.choose(others[0])
            return
        self.none_here = True
        self.page.show_empty()

    # -- pictures

    def open(self, text: str) -> None:
        """Open anything."""
        from engine.media.source import cleaned, kind_of

        page = self.page
        if not page.controls.methods.names():
            self.begin()
        kind, path = kind_of(text), Path(cleaned(text)).expanduser()
        if text == EXAMPLE:
            self.example()
        elif kind == "folder" and is_classifier(path):
            page.controls.network.choose(str(path))
        elif kind == "folder":
            self._read_folder(path)
        elif kind == "image":
            self._remember(path)
            self.pictures_gone()
            page.look(str(path))
        else:
            page.live.watch(text)

    def _remember(self, path: Path) -> None:
        self.page.chosen = replace(self.page.chosen, folder=str(path.parent))

    def _read_folder(self, path: Path) -> None:
        def job() -> Job[list[str]]:
            from engine.errors import SightlineError
            from engine.media.pictures import natural_key
            from engine.media.source import is_picture

            yield Progress(f"Reading {path.name}")
            try:
                found = sorted((one for one in path.rglob("*") if is_picture(one)), key=natural_key)
            except OSError as error:
                raise SightlineError(f"{path} cannot be read ({error.strerror}): choose another folder.") from None
            if not found:
                raise SightlineError(f"There is no picture in {path}: choose a folder of pictures.")
            return [str(one) for one in found]

        self.page.state.emit(f"Reading {path.name}", "", True)
        self.reading.start(job, f"Read {path.name}")

    def _read(self, paths: list[str]) -> None:
        strip = self.page.strip_view
        self._paths = paths
        strip.pictures.show_entries(paths, lambda path: Entry(path, Path(path).name, "", "", Path(path).name))
        strip.show_panel("Pictures")
        self.page.look(paths[0])

    def pictures_gone(self) -> None:
        """What is opened now belongs to no folder."""
        if self._paths:
            self._paths = []
            strip = self.page.strip_view
            strip.pictures.show_entries([], lambda path: Entry(path, "", "", "", ""))
            strip.tabs["Pictures"].hide()
            if strip.panel() == "Pictures":
                strip.show_panel("Lesson")

    def look(self, path: str) -> None:
        """A picture of the folder was pressed."""
        if path:
            self.page.look(path)

    def step(self, by: int) -> None:
        """The next picture of the folder, or the one before."""
        self.look(self.page.strip_view.pictures.step(by) if self._paths else "")

    @property
    def paths(self) -> list[str]:
        """The pictures of the folder that is open; empty otherwise."""
        return self._paths

    def seen(self, name: str) -> None:
        """This picture is shown."""
        if name in self._paths:
            self.page.strip_view.pictures.choose(name)

    # -- networks

    def use(self, network: str, weights: str = "") -> None:
        """Explain this network from now on."""
        page, device = self.page, self.page.device
        self._before = page.chosen.network, page.chosen.weights
        page.chosen = replace(page.chosen, network=network, weights=weights)
        self._opening = Path(network).name
        name = self._opening

        def opening() -> Job[Any]:
            from engine.saliency.networks import open_classifier

            yield Progress(f"Opening {name}")
            return open_classifier(network, weights, device=device)

        page.state.emit(f"Opening {name}", "", True)
        page.ask(Use(opening, name))

    def opened(self) -> None:
        """The network is there."""
        self.none_here, self._opening, self._before = False, "", None
        self.page.settings.save("explain_page", self.page.chosen, type(self.page.chosen)())
        if self._after:
            path, self._after = self._after, None
            self.page.look(path)

    def refused(self) -> None:
        """It could not be opened: the one before stays."""
        self._opening = ""
        if self._before is not None and self.page.classifier is not None:
            network, weights = self._before
            self.page.chosen = replace(self.page.chosen, network=network, weights=weights)
            choice = self.page.controls.network
            choice.network, choice.weights = network, weights
            choice.fill()

    def want_network(self) -> None:
        """A picture is shown and there is no network to explain."""
        if not self._opening and not self.training.busy and not self.fetching.busy:
            self.page.said.emit(
                "There is no network yet: choose one in the form, or train the drawn example there.", "warning"
            )

    def fetch(self, name: str) -> None:
        """Fetch the weights of a card, then use it."""
        from engine.weights.cards import find_card
        from engine.weights.fetch import fetch

        card = find_card(name)
        if card is None:
            return
        title = f"Fetch {card.title}"

        def job() -> Job[str]:
            yield from fetch(card)
            return name

        self.page.background.emit(self.fetching.start(job, title), title)

    def _fetched(self, name: str) -> None:
        self.page.controls.network.choose(name)

    # -- the example

    def example(self) -> None:
        """Open a drawn picture; the network that knows its shapes is trained first if it is not there."""
        folder = example_folder()
        self._after = example_picture()
        if is_classifier(folder):
            self.page.controls.network.choose(str(folder))
        else:
            self.train_example()

    def train_example(self) -> None:
        """Train a small network on drawn shapes, in seconds."""
        if self.training.busy:
            return
        device, title = self.page.device, "Train the drawn example"
        self._after = self._after or (None if self.page.seen is not None else example_picture())

        def job() -> Job[Path]:
            from engine.learning.datasets import EXAMPLE as SHAPES
            from engine.learning.datasets import read_data
            from engine.learning.keeping import save_classifier
            from engine.learning.knobs import usual
            from engine.learning.train import train

            knobs = usual("small_cnn", drawn=True)
            trained = yield from train(read_data(SHAPES), knobs, device=device, name="Drawn shapes")
            yield from save_classifier(trained, example_folder())
            return example_folder()

        self.page.background.emit(self.training.start(job, title, keep=64), title)
        self.page.state.emit(title, "", True)

    def _steps(self, events: list[Any]) -> None:
        from engine.learning.classifier import Epoch

        for event in events:
            if isinstance(event, Epoch):
                accuracy = f"validation {100 * event.val_accuracy:.0f} %"
                self.page.state.emit("Training the drawn example", f"epoch {event.epoch} · {accuracy}", True)

    def _trained(self, folder: Path) -> None:
        self.page.said.emit("The example is trained: it tells drawn shapes apart.", "info")
        self.page.controls.network.choose(str(folder))


def example_folder() -> Path:
    """Where the network that knows the drawn shapes is kept."""
    from engine import runtime

    return runtime.models_folder() / "classifiers" / EXAMPLE_NETWORK


def example_picture() -> str:
    """A drawn picture with a shape, written once into the data folder."""
    import cv2

    from engine import runtime
    from engine.samples.shapes import shapes

    folder = runtime.data_folder() / "examples" / "shapes"
    path = folder / "shapes.png"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        pictures, _labels, _boxes = shapes(1, size=224, seed=11)
        cv2.imwrite(str(path), pictures[0])
    return str(path)
