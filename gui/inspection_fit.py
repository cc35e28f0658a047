"""Fitting on the page Inspect: the button, the job, the weights it needs, and the fitted models that are kept."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, QTimer
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QFileDialog, QPushButton

from engine.inspection.inspector import Use
from engine.inspection.knobs import AUTO, METHODS, FitKnobs
from engine.inspection.types import Category
from engine.job import Progress
from gui.inspection_method import long_words, that_count
from gui.inspection_models import ModelsDialog
from gui.job import Job, JobSlot
from gui.job_bar import titled
from gui.notice import Action

if TYPE_CHECKING:
    from gui.inspection_page import InspectionPage

_ALWAYS_HERE = (AUTO, "mobilenet_v2")
"""Backbones whose weights need no download."""


class InspectionFit(QObject):
    """The button Fit, its job, and the list of fitted models.

    Args:
        page: whose set is learned.
    """

    def __init__(self, page: "InspectionPage") -> None:
        super().__init__(page)
        self.page = page
        self.cards: list[Any] = []
        self.dialog: ModelsDialog | None = None
        self._says = ""
        self.slot = JobSlot(self)
        self.slot.returned.connect(self._fitted)
        self.slot.failed.connect(page.failed)
        self.slot.notice.connect(lambda notice: page.said.emit(notice.text, "warning"))
        self.slot.changed.connect(self._busy_changed)
        self.listing = JobSlot(self)
        self.listing.returned.connect(self._listed)
        self.listing.failed.connect(page.failed)
        self.estimating = JobSlot(self)
        self.estimating.returned.connect(self._estimated)
        self.estimating.failed.connect(page.failed)
        self.naming, self.looking = JobSlot(self), JobSlot(self)
        self.naming.returned.connect(self._named)
        self.naming.failed.connect(page.failed)
        self.looking.returned.connect(self._found)
        self.looking.failed.connect(page.failed)
        # not for every step of a slider: some steps are run to measure one
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(400)
        self._soon.timeout.connect(self._estimate)
        self._soon.timeout.connect(self._look)
        self.button = QPushButton("Fit")
        self.button.setProperty("primary", True)
        self.button.setAccessibleName("Fit")
        self.button.clicked.connect(lambda _c=False: self.start())
        self.action = QAction("Fit on the good pictures", self)
        self.action.setShortcut("Ctrl+Return")
        self.action.triggered.connect(lambda _c=False: self.start())
        self.models_action = QAction("Fitted models …", self)
        self.models_action.setShortcut("Ctrl+M")
        self.models_action.triggered.connect(lambda _c=False: self.show_models())
        self.open_action = QAction("Open a model's folder …", self)
        self.open_action.triggered.connect(lambda _c=False: self.ask_model())
        self.export_action = QAction("Export the model …", self)
        self.export_action.setShortcut("Ctrl+E")
        self.export_action.triggered.connect(lambda _c=False: self.ask_export())
        self.exporting = JobSlot(self)
        self.exporting.returned.connect(self._exported)
        self.exporting.failed.connect(page.failed)
        self.exporting.notice.connect(lambda notice: page.said.emit(notice.text, "warning"))
        self.actions = [self.action, self.models_action, self.open_action, self.export_action]
        page.method.knobs_changed.connect(self._knobs_changed)
        page.method.model_chosen.connect(lambda folder: page.sets.use(Path(folder)))
        page.method.models_wanted.connect(self.show_models)
        page.method.fit_wanted.connect(lambda anew: self.start(anew=anew))
        self.settle()

    def settle(self) -> None:
        """Switch the button on or off: something must be there to learn, and one fit at a time."""
        category, busy = self.page.category, self.slot.busy
        ready = category is not None and not self.page.unlabelled and len(category.train) > 0 and not busy
        self.button.setText("Fitting …" if busy else "Fit")
        self.button.setEnabled(ready)
        self.action.setEnabled(ready)
        learn = f"Learn from the {len(category.train):,} good pictures of {category.name}" if ready and category else ""
        self._says = learn or "Open a data set or a folder of good pictures first"
        self.button.setToolTip(f"{self._says} (Ctrl+Return)")
        self._look()

    def _busy_changed(self, busy: bool) -> None:
        self.settle()
        if not busy:
            self.page.say_ready()
        if not busy and self.page.method.note.isHidden():
            self.estimate()

    # -- fitting

    def start(self, *, anew: bool = False) -> None:
        """Learn from the good pictures of the set; the present model stays in use until the new one is there.

        Args:
            anew: throws away the state of the same fit that was broken off; otherwise it goes on from there.
        """
        page, category = self.page, self.page.category
        if category is None or page.unlabelled or self.slot.busy:
            return
        knobs = self._knobs()
        if self._offer_weights(knobs):
            return
        page.settled.emit()
        self._stop_measuring()
        device = page.device
        title = f"Fit {category.name}"
        self.slot.start(lambda: titled(title, _fitting(category, knobs, device, anew=anew)), title)
        assert self.slot.job is not None
        page.background.emit(self.slot.job, title)
        page.state.emit(f"Learning from {len(category.train):,} good pictures", "", True)

    def _knobs(self) -> FitKnobs:
        """The form's settings for the set that is open."""
        return that_count(replace(self.page.knobs, region=self.page.region))

    def _offer_weights(self, knobs: FitKnobs) -> bool:
        """Ask for the backbone's weights if they are not here; True if something was asked."""
        if knobs.method != "patchcore" or knobs.weights or knobs.backbone in _ALWAYS_HERE:
            return False
        from engine.weights.cards import find_card
        from engine.weights.fetch import locate
        from gui.models import offer

        card = find_card(knobs.backbone)
        if card is None or locate(card.name) is not None:
            return False
        fetch = Action(offer(card).capitalize(), lambda: self._fetch(card))
        text = f"The weights of {card.title} are not on this machine yet. Their licence is {card.licence}."
        self.page.asked.emit(text, "info", [fetch, Action("Choose a file …", self._ask_weights)])
        return True

    def _fetch(self, card: Any) -> None:
        def make() -> Any:
            from engine.weights.fetch import fetch

            return fetch(card)

        job = Job(make, f"Download {card.title}")
        job.returned.connect(lambda _path: self.start())
        job.failed.connect(self.page.failed)
        self.page.background.emit(job, f"Download {card.title}")
        job.start()

    def _ask_weights(self) -> None:
        kind = "Weights (*.safetensors *.pth *.pt);;All files (*)"
        path, _kind = QFileDialog.getOpenFileName(self.page.window(), "The backbone's weights", "", kind)
        if path:
            self.page.method.form.set_field("weights", path)
            self.start()

    def _fitted(self, model: Any) -> None:
        card = model.card
        self.page.say_ready()
        text = f"{card.name} is fitted on {card.pictures:,} pictures, in {long_words(card.fit_s)}."
        now = self.page.category
        if now is not None and str(now.folder) == card.source:
            self.page.said.emit(text, "info")
            self.page.sets.use(model, show_abnormal=True)
        else:
            # another set was opened meanwhile
            model.close()
            self.page.asked.emit(text, "info", [Action("Use it", lambda: self.page.sets.use(card.folder))])
        self.list_models()

    # -- how long it will take

    def _knobs_changed(self, knobs: FitKnobs) -> None:
        self.page.set_knobs(knobs)
        self.estimate()

    def estimate(self) -> None:
        """Say beforehand how long a trained method will take."""
        knobs: FitKnobs = self.page.knobs
        self._offer("", "")
        if knobs.method != "efficientad":
            self._soon.stop()
            self.estimating.cancel()
            self.page.method.show_note(self.page.method.why_not(knobs.method))
            return
        self.page.method.show_note("Measuring how long a step takes on this machine …")
        self._soon.start()

    def _stop_measuring(self) -> None:
        """A fit begins: beside it a step would take longer, and so would the fit."""
        if self._soon.isActive() or self.estimating.busy:
            self.page.method.show_note("")
        self._soon.stop()
        self.estimating.cancel()
        self.looking.cancel()

    def _estimate(self) -> None:
        knobs, device = self.page.knobs, self.page.device

        def job() -> Any:
            from engine.inspection.efficientad_train import estimating

            return knobs, (yield from estimating(knobs, device))

        self.estimating.start(job, "Estimate")

    def _estimated(self, result: Any) -> None:
        knobs, seconds = result
        if knobs.method == self.page.knobs.method:
            self.page.method.show_note(f"{knobs.steps:,} steps take about {long_words(seconds)} on this machine.")

    # -- a fit that was broken off

    def _look(self) -> None:
        """Look whether a fit of this set with these settings was broken off."""
        page, category, knobs, device = self.page, self.page.category, self._knobs(), self.page.device
        if knobs.method != "efficientad" or category is None or page.unlabelled or self.slot.busy:
            self.looking.cancel()
            self._offer("", "")
            return

        def job() -> Any:
            from engine.inspection.unfinished import unfinished

            yield Progress("Looking for a fit that was broken off")
            return knobs, category, unfinished(category, knobs, device)

        self.looking.start(job, "Look for a fit that was broken off")

    def _found(self, result: Any) -> None:
        knobs, category, found = result
        if knobs != self._knobs() or category is not self.page.category or self.slot.busy:
            return
        if found is None:
            self._offer("", "")
        elif found.stage == "teacher":
            self._offer(f"A fit was broken off after {found.step:,} steps of teaching its teacher.", "Go on")
        else:
            text = f"A fit was broken off after step {found.step:,} of {knobs.steps:,}."
            self._offer(text, f"Go on from step {found.step:,}")

    def _offer(self, text: str, go_on: str) -> None:
        self.page.method.show_unfinished(text, go_on)
        says = f"{text} This goes on from there" if text else self._says
        self.button.setToolTip(f"{says} (Ctrl+Return)")

    # -- the methods

    def list_methods(self) -> None:
        """Look which of anomalib's models can be run here; anomalib itself is not imported."""

        def job() -> Any:
            from engine.inspection.anomalib_models import anomalib_names, why_not

            yield Progress("Listing the methods")
            return {name: why_not(name) for name in anomalib_names()}

        self.naming.start(job, "List the methods")

    def _named(self, why_not: dict[str, str]) -> None:
        method = self.page.method
        method.set_methods(list(why_not), why_not)
        if self.page.knobs.method not in METHODS:
            self.estimate()

    # -- the fitted models

    def list_models(self) -> None:
        """Read anew which models are kept, and which methods there are."""
        self.list_methods()

        def job() -> Any:
            from engine.inspection.keeping import models

            yield Progress("Listing the models")
            return models()

        self.listing.start(job, "List the models")

    def _listed(self, cards: list[Any]) -> None:
        self.cards = cards
        self.page.method.show_models(cards, self.page.card)
        if self.dialog is not None:
            self.dialog.show_cards(cards)
        self.page.sets.models_listed()

    def known_for(self, category: Category) -> Any:
        """The newest model that was fitted on this set, or None."""
        return next((card for card in self.cards if Path(card.source) == category.folder), None)

    def ask_model(self) -> None:
        """Choose a model's folder."""
        from engine.runtime import models_folder

        path = QFileDialog.getExistingDirectory(self.page.window(), "Open a fitted model", str(models_folder()))
        if path:
            self.page.sets.use(Path(path))

    def show_models(self) -> None:
        """The window with all fitted models."""
        self.dialog = ModelsDialog(self.page.window(), self.cards)
        self.dialog.open_wanted.connect(lambda folder: self.page.sets.use(Path(folder)))
        self.dialog.rename_wanted.connect(self._rename)
        self.dialog.delete_wanted.connect(self._delete)
        self.dialog.export_wanted.connect(lambda folder: self.ask_export(Path(folder)))
        self.dialog.finished.connect(self._dialog_closed)
        self.dialog.open()

    def ask_export(self, folder: Path | None = None) -> None:
        """Choose where a model (the present one if None) is written as one network for other programs."""
        card = self.page.card
        folder = folder or (card.folder if card is not None else None)
        if folder is None:
            self.page.said.emit("There is no model to export: fit one, or open one.", "warning")
            return
        kinds = "OpenVINO (*.xml);;ONNX (*.onnx)"
        path, kind = QFileDialog.getSaveFileName(self.page.window(), "Export the model", f"{folder.name}.xml", kinds)
        if path:
            target = Path(path)
            self.export(folder, target if target.suffix else target.with_suffix(".onnx" if "ONNX" in kind else ".xml"))

    def export(self, folder: Path, path: Path) -> None:
        """Write the model of a folder as one network, in the background; the one in use goes on."""

        def job() -> Any:
            from engine.inspection.export import export_model
            from engine.inspection.keeping import open_model

            model = yield from open_model(folder, "cpu")
            try:
                return (yield from export_model(model, path))
            finally:
                model.close()

        self.exporting.start(job, f"Export {path.name}")
        self.page.background.emit(self.exporting.job or self.exporting, f"Export {path.name}")

    def _exported(self, done: Any) -> None:
        self.page.said.emit(f"{done.path.name} is written, in {done.path.parent}.", "info")

    def _dialog_closed(self, _code: int) -> None:
        if self.dialog is not None:
            self.dialog.deleteLater()
            self.dialog = None

    def _rename(self, folder: str, name: str) -> None:
        def job() -> Any:
            from engine.inspection.keeping import models, rename_model

            yield Progress("Renaming")
            card = rename_model(Path(folder), name)
            self.page.renamed = card
            return models()

        self.listing.start(job, "Rename the model")

    def _delete(self, folders: list[str]) -> None:
        now = self.page.card
        if now is not None and str(now.folder) in folders:
            self.page.ask(Use(None))

        def job() -> Any:
            from engine.inspection.keeping import delete_model, models

            for folder in folders:
                yield Progress("Deleting")
                delete_model(Path(folder))
            return models()

        self.listing.start(job, "Delete models")


def _fitting(category: Category, knobs: FitKnobs, device: str, *, anew: bool) -> Any:
    """Fit a model and keep it; a job. The state of one that is broken off stays, to go on from."""
    from engine.inspection.fit import fit
    from engine.inspection.keeping import save_model
    from engine.inspection.unfinished import forget, make_room, state_folder

    state = state_folder(category, knobs, device)
    if state is not None:
        if anew:
            forget(state)
        make_room(state)
    model = yield from fit(category, knobs, device=device, checkpoint=state)
    try:
        yield from save_model(model)
    except BaseException:
        model.close()
        raise
    if state is not None:
        forget(state)
    return model
