"""Opening on the page Inspect: data sets, folders, pictures, models, cameras and videos, the drawn example."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, QSize
from PySide6.QtWidgets import QFileDialog

from engine.inspection.types import Category, Item
from engine.job import Progress
from gui.inspection_data import counted
from gui.inspection_routes import EXAMPLE, MODEL_FILE, is_data_set, is_model
from gui.inspection_tools import Region
from gui.job import JobSlot
from gui.thumbnails import Entry, ThumbnailList

if TYPE_CHECKING:
    from gui.inspection_page import InspectionPage

_EXAMPLE_NAME = "tile"


class InspectionSource(QObject):
    """What happens between "open this" and the first picture.

    Args:
        page: that shows it.
    """

    def __init__(self, page: "InspectionPage") -> None:
        super().__init__(page)
        self.page = page
        self.reading = JobSlot(self)
        self.reading.returned.connect(self._read)
        self.reading.failed.connect(self._failed)
        self.reading.progress.connect(lambda now: page.state.emit(now.what, "", True))
        self.drawing = JobSlot(self)
        self.drawing.returned.connect(self._drawn)
        self.drawing.failed.connect(self._failed)
        self._fit_after = False

    # -- what can be opened

    def open(self, text: str) -> None:
        """Open anything."""
        from engine.media.source import cleaned, kind_of

        if text == EXAMPLE:
            self.example()
            return
        kind, path = kind_of(text), Path(cleaned(text)).expanduser()
        if kind == "folder" and is_model(path):
            self.page.sets.use(path)
        elif kind == "folder":
            self.read(path)
        elif path.name == MODEL_FILE and path.is_file():
            self.page.sets.use(path.parent)
        elif kind == "image":
            self.page.look(str(path))
        else:
            self.page.live.watch(text)

    def browse(self) -> None:
        """Choose a folder with the window's own dialog."""
        window: Any = self.page.window()
        window.open_bar.ask_folder()

    def ask_folder(self, what: str) -> None:
        """Choose a data set or good pictures ("set"), or a folder of bad pictures to go with the good ones ("bad")."""
        title = "A data set, or good pictures" if what == "set" else "Pictures with defects"
        start = str(self.page.category.folder) if self.page.category is not None else self.page.chosen.folder
        path = QFileDialog.getExistingDirectory(self.page.window(), title, start)
        if path:
            self.read(Path(path)) if what == "set" else self.add_bad(Path(path))

    # -- data sets

    def read(self, path: Path, *, fit: bool = False) -> None:
        """Read a folder in the background: a data set, a category, or good pictures with or without bad ones."""

        def job() -> Any:
            from engine.inspection.dataset import read_any_folder
            from engine.inspection.labels import region_of

            yield Progress(f"Reading {path.name}")
            categories = read_any_folder(path)
            return path, categories, [region_of(category) for category in categories]

        self._fit_after = fit
        self.reading.start(job, f"Read {path.name}")
        self.page.state.emit(f"Reading {path.name}", "", True)

    def add_bad(self, bad: Path) -> None:
        """Read the present good pictures again together with a folder of bad ones."""
        category = self.page.category
        if category is None:
            return
        good = category.train[0].path.parent if category.train else category.folder

        def job() -> Any:
            from engine.inspection.dataset import read_folders
            from engine.inspection.labels import region_of

            yield Progress(f"Reading {bad.name}")
            made = read_folders(good, bad, category.name)
            return bad, (made,), [region_of(made)]

        self._fit_after = False
        self.reading.start(job, f"Read {bad.name}")

    def _failed(self, error: BaseException) -> None:
        self.page.failed.emit(error)
        self.page.say_ready()
        if self.page.shown is None and self.page.category is None:
            self.page.show_empty()

    def _read(self, result: Any) -> None:
        path, categories, regions = result
        self.page.say_ready()
        known = list(zip(categories, regions, strict=True))
        if len(known) > 1:
            self._ask_category(path, known)
        elif self._only_pictures(path, categories[0]):
            self._ask_what(path, categories[0], known)
        else:
            self.page.sets.set_categories(known, 0, fit=self._fit_after)

    def _only_pictures(self, path: Path, category: Category) -> bool:
        """Whether these may be pictures to be inspected as well as good ones to learn from."""
        return self.page.card is not None and not category.test and not is_data_set(path)

    def _ask_what(self, path: Path, category: Category, known: list[tuple[Category, Region]]) -> None:
        page, count = self.page, len(category.items)
        assert page.card is not None
        title = f"{path.name} holds {count:,} picture{'s' if count != 1 else ''}"
        page.empty.show_choice(
            "inspect",
            title,
            "What are they?",
            [
                (f"Inspect them with {page.card.name}", lambda: self.inspect(category)),
                ("Learn from them: they are good", lambda: page.sets.set_categories(known, 0)),
                ("Cancel", self._dismiss),
            ],
        )

    def _ask_category(self, path: Path, known: list[tuple[Category, Region]]) -> None:
        """A data set's root: which of its categories."""
        page = self.page
        size = QSize(104, 84)
        faces = {str(category.items[0].path): (category, n) for n, (category, _r) in enumerate(known) if category.items}
        tiles = ThumbnailList("Categories", page.thumbnails, size, wrap=True, gap=8)
        cell = tiles.cell()
        columns = min(5, max(2, len(faces)))
        rows = min(3, -(-len(faces) // columns))
        tiles.setFixedSize(columns * cell.width() + 24, rows * cell.height() + 8)

        def describe(face: str) -> Entry:
            category = faces[face][0]
            return Entry(face, category.name, f"{len(category.items):,}", "", f"{category.name}: {counted(category)}")

        tiles.show_entries(list(faces), describe)
        tiles.choose(next(iter(faces)))
        tiles.chosen.connect(lambda face: page.sets.set_categories(known, faces[face][1]))
        actions: list[tuple[str, Callable[[], object]]] = [
            (f"Take {known[0][0].name}", lambda: page.sets.set_categories(known, 0)),
            ("Cancel", self._dismiss),
        ]
        title = f"{path.name} holds {len(known)} categories"
        page.empty.show_choice(
            "inspect", title, "Which one? Another can be chosen in the form at any time.", actions, tiles
        )
        tiles.setFocus()

    def _dismiss(self) -> None:
        if self.page.shown is None:
            self.page.show_empty()
        else:
            self.page.empty.hide()

    def inspect(self, category: Category) -> None:
        """Go through pictures nobody has said anything about."""
        self.page.sets.inspect_folder(replace(category, items=tuple(Item(item.path) for item in category.items)))

    # -- the example

    def example(self) -> None:
        """Draw textures with defects (once), learn from the good ones, show a defect."""

        def job() -> Any:
            from engine import runtime
            from engine.samples.textures import writing_mvtec

            folder = runtime.data_folder() / "examples" / "textures"
            made = folder / _EXAMPLE_NAME
            if not made.is_dir():
                folder.mkdir(parents=True, exist_ok=True)
                made = yield from writing_mvtec(folder, _EXAMPLE_NAME)
            return made

        job_name = "Draw the example"
        self.page.background.emit(self.drawing.start(job, job_name), job_name)
        self.page.state.emit("Drawing the example", "", True)

    def _drawn(self, folder: Path) -> None:
        self.read(folder, fit=True)
