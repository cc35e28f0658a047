"""The list of networks in Explain's form: those of ImageNet that are here or can be fetched, and one's own."""

from pathlib import Path

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QComboBox, QFileDialog, QInputDialog

from gui.form import SHORT, choice

FOLDER, FILE, TRAIN = "\0folder", "\0file", "\0train"
_KINDS = "Weights (*.pth *.pt *.safetensors);;All files (*)"


class NetworkChoice(QObject):
    """Builds and reads the drop-down list of networks that sort pictures.

    Args:
        network: a name, or the folder of one that was trained here.
        weights: the file that was given for it.

    Signals:
        changed(str, str): the network and its weights file ("" where that is known).
        fetch_wanted(str): a card whose weights are not here was chosen.
        train_wanted(): the drawn example is to be trained.
    """

    changed = Signal(str, str)
    fetch_wanted = Signal(str)
    train_wanted = Signal()

    def __init__(self, network: str, weights: str) -> None:
        super().__init__()
        self.network, self.weights = network, weights
        self.folder = ""
        self.box: QComboBox = choice("Network", (), (), None, "The network that is explained")
        self.box.view().setMinimumWidth(280)
        self.box.setPlaceholderText("none")
        self.box.activated.connect(self._activated)

    def fill(self) -> None:
        """Read anew which networks are here."""
        from engine.saliency.networks import TITLES, networks_here, trained_here
        from gui.models import offer

        self.box.clear()
        for card, here in sorted(networks_here(), key=lambda pair: not pair[1]):
            self._add(card.title + ("" if here else f"  ·  {offer(card)}"), card.name, card.title)
        for folder in trained_here():
            self._add(f"{folder.name}  ·  trained here", str(folder), folder.name)
        if self.weights:
            title = TITLES.get(self.network, self.network)
            self._add(f"{title}  ·  {Path(self.weights).name}", f"{self.network}\0{self.weights}", title)
        elif self.box.findData(self.network) < 0 and Path(self.network).is_dir():
            self._add(Path(self.network).name, self.network, Path(self.network).name)
        self.box.insertSeparator(self.box.count())
        self._add("A trained network's folder …", FOLDER, "")
        self._add("A file of weights …", FILE, "")
        self._add("Train the drawn example", TRAIN, "")
        self._show()

    def _add(self, text: str, value: str, short: str) -> None:
        self.box.addItem(text, value)
        self.box.setItemData(self.box.count() - 1, short, SHORT)

    def _show(self) -> None:
        value = f"{self.network}\0{self.weights}" if self.weights else self.network
        # a card whose weights are not here is offered, not shown as if it were open
        here = bool(self.weights) or self._here(self.network)
        self.box.setCurrentIndex(self.box.findData(value) if here else -1)

    def choose(self, network: str, weights: str = "") -> None:
        """Take this network; emits `changed`."""
        self.network, self.weights = network, weights
        self.fill()
        self.changed.emit(network, weights)

    def _activated(self, place: int) -> None:
        value = self.box.itemData(place) or ""
        if value == FOLDER:
            self.ask_folder()
        elif value == FILE:
            self.ask_file()
        elif value == TRAIN:
            self._show()
            self.train_wanted.emit()
        elif "\0" in value:
            self.choose(*value.split("\0", 1))
        elif self._here(value):
            self.choose(value)
        else:
            self._show()
            self.fetch_wanted.emit(value)

    def _here(self, value: str) -> bool:
        from engine.weights.fetch import locate

        return Path(value).is_dir() or locate(value) is not None

    def ask_folder(self) -> None:
        """Choose the folder of a network that was trained here."""
        path = QFileDialog.getExistingDirectory(self.box.window(), "A trained network's folder", self.folder)
        self._show()
        if path:
            self.folder = path
            self.choose(path)

    def ask_file(self) -> None:
        """Choose a file of weights, and say which network they are of."""
        path, _kind = QFileDialog.getOpenFileName(self.box.window(), "A file of weights", self.folder, _KINDS)
        self._show()
        if not path:
            return
        self.folder = str(Path(path).parent)
        guess = guess_network(Path(path).name)
        name, good = QInputDialog.getText(
            self.box.window(), "Which network", "Name in torchvision or timm, such as resnet18:", text=guess
        )
        if good and name.strip():
            self.choose(name.strip(), path)


def guess_network(file: str) -> str:
    """Which network a file of weights may be of, by its name."""
    lowered = file.lower().replace("-", "_")
    names = ("mobilenet_v2", "wide_resnet50_2", "resnet18", "resnet34", "resnet50", "squeezenet1_1", "vgg16", "alexnet")
    return next((name for name in names if name in lowered), "mobilenet_v2")
