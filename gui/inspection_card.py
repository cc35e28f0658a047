"""The verdict, where the picture is: abnormal or good, how sure, against which threshold, how fast."""

from PySide6.QtCore import QPoint, QRect, Qt
from PySide6.QtWidgets import QFrame, QLabel, QVBoxLayout, QWidget

from gui import theme


class VerdictCard(QFrame):
    """A card over the top left of the picture."""

    def __init__(self, over: QWidget) -> None:
        super().__init__(over)
        self.setObjectName("card")
        column = QVBoxLayout(self)
        column.setContentsMargins(14, 9, 14, 10)
        column.setSpacing(3)
        self.title = QLabel()
        self.title.setObjectName("verdict")
        self.text = QLabel()
        self.text.setObjectName("quiet")
        column.addWidget(self.title)
        column.addWidget(self.text)
        # the picture under it can be dragged and clicked all the same
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self._abnormal: bool | None = None
        self.hide()

    def show_verdict(self, score: float, threshold: float, details: str) -> None:
        """Say what was found.

        Args:
            score, threshold: 0..1.
            details: what else stands on the second line ("34 ms").
        """
        self._abnormal = score >= threshold
        self._show(f"{'Abnormal' if self._abnormal else 'Good'} · {score:.2f}", f"threshold {threshold:.2f}", details)

    def show_words(self, title: str, details: str) -> None:
        """Say something that is no verdict."""
        self._abnormal = None
        self._show(title, "", details)

    def _show(self, title: str, first: str, details: str) -> None:
        self.title.setText(title)
        self.text.setText(" · ".join(part for part in (first, details) if part))
        self.text.setVisible(bool(self.text.text()))
        self.setAccessibleName(f"Verdict: {title}, {self.text.text()}")
        self.restyle()
        self.adjustSize()
        self.move(QPoint(16, 14))
        self.show()
        self.raise_()

    def restyle(self) -> None:
        """Take on the colours of the theme."""
        now = theme.current()
        colour = now.text if self._abnormal is None else now.danger if self._abnormal else now.good
        self.title.setStyleSheet(f"color: {colour}")

    def covers(self) -> QRect:
        """The part of the picture's area that it takes, empty while it is hidden."""
        return self.geometry() if self.isVisible() else QRect()
