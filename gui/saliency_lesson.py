"""A lesson beside the picture that it is about: idea, formula, how to read it, where it misleads, and the paper."""

from functools import lru_cache
from typing import Any

from PySide6.QtCore import QByteArray, QRectF, QSize, Qt, QUrl
from PySide6.QtGui import QDesktopServices, QPainter
from PySide6.QtWidgets import QFrame, QLabel, QScrollArea, QSizePolicy, QVBoxLayout, QWidget

from engine.runtime import resources_folder
from gui import theme

CAPTIONS = ("Idea", "How to read it", "Where it misleads")
HINT = "Press a map: its lesson is shown here."


@lru_cache(maxsize=64)
def _formula(key: str, colour: str) -> Any:
    """The formula `resources/formulas/KEY.svg` in one colour."""
    from PySide6.QtSvg import QSvgRenderer

    drawn = (resources_folder() / "formulas" / f"{key}.svg").read_bytes()
    return QSvgRenderer(QByteArray(drawn.replace(b"currentColor", colour.encode())))


class Formula(QWidget):
    """A typeset formula in the theme's colour, at its own size, smaller where there is no room for it.

    Attributes:
        key: of the lesson it belongs to; "" shows nothing.
    """

    def __init__(self) -> None:
        super().__init__()
        self.key = ""
        # as narrow as need be: a scroll area would grow with it otherwise
        policy = QSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)

    def show_formula(self, key: str, spoken: str) -> None:
        """Show the formula of a lesson; `spoken` is its TeX, for who cannot see it."""
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


class LessonPanel(QScrollArea):
    """The lesson of one method; it scrolls where there is little room.

    Attributes:
        key: of the lesson that is shown; "" before the first.
    """

    def __init__(self) -> None:
        super().__init__()
        self.key = ""
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setAccessibleName("Lesson")
        inside = QWidget()
        column = QVBoxLayout(inside)
        column.setContentsMargins(0, 4, 8, 8)
        column.setSpacing(4)
        self.title = QLabel()
        self.title.setObjectName("title")
        self.hint = QLabel(HINT)
        self.hint.setObjectName("quiet")
        self.formula = Formula()
        self.paper = QLabel()
        self.paper.setTextFormat(Qt.TextFormat.RichText)
        self.paper.setWordWrap(True)
        self.paper.setTextInteractionFlags(
            Qt.TextInteractionFlag.LinksAccessibleByMouse | Qt.TextInteractionFlag.LinksAccessibleByKeyboard
        )
        self.paper.linkActivated.connect(lambda address: QDesktopServices.openUrl(QUrl(address)))
        self.captions: list[QLabel] = []
        self.texts: list[QLabel] = []
        column.addWidget(self.title)
        column.addWidget(self.hint)
        column.addSpacing(4)
        column.addWidget(self.formula)
        column.addSpacing(4)
        for words in CAPTIONS:
            caption, text = QLabel(words), QLabel()
            caption.setObjectName("heading")
            text.setWordWrap(True)
            text.setTextFormat(Qt.TextFormat.PlainText)
            text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            column.addWidget(caption)
            column.addWidget(text)
            column.addSpacing(4)
            self.captions.append(caption)
            self.texts.append(text)
        column.addWidget(self.paper)
        column.addStretch(1)
        self.setWidget(inside)
        self._reveal(False)

    def _reveal(self, on: bool) -> None:
        for part in (self.title, self.formula, self.paper, *self.captions, *self.texts):
            part.setVisible(on)
        self.hint.setVisible(not on)

    def show_lesson(self, key: str) -> None:
        """Show the lesson with this key of `engine.saliency.lessons.LESSONS`; one that is shown stays where it is."""
        from engine.saliency.lessons import LESSONS

        if key == self.key:
            return
        lesson = LESSONS[key]
        self.key = key
        self.title.setText(lesson.title)
        self.formula.show_formula(key, lesson.formula)
        for text, words in zip(self.texts, (lesson.idea, lesson.reading, lesson.misleads), strict=True):
            text.setText(words)
        self._show_paper()
        self._reveal(True)
        self.verticalScrollBar().setValue(0)

    def _show_paper(self) -> None:
        from engine.saliency.lessons import LESSONS

        lesson = LESSONS[self.key]
        # a link's colour is fixed when its text is set
        self.paper.setText(
            f'<a href="{lesson.address}" style="color: {theme.current().accent}; text-decoration: none">'
            f"{lesson.authors}</a>"
        )
        self.paper.setToolTip(lesson.address)
        self.paper.setAccessibleName(f"Paper: {lesson.paper}")

    def restyle(self) -> None:
        """Take on the colours of the theme."""
        self.formula.update()
        if self.key:
            self._show_paper()
