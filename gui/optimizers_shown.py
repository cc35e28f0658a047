"""What the page Optimize says of its runs: curves, ranking, position, words."""

from typing import Any

import numpy as np
from PySide6.QtCore import QTimer

from engine.optimizers.thinned import QUANTITIES
from gui.curves_race_parts import QUANTITY_WORDS, Shown
from gui.optimizers_parts import Entry
from gui.workspace import Workspace

_TABLE_MS = 400


class OptimizersShown(Workspace):
    """The runs, and how they are shown.

    Attributes:
        entries: of the present race, in the order of its runs.
        earlier: of those before, the newest first.
    """

    runner: Any
    stage: Any
    transport: Any
    strip_view: Any
    planes: Any
    views: Any
    save: Any
    row_list: Any
    race_choices: Any
    button: Any

    def __init__(self) -> None:
        super().__init__()
        self.entries: list[Entry] = []
        self.earlier: list[Entry] = []
        self.problem_text = ""
        self.looked: int | None = None
        self._table = QTimer(self)
        self._table.setSingleShot(True)
        self._table.setInterval(_TABLE_MS)
        self._table.timeout.connect(self._show_table)

    def _steps(self) -> int:
        runs = self.runner.runs
        return max((run.steps for run in runs), default=self.race_choices.steps)

    @property
    def done(self) -> int:
        """Steps that the furthest contender has taken."""
        return max(
            (entry.curve.record.first + len(entry.curve) for entry in self.entries if len(entry.curve)), default=0
        )

    @property
    def chosen_entry(self) -> int:
        """The number of the chosen contender's run; 0 where it has none."""
        row = self.row_list.current
        if row is not None and row.entry in self.entries:
            return self.entries.index(row.entry)
        return 0

    def show_entries(self) -> None:
        """Draw the curves that are on, earlier ones of the same problem behind them."""
        here = [entry for entry in self.entries if entry.on]
        before = [entry for entry in self.earlier if entry.on and entry.problem == self.problem_text]
        shown = [Shown(entry.name, entry.curve, entry.number, noisy=entry.noisy) for entry in here]
        shown += [Shown(entry.name, entry.curve, entry.number, True, entry.noisy) for entry in before]
        if shown or self.stage.plot.shown:
            self.stage.plot.show_curves(shown)
        self.planes.grown()
        self._show_table()
        self.say_title()
        self.show_position()

    def say_title(self) -> None:
        """What the curves are, above them."""
        choices = self.stage.plot.choices
        parts = [QUANTITY_WORDS[QUANTITIES.index(choices.quantity)]]
        replicates = max((entry.replicates for entry in self.entries), default=self.race_choices.replicates)
        if replicates > 1:
            parts.append(f"mean of {replicates} replicates")
            if choices.band and choices.quantity == "loss":
                parts.append(f"band ± {choices.band:g} standard error{'s' if choices.band != 1 else ''}")
        if choices.twin and choices.quantity == "loss":
            parts.append("dotted: torch.optim")
        self.stage.plot.title.setText(" · ".join(parts))
        self.stage.plot.title.setToolTip(self.stage.plot.title.text())

    def table_grown(self) -> None:
        """The ranking has changed: it is written anew soon."""
        if not self._table.isActive():
            self._table.start()

    def target(self) -> float | None:
        """The loss that steps are counted to: what the person has set, or a tenth above the best."""
        if self.race_choices.target > 0:
            return float(self.race_choices.target)
        begins = [entry.curve.record.series("loss")[0] for entry in self.entries if len(entry.curve)]
        best = [entry.loss for entry in self.entries if np.isfinite(entry.loss)]
        if not begins or not best or not np.isfinite(begins[0]):
            return None
        return float(min(best) + 0.1 * max(0.0, begins[0] - min(best)))

    def _show_table(self) -> None:
        figures = next((entry.figures for entry in self.entries if entry.figures), None) or {}
        figure = next((key for key in ("roc_auc", "accuracy", "rmse") if key in figures), "")
        if "accuracy" in figures and len(self.strip_view.classes) > 2:
            figure = "accuracy"
        before = [entry for entry in self.earlier if entry.problem == self.problem_text]
        self.strip_view.table.show_entries([*self.entries, *before], self.target(), figure)

    def show_position(self) -> None:
        """Where the race is, and where one looks."""
        done, runner = self.done, self.runner
        speed = sum(entry.steps_per_s for entry in self.entries) / max(1, len(self.entries)) if self.entries else 0.0
        looked = done if self.looked is None else self.looked
        self.transport.show_position(looked, done, self._steps() if self.entries else 0, speed)
        begun = bool(self.entries)
        row = self.row_list.current
        mine = row is not None and row.entry in self.entries
        self.transport.allow(ready=runner.built is not None, begun=begun, forkable=begun and mine and done > 0)

    def say(self) -> None:
        """What the page is doing, for the buttons and the job bar."""
        runner = self.runner
        running = runner.running
        self.transport.set_running(running)
        self.stage.plot.set_growing(runner.busy)
        left = runner.busy or (runner.left and bool(self.entries))
        self.button.setText("Wait" if running else "Go on" if left else "Race")
        self.button.setEnabled(runner.built is not None)
        self.show_position()
        if running or runner.building.busy or runner.forking.busy:
            return
        if runner.busy or left:
            self.state.emit("Waiting", f"step {self.done:,} of {self._steps():,}", False)
        elif self.entries:
            best = min((e for e in self.entries if np.isfinite(e.loss)), key=lambda e: e.loss, default=None)
            self.state.emit("Ready", f"{best.name} is best: {best.loss:.4g}" if best is not None else "", False)
        else:
            self.state.emit("Ready", "", False)
