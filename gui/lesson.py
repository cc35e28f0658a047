"""What lessons look like: a typeset formula, and a panel of headings, sentences and formulas that scrolls."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from PySide6.QtCore import QByteArray, QRectF, QSize, Qt, QUrl
from PySide6.QtGui import QDesktopServices, QPainter
from PySide6.QtWidgets import QFrame, QLabel, QScrollArea, QSizePolicy, QVBoxLayout, QWidget

from engine.runtime import resources_folder
from gui import theme


@lru_cache(maxsize=64)
def _formula(key: str, colour: str) -> Any:
    """The formula `resources/formulas/KEY.svg` in one colour."""
    from PySide6.QtSvg import QSvgRenderer

    drawn = (resources_folder() / "formulas" / f"{key}.svg").read_bytes()
    return QSvgRenderer(QByteArray(drawn.replace(b"currentColor", colour.encode())))


class Formula(QWidget):
    """A typeset formula in the theme's colour, at its own size, smaller where there is no room for it.

    Attributes:
        key: of its picture; "" shows nothing.
    """

    def __init__(self) -> None:
        super().__init__()
        self.key = ""
        # as narrow as need be: a scroll area would grow with it otherwise
        policy = QSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)

    def show_formula(self, key: str, spoken: str) -> None:
        """Show the formula `resources/formulas/KEY.svg`; `spoken` is its TeX, for who cannot see it."""
        self.key = key
        self.setAccessibleName(f"Formula: {spoken}")
        self.updateGeometry()
        self.update()

    def _natural(self) -> QSize:
        return _formula(self.key, theme.current().text).defaultSize() if self.key else QSize(0, 0)

    def sizeHint(self) -> QSize:
        return self._natural()

    def heightForWidth(self, width: int) -> int:
        size = self._natural()
        return round(size.height() * min(1.0, width / max(1, size.width())))

    def paintEvent(self, _event: Any) -> None:
        if not self.key:
            return
        size = self._natural()
        scale = min(1.0, self.width() / max(1, size.width()))
        painter = QPainter(self)
        _formula(self.key, theme.current().text).render(
            painter, QRectF(0, 0, size.width() * scale, size.height() * scale)
        )
        painter.end()


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a lesson, one below the other; what is "" takes no room.

    Attributes:
        caption: a small heading.
        text: sentences.
        picture: the key of a formula's picture, set below the text.
        spoken: its TeX.
    """

    caption: str = ""
    text: str = ""
    picture: str = ""
    spoken: str = ""


@dataclass(frozen=True, slots=True)
class Paper:
    """Where a lesson comes from.

    Attributes:
        words: of the link.
        address: where it leads.
        spoken: for who cannot see it.
    """

    words: str
    address: str
    spoken: str


class _Block(QWidget):
    """The widgets of one part; it is used again for the next lesson."""

    def __init__(self) -> None:
        super().__init__()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 4)
        column.setSpacing(4)
        self.caption, self.text, self.formula = QLabel(), QLabel(), Formula()
        self.caption.setObjectName("heading")
        self.text.setWordWrap(True)
        self.text.setTextFormat(Qt.TextFormat.PlainText)
        self.text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        for part in (self.caption, self.text, self.formula):
            column.addWidget(part)

    def show_part(self, part: Part) -> None:
        self.caption.setText(part.caption)
        self.text.setText(part.text)
        self.formula.show_formula(part.picture, part.spoken)
        self.caption.setVisible(bool(part.caption))
        self.text.setVisible(bool(part.text))
        self.formula.setVisible(bool(part.picture))


class LessonPanel(QScrollArea):
    """A lesson; it scrolls where there is little room.

    Args:
        hint: what stands there before the first.
        extra: a widget of another's that is part of every lesson.
        after: the number of parts that stand above it.

    Attributes:
        key: of the lesson that is shown; "" before the first.
    """

    def __init__(self, hint: str, extra: QWidget | None = None, after: int = 0) -> None:
        super().__init__()
        self.key = ""
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setAccessibleName("Lesson")
        inside = QWidget()
        self._column = column = QVBoxLayout(inside)
        column.setContentsMargins(0, 4, 8, 8)
        column.setSpacing(4)
        self.title = QLabel()
        self.title.setObjectName("title")
        self.title.setWordWrap(True)
        self.hint = QLabel(hint)
        self.hint.setObjectName("quiet")
        self.hint.setWordWrap(True)
        self.paper = QLabel()
        self.paper.setTextFormat(Qt.TextFormat.RichText)
        self.paper.setWordWrap(True)
        self.paper.setTextInteractionFlags(
            Qt.TextInteractionFlag.LinksAccessibleByMouse | Qt.TextInteractionFlag.LinksAccessibleByKeyboard
        )
        self.paper.linkActivated.connect(lambda address: QDesktopServices.openUrl(QUrl(address)))
        self._paper = Paper("", "", "")
        self._extra, self._after = extra, after
        self.blocks: list[_Block] = []
        column.addWidget(self.title)
        column.addWidget(self.hint)
        self._top = column.count()
        if extra is not None:
            column.addWidget(extra)
        column.addWidget(self.paper)
        column.addStretch(1)
        self.setWidget(inside)
        for part in (self.title, self.paper, extra):
            if part is not None:
                part.hide()

    def show_parts(self, key: str, title: str, parts: Sequence[Part], paper: Paper) -> None:
        """Show a lesson, from its beginning; one that is shown stays where it is.

        Args:
            key: its name.
            title: what it is about; "" where that stands elsewhere.
            parts: what it says, in order.
            paper: where it comes from.
        """
        if key == self.key:
            return
        self.key = key
        self.title.setText(title)
        while len(self.blocks) < len(parts):
            block = _Block()
            beyond = self._extra is not None and len(self.blocks) >= self._after
            self._column.insertWidget(self._top + len(self.blocks) + beyond, block)
            self.blocks.append(block)
        for number, block in enumerate(self.blocks):
            if number < len(parts):
                block.show_part(parts[number])
            block.setVisible(number < len(parts))
        self._paper = paper
        self._show_paper()
        self.hint.hide()
        self.title.setVisible(bool(title))
        self.paper.show()
        if self._extra is not None:
            self._extra.show()
        self.verticalScrollBar().setValue(0)

    def _show_paper(self) -> None:
        # a link's colour is fixed when its text is set
        self.paper.setText(
            f'<a href="{self._paper.address}" style="color: {theme.current().accent}; text-decoration: none">'
            f"{self._paper.words}</a>"
        )
        self.paper.setToolTip(self._paper.address)
        self.paper.setAccessibleName(f"Paper: {self._paper.spoken}")

    def restyle(self) -> None:
        """Take on the colours of the theme."""
        for block in self.blocks:
            block.formula.update()
        if self.key:
            self._show_paper()
