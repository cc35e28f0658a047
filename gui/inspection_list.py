"""The pictures of the set in the strip: worst first once they have been inspected, by kind, or those called wrongly."""

from collections.abc import Iterable, Mapping, Sequence

from PySide6.QtCore import QSize, Signal
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from engine.inspection.inspector import Scored
from engine.inspection.types import Item
from gui.form import choice
from gui.inspection_parts import IN_ORDER, WORST, WRONG
from gui.thumbnails import Entry, ThumbnailList, Thumbnails

SIZE = QSize(96, 78)
_TRAIN = "train"
_KIND = "kind:"


def arranged(
    items: Iterable[Item], scores: Mapping[str, Scored], threshold: float, how: str
) -> list[tuple[Item, Scored | None]]:
    """The pictures that a choice of the list shows, in its order.

    Args:
        items: of the set.
        scores: path -> what was found there; a picture may not have been inspected yet.
        threshold: 0..1.
        how: `WORST`, `IN_ORDER`, `WRONG`, "train" or "kind:NAME".
    """
    pairs = [(item, scores.get(str(item.path))) for item in items]
    if how == _TRAIN:
        return [pair for pair in pairs if pair[0].split == "train"]
    pairs = [pair for pair in pairs if pair[0].split != "train"]
    if how.startswith(_KIND):
        pairs = [pair for pair in pairs if pair[0].kind == how[len(_KIND) :]]
    elif how == WRONG:
        pairs = [(i, s) for i, s in pairs if s is not None and (s.score >= threshold) != i.abnormal]
        # furthest from the threshold first: the worst mistakes
        return sorted(pairs, key=lambda pair: -abs(pair[1].score - threshold) if pair[1] else 0.0)
    if how != IN_ORDER:
        pairs.sort(key=lambda pair: -(pair[1].score if pair[1] is not None else -1.0))
    return pairs


class PicturesPanel(QWidget):
    """A list of thumbnails with scores, and what it shows.

    Signals:
        chosen(str): the picture that was clicked or reached with the keys.
        order_changed(str): how the list is put together.
    """

    chosen = Signal(str)
    order_changed = Signal(str)

    def __init__(self, source: Thumbnails, order: str) -> None:
        super().__init__()
        column = QVBoxLayout(self)
        column.setContentsMargins(12, 4, 8, 0)
        column.setSpacing(2)
        head = QHBoxLayout()
        head.setSpacing(8)
        self.title = QLabel()
        self.title.setObjectName("plotTitle")
        self.filter: QComboBox = choice("Pictures shown", (), (), None, "Which pictures are shown, and in which order")
        self.filter.setObjectName("small")
        self.filter.setFixedWidth(132)
        self.filter.view().setMinimumWidth(180)
        head.addWidget(self.title, 1)
        head.addWidget(self.filter)
        column.addLayout(head)
        self.list = ThumbnailList("Pictures", source, SIZE, gap=6)
        column.addWidget(self.list, 1)
        self._order = order
        self._items: Sequence[Item] = ()
        self._scores: Mapping[str, Scored] = {}
        self._items_shown: dict[str, Item] = {}
        self._threshold = 0.5
        self._unlabelled = False
        self.list.chosen.connect(self.chosen)
        self.filter.activated.connect(self._filtered)
        self.filter.hide()
        self.show_items((), {}, 0.5)

    def show_items(
        self, items: Sequence[Item], scores: Mapping[str, Scored], threshold: float, *, unlabelled: bool = False
    ) -> None:
        """Show another set, or the same with other scores; of unlabelled ones the kind is not said."""
        self._unlabelled = unlabelled
        if items is not self._items:
            self._fill(items)
        self._items, self._scores, self._threshold = items, scores, threshold
        self.refresh()

    def _fill(self, items: Sequence[Item]) -> None:
        test = [item for item in items if item.split != "train"]
        kinds = {item.kind: 0 for item in sorted(test, key=lambda item: item.abnormal)}
        for item in test:
            kinds[item.kind] += 1
        rows = [("Worst first", WORST), ("In order", IN_ORDER)]
        rows += [] if self._unlabelled else [("Called wrongly", WRONG)]
        rows += [(f"{kind} ({count})", f"{_KIND}{kind}") for kind, count in kinds.items() if len(kinds) > 1]
        learn = len(items) - len(test)
        rows += [(f"to learn from ({learn})", _TRAIN)] if learn else []
        self.filter.blockSignals(True)
        self.filter.clear()
        for word, value in rows:
            self.filter.addItem(word, value)
        place = self.filter.findData(self._order)
        self.filter.setCurrentIndex(max(0, place))
        self.filter.blockSignals(False)
        self.filter.setVisible(bool(items))
        if not test and learn:
            self.filter.setCurrentIndex(self.filter.findData(_TRAIN))

    def _filtered(self, _place: int) -> None:
        if self.filter.currentData() in (WORST, IN_ORDER, WRONG):
            self._order = self.filter.currentData()
            self.order_changed.emit(self._order)
        self.refresh()

    def refresh(self) -> None:
        """Put the list together anew."""
        how = self.filter.currentData() or WORST
        pairs = arranged(self._items, self._scores, self._threshold, how)
        self._items_shown = {str(item.path): item for item, _scored in pairs}
        self.list.show_entries(list(self._items_shown), self._entry)
        self._say(how, len(pairs))

    def _entry(self, path: str) -> Entry:
        item, scored = self._items_shown[path], self._scores.get(path)
        left = item.path.stem if self._unlabelled or item.split == "train" else item.kind
        if scored is None:
            return Entry(path, left)
        bad = scored.score >= self._threshold
        right = f"{scored.score:.2f}".removeprefix("0")
        tip = f"{item.path.name} · {item.kind} · score {scored.score:.3f}, called {'abnormal' if bad else 'good'}"
        return Entry(path, left, right, "bad" if bad else "good", tip)

    def _say(self, how: str, count: int) -> None:
        known = list(self._scores.values())
        bad = sum(scored.score >= self._threshold for scored in known)
        pictures = f"{count:,} picture{'s' if count != 1 else ''}"
        if not self._items:
            self.title.setText("Pictures")
        elif how == WORST and known:
            self.title.setText(f"Pictures, worst first · {bad:,} of {len(known):,} abnormal")
        elif how == WRONG:
            self.title.setText(f"Pictures called wrongly · {count:,} of {len(known):,}")
        else:
            self.title.setText(pictures)

    def show_threshold(self, threshold: float) -> None:
        """Colour the scores by another threshold."""
        self._threshold = threshold
        self.refresh()

    def step(self, by: int) -> None:
        """Go to the next picture of the list, or back."""
        path = self.list.step(by)
        if path:
            self.list.choose(path)
            self.chosen.emit(path)
