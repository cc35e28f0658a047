"""What is known of the track that was clicked, beside it."""

from PySide6.QtCore import QRectF, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QMenu, QPushButton, QToolButton, QVBoxLayout, QWidget

from engine.tracking.history import TrackRow
from gui import theme

WIDTH = 248


class TrackCard(QFrame):
    """A card over the picture.

    Signals:
        focus(bool): keep the track in the middle, or let go.
        inspect(): look at the track on the page Inspect.
        explain(): which pixels of it a network goes by, on the page Explain.
        explain_detection(): which pixels the detector found it by.
        closed(): the card was dismissed.
    """

    focus = Signal(bool)
    inspect = Signal()
    explain = Signal()
    explain_detection = Signal()
    closed = Signal()

    def __init__(self, over: QWidget) -> None:
        super().__init__(over)
        self.setObjectName("card")
        self.setFixedWidth(WIDTH)
        column = QVBoxLayout(self)
        column.setContentsMargins(10, 8, 8, 10)
        column.setSpacing(6)
        top = QHBoxLayout()
        self.title = QLabel()
        self.title.setObjectName("title")
        self.confidence = QLabel()
        self.confidence.setObjectName("quiet")
        self.shut = QToolButton()
        self.shut.setFixedSize(22, 22)
        self.shut.setAccessibleName("Close the track's card")
        self.shut.setToolTip("Close")
        self.shut.clicked.connect(self.closed)
        top.addWidget(self.title)
        top.addStretch(1)
        top.addWidget(self.confidence)
        top.addWidget(self.shut)
        self.text = QLabel()
        self.text.setObjectName("quiet")
        self.text.setWordWrap(True)
        self.button = QPushButton("Focus")
        self.button.setCheckable(True)
        self.button.setAccessibleName("Focus")
        self.button.setToolTip("Keep this track in the middle of the picture (T)")
        self.button.toggled.connect(self._toggled)
        column.addLayout(top)
        column.addWidget(self.text)
        self.send = QPushButton("Inspect")
        self.send.setAccessibleName("Send to Inspect")
        self.send.setToolTip("What is abnormal about it, and which past cases are like it (Ctrl+I)")
        self.send.clicked.connect(lambda _c=False: self.inspect.emit())
        self.why = QPushButton("Explain")
        self.why.setAccessibleName("Explain")
        self.why.setToolTip("Why it was found, or what a network sees in it")
        menu = QMenu(self.why)
        self.why_found = menu.addAction("Why it was found here")
        self.why_found.triggered.connect(lambda _c=False: self.explain_detection.emit())
        self.why_crop = menu.addAction("Send to Explain")
        self.why_crop.setToolTip("What a network that sorts pictures sees in it")
        self.why_crop.triggered.connect(lambda _c=False: self.explain.emit())
        self.why.setMenu(menu)
        buttons = QHBoxLayout()
        buttons.setSpacing(6)
        buttons.addWidget(self.button)
        buttons.addWidget(self.send)
        buttons.addWidget(self.why)
        buttons.addStretch(1)
        column.addLayout(buttons)
        self.restyle()
        self.hide()

    def restyle(self) -> None:
        """Take on the colours of the theme."""
        self.shut.setIcon(theme.icon("close"))

    def show_track(self, row: TrackRow, name: str, *, in_view: bool) -> None:
        """Fill the card."""
        self.title.setText(f"{row.number} · {name}")
        self.title.setStyleSheet(f"color: {theme.series_text(row.number)}")
        self.confidence.setText(f"{row.confidence:.2f}" if in_view else "")
        seen = f"seen for {row.last_s - row.first_s:.1f} s"
        speed = f"{row.speed:.0f} px/s" if in_view else "not in view"
        self.text.setText(f"{seen} · {speed} · {row.path:,.0f} px path")
        self.adjustSize()

    def place(self, box: QRectF, inside: QRectF) -> None:
        """Stand beside the track's box, where it hides least and is whole."""
        left = box.right() + 10
        if left + self.width() > inside.right():
            left = box.left() - self.width() - 10
        if left < inside.left():
            left = inside.right() - self.width() - 10
        top = min(max(box.top(), inside.top() + 10), inside.bottom() - self.height() - 10)
        self.move(round(left), round(top))
        self.raise_()

    def _toggled(self, on: bool) -> None:
        self.button.setText("Let go" if on else "Focus")
        self.focus.emit(on)
