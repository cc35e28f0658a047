"""The runs that the page Optimize shows: they grow, end, are forked, looked at, and become earlier ones."""

from dataclasses import replace
from typing import Any

from engine.errors import SightlineError
from engine.optimizers.contenders import Contender
from engine.optimizers.race import RaceResult
from engine.optimizers.record import Chunk, Record
from engine.optimizers.run import Run
from engine.optimizers.thinned import Thinned
from gui.optimizers_parts import MOST_EARLIER, Entry, Row
from gui.optimizers_shown import OptimizersShown


class OptimizersEntries(OptimizersShown):
    """What is done with the runs of the race."""

    # -- run, wait, step

    def play(self) -> None:
        """Race, wait, or go on."""
        runner = self.runner
        if runner.running:
            runner.pause()
        elif runner.busy:
            self.look_at_step(None)
            runner.resume()
        elif runner.left and self.entries:
            self._join()
        else:
            self.begin()

    def begin(self, **knobs: Any) -> None:
        """A new race of the contenders that are on."""
        runner = self.runner
        if self.pending(knobs):
            return
        rows = self.row_list.racing()
        if not rows:
            self.said.emit("Nobody races: add a rule, or press the dot of one.", "warning")
            return
        choices = self.race_choices
        try:
            for row in rows:
                row.contender.check(runner.built.problem.rows, choices.steps)
        except SightlineError as error:
            self.failed.emit(error)
            return
        self.clear_race(keep=True)
        self.entries = [self._entry(row) for row in rows]
        runner.wanted.value = self.planes.wanted()
        if self.save.repeats():
            # what was changed on the way is changed again, each at its step
            runner.runs = self.save.replayed()
            runner.go_on(pace=self.transport.rate.currentData(), **knobs)
            self.show_entries()
            self.say()
            return
        pace = self.transport.rate.currentData()
        if self.views.ready.busy:
            self.state.emit("Getting torch.optim ready", "the first race waits for it", True)
        runner.race(
            [row.contender for row in rows],
            choices.steps,
            choices.replicates,
            twin=self.stage.plot.choices.twin,
            pace=pace,
        )
        if knobs:
            runner.set_knobs(**knobs)
        self.show_entries()
        self.say()

    def step(self, count: int) -> None:
        """So many steps, then wait."""
        runner = self.runner
        self.look_at_step(None)
        if runner.busy:
            runner.step(count)
        elif runner.left and self.entries:
            at = min(run.step for run in runner.runs if not run.over)
            self._join(until=at + count)
        else:
            self.begin(until=count)

    def _join(self, **knobs: Any) -> None:
        """Go on with the runs that were handed back, and those that were added meanwhile beside them."""
        runner = self.runner
        added = [row for row in self.row_list.racing() if row.entry is None]
        self.entries += [self._entry(row) for row in added]
        runner.wanted.value = self.planes.wanted()
        settings = tuple(entry.asked for entry in self.entries)
        runner.go_on(
            [row.contender for row in added], self.race_choices.steps, self.race_choices.replicates,
            contenders=settings, pace=self.transport.rate.currentData(), **knobs,
        )  # fmt: skip
        self.show_entries()

    def reset(self) -> None:
        """Forget the present race."""
        self.clear_race(keep=False)
        self.planes.look()
        self.say()

    def clear_race(self, *, keep: bool) -> None:
        """End the present race; what it has drawn stays behind the next one, or not."""
        self.runner.reset()
        for row in self.row_list.rows:
            row.entry = None
        if keep:
            ended = [entry for entry in self.entries if len(entry.curve)]
            for entry in ended:
                entry.earlier = True
            self.earlier = [*ended, *self.earlier][:MOST_EARLIER]
        self.entries = []
        self.looked = None
        self.stage.plot.mark(None)
        self.stage.plot.following = True
        self.planes.grown()
        self.show_entries()

    def _entry(self, row: Row) -> Entry:
        one = row.contender
        curve = Thinned(rows=self._rows(), expected=self.race_choices.steps)
        row.entry = Entry(one.name, one.colour, one, curve, self.problem_text, replicates=self.race_choices.replicates)
        return row.entry

    # -- what the race tells

    def take(self, chunks: list[Any]) -> None:
        """`Chunk`s and `Moved`."""
        for chunk in chunks:
            if chunk.contender >= len(self.entries):
                continue
            entry = self.entries[chunk.contender]
            entry.theta = chunk.theta
            if isinstance(chunk, Chunk):
                entry.curve.append(chunk)
                entry.diverged = chunk.trace.diverged
                if chunk.trace.places is not None:
                    entry.path.append(chunk.trace.places[:, 0])
                seconds = chunk.trace.seconds
                if len(seconds) and seconds[-1] > 0:
                    entry.steps_per_s = (chunk.trace.first + len(seconds) - 1) / float(seconds[-1])
        self.stage.plot.grown()
        self.planes.grown()
        self.show_position()
        self.table_grown()

    def ended(self, result: RaceResult) -> None:
        """The race is over, or has handed its runs back."""
        for entry, standing in zip(self.entries, result.standings, strict=False):
            entry.theta = standing.theta
            entry.diverged = int((standing.diverged >= 0).sum())
            entry.steps_per_s = standing.steps_per_s
            over = standing.steps >= self._steps() or entry.diverged == entry.replicates
            entry.final = standing.final_loss if over else None
        self.planes.grown()
        self.stage.plot.grown()
        self._show_table()
        self.show_position()
        self.say()

    # -- looking back

    def look_at_step(self, step: int | None) -> None:
        """Look at an earlier step of the race; None follows it again."""
        if step is not None and (not self.entries or step >= self.done):
            step = None
        if step == self.looked:
            return
        self.looked = step
        self.stage.plot.mark(step)
        self.show_position()
        self.planes.grown()
        if step is not None and not self.runner.busy and self.runner.runs:
            self._look_back(step)
        elif step is None:
            self.planes.look()

    def _look_back(self, step: int) -> None:
        """The chosen one's model at an earlier step: its run is taken back to it aside."""
        number = self.chosen_entry
        if number >= len(self.runner.runs) or self.planes.surface:
            return
        run = self.runner.runs[number]
        if self.data_rows and run.changes and step >= 0:
            self.views.look_back(run, step, number)

    # -- contenders

    def contender_chosen(self) -> None:
        """Another contender is chosen."""
        row = self.row_list.current
        if row is None:
            return
        self.runner.wanted.value = self.planes.wanted()
        self.strip_view.lessons.show_lesson(row.contender.key)
        if not self.runner.busy:
            self.planes.look()
        self.show_position()

    def entry_chosen(self, entry: Entry) -> None:
        """A row of the ranking was pressed: its contender is chosen."""
        for number, row in enumerate(self.row_list.rows):
            if row.entry is entry:
                self.row_list.choose(number)

    def toggle_entry(self, entry: Entry) -> None:
        """Draw a run, or no longer."""
        entry.on = not entry.on
        self.show_entries()

    def forget_entry(self, entry: Entry) -> None:
        """Take an earlier run away."""
        if entry in self.earlier:
            self.earlier.remove(entry)
            self.show_entries()

    def row_toggled(self, row: Row) -> None:
        """A contender takes part, or no longer."""
        if row.entry is not None:
            row.entry.on = row.on
            self.show_entries()
        elif row.on:
            self._let_in(row)

    def row_added(self, row: Row) -> None:
        """A contender was added; it joins a race that is under way."""
        self._let_in(row)
        self._save()

    def _let_in(self, row: Row) -> None:
        runner = self.runner
        if runner.running and row.entry is None:
            try:
                row.contender.check(self.data_rows, self.race_choices.steps)
            except SightlineError as error:
                self.failed.emit(error)
                return
            runner.interrupt(lambda: True)

    def row_changed(self, row: Row) -> None:
        """A contender's settings have changed: its run goes on with them from here."""
        entry = row.entry
        if entry is not None and entry in self.entries:
            if entry.asked is not None or not row.contender.goes_like(entry.contender):
                entry.asked = row.contender
            entry.contender, entry.name = row.contender, row.contender.name
            if self.runner.busy:
                self.runner.update([one.asked for one in self.entries])
            self.table_grown()
            self.stage.plot.shown = [
                replace(one, name=entry.name) if one.curve is entry.curve else one for one in self.stage.plot.shown
            ]
        self._save()

    def row_removed(self, row: Row) -> None:
        """A contender was removed: what it has drawn goes too."""
        if row.entry is not None:
            row.entry.on = False
        self.show_entries()
        self._save()

    def rows_restored(self) -> None:
        """A change of the contenders was taken back."""
        for row in self.row_list.rows:
            if row.entry is not None and row.entry not in self.entries:
                # of a race that is over: it would never be let into this one
                row.entry = None
            if row.entry is not None:
                row.entry.on = row.on
        self.show_entries()
        self._save()

    # -- forks

    def fork(self) -> None:
        """Another run of the chosen contender, from the step that is looked at."""
        row = self.row_list.current
        if row is None or row.entry not in self.entries or not self.done:
            self.said.emit("Choose a contender that has raced: its run can be forked.", "info")
            return
        number = self.entries.index(row.entry)
        step = self.done if self.looked is None else self.looked
        if step >= self._steps():
            self.said.emit("The run ends here: look at an earlier step, then fork.", "info")
            return
        self.runner.interrupt(lambda: self._fork(number, step))

    def _fork(self, number: int, step: int) -> bool:
        run = self.runner.runs[number]
        self._forked_from = number
        self.runner.fork(number, min(step, run.step))
        return False

    _forked_from = 0

    def forked(self, run: Run) -> None:
        """The fork is there: a row of its own, whose settings are changed before it goes on."""
        source = self.entries[self._forked_from]
        base = source.name.partition(" from ")[0]
        contender: Contender = run.contender
        row = self.row_list.add_contender(
            replace(contender, name=f"{base} from {run.step:,}"), below=self.row_list.chosen
        )
        run.rename(row.contender.name, row.contender.colour)
        row.entry = Entry(
            row.contender.name, row.contender.colour, row.contender, Thinned(self._record_from(run.step), self._rows()),
            self.problem_text, replicates=run.replicates, theta=run.answer(),
        )  # fmt: skip
        if self.planes.surface:
            row.entry.path.append(run.answer()[:1])
        self.entries.append(row.entry)
        self.look_at_step(None)
        self.show_entries()
        self.say()
        self.said.emit(
            f"{row.contender.name} begins where {source.name} was at step {run.step:,}: "
            f"change what you like, then press Go on.",
            "info",
        )

    def _rows(self) -> int:
        return int(self.data_rows)

    @staticmethod
    def _record_from(step: int) -> Record:
        made = Record()
        made.first = step
        return made
