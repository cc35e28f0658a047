"""The command `race`: several rules on one problem, without a window."""

import argparse
import csv
import io
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.commands_base import Show, add_command, fraction, positive, say, told
from engine.errors import SightlineError
from engine.job import Job

if TYPE_CHECKING:
    from engine.learning.setup import ProblemSetup

_RULES = "sgd:lr=0.1,momentum:lr=0.1:beta=0.9,adam"


def add_race(commands: Any) -> None:
    """Add the parser of `race`."""
    race = add_command(commands, "race", "let optimizers race on a problem")
    add_race_options(race)
    twin = race.add_mutually_exclusive_group()
    twin.add_argument("--twin", action="store_true", default=True, help="compare with torch.optim (default)")
    twin.add_argument("--no-twin", action="store_false", dest="twin", help="do not")
    race.add_argument("--csv", type=Path, metavar="FILE", help="write the mean loss of each step")
    race.add_argument("--list", action="store_true", help="name problems, data, rules and schedules with defaults")


def add_race_options(race: Any, *, rules: str = _RULES, replicates: int = 30) -> None:
    """Add what says a problem, its data, and who races on it; `setup_of` reads the first two.

    Args:
        race: a parser.
        rules: that race where none are named.
        replicates: of each where no number is given.
    """
    race.add_argument("problem", metavar="PROBLEM", nargs="?", default="", help="one that `race --list` names")
    race.add_argument("--data", default="", metavar="FILE", help="a CSV or Parquet file, or a set that --list names")
    race.add_argument("--label", default="", metavar="COLUMN", help="the column that is to be told")
    race.add_argument("--columns", default="", metavar="A,B", help="the columns it is told from (default: all others)")
    race.add_argument("--group", default="", metavar="COLUMN", help="rows alike in it stay on one side of the split")
    race.add_argument("--rows", type=positive, metavar="N", help="of drawn data")
    race.add_argument("--noise", type=fraction, metavar="0..1", help="of drawn data")
    race.add_argument(
        "--features", default="", metavar="x,y,x²", help="what is made of two numbers: also y², xy, sin x"
    )
    race.add_argument("--degree", type=positive, metavar="N", help="of the polynomial of the features")
    race.add_argument("--test-share", type=fraction, metavar="0..1", help="rows that are kept aside (default 0.2)")
    race.add_argument("--hidden", default="", metavar="8,4", help="neurons of each hidden layer of a network")
    race.add_argument("--activation", default="", metavar="A", help="of a hidden layer: tanh, sigmoid, relu or linear")
    race.add_argument("--init", default="", metavar="I", help="how weights begin: xavier, normal or zero")
    race.add_argument("--condition", type=float, metavar="K", help="condition number of the quadratic")
    race.add_argument("--gamma", type=float, metavar="G", help="exponent of robust regression")
    race.add_argument("--shake", type=float, metavar="S", help="noise on each number of robust regression's gradient")
    race.add_argument("--rules", default=rules, metavar="R,R", help=f"rules with their knobs (default {rules})")
    race.add_argument("--schedule", default="", metavar="S", help="of the learning rate, such as cosine:warmup=100")
    race.add_argument("--batch", default="32", metavar="32|all", help="rows in one step")
    race.add_argument("--steps", type=positive, default=1000, metavar="N")
    race.add_argument("--replicates", type=positive, default=replicates, metavar="N", help="runs of each rule")
    race.add_argument("--penalty", default="none", metavar="l2:0.01", help="none, l1, l2 or elastic, and its strength")


def setup_of(asked: argparse.Namespace) -> "ProblemSetup":
    """The problem that was asked for, with its data.

    Raises:
        SightlineError: there is none such, or it does not have what was set.
    """
    from engine.learning.build import check_setup, kind_of
    from engine.learning.linear_models import parse_penalty
    from engine.learning.loading import BUNDLED, DRAWN, USUAL, USUAL_ROWS
    from engine.learning.setup import ProblemSetup

    if not asked.problem:
        raise SightlineError("No problem was named: give one, or see them with `main.py race --list`.")
    kind = kind_of(asked.problem)
    if asked.seed < 0:
        raise SightlineError(f"A seed is a whole number of 0 or more and not {asked.seed}: choose another.")
    penalty = parse_penalty(asked.penalty)
    given: dict[str, Any] = {
        "data": str(asked.data), "label": asked.label, "columns": _words(asked.columns), "group": asked.group,
        "rows": asked.rows, "noise": asked.noise, "features": _features(asked.features), "degree": asked.degree,
        "test_share": asked.test_share, "hidden": _neurons(asked.hidden), "activation": asked.activation,
        "init": asked.init, "condition": asked.condition, "gamma": asked.gamma, "shake": asked.shake,
        "penalty": "" if penalty.kind == "none" else penalty.kind,
    }  # fmt: skip
    given = {name: value for name, value in given.items() if value not in (None, "", ())}
    for name in given:
        if name not in kind.fields:
            why = "" if kind.data else " is a surface and"
            raise SightlineError(f"{kind.title}{why} takes no {_option(name)}: leave it out.")
    data = given.get("data", "")
    named = not data or data in DRAWN or data in BUNDLED
    if not named and "label" not in given:
        raise SightlineError("It is not said which column is to be told: name it with --label.")
    for name in ("rows", "noise"):
        if name in given and data and data not in DRAWN:
            raise SightlineError(f"{name.capitalize()} is said of drawn data: leave --{name} out, or name a drawn set.")
    known: dict[str, Any] = {**DRAWN, **BUNDLED}
    made_of = known.get(data or kind.usual)
    if "features" in given and made_of is not None and not getattr(made_of, "two_numbers", False):
        raise SightlineError("Features are made of data of two numbers: leave --features out, or name other data.")
    if not data and kind.usual == USUAL and ("rows" in given or "noise" in given):
        given = {"rows": USUAL_ROWS, **given, "data": USUAL}
    if "penalty" in given:
        given["strength"] = penalty.strength
    setup = ProblemSetup(problem=kind.key, seed=asked.seed, **given)
    check_setup(setup)
    return setup


def options_of(setup: "ProblemSetup") -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The words with which `setup_of` makes a problem, its name first and without the seed; and what they cannot say.

    Returns:
        The words, and the names of the fields of `ProblemSetup` that no word can say.
    """
    from engine.learning.build import kind_of, settled
    from engine.learning.loading import DRAWN, USUAL
    from engine.learning.setup import ProblemSetup

    setup = settled(setup)
    usual, drawn = ProblemSetup(), DRAWN.get(setup.data or USUAL)
    words, missing = [setup.problem], []
    for name in kind_of(setup.problem).fields:
        value = getattr(setup, name)
        if name in ("seed", "penalty", "strength") or value == getattr(usual, name):
            continue
        # what the data do not heed may be left over from others
        if name in ("rows", "noise") and (drawn is None or not setup.data):
            continue
        if name == "features" and setup.data in DRAWN and drawn is not None and not drawn.two_numbers:
            continue
        said = _said(value) if isinstance(value, tuple) else str(value)
        if not said:
            missing.append(name)
        else:
            words += [_option(name), said] if not said.startswith("-") else [f"{_option(name)}={said}"]
    if setup.penalty != "none":
        words += ["--penalty", f"{setup.penalty}:{setup.strength!r}"]
    return tuple(words), tuple(missing)


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _features(text: str) -> tuple[str, ...]:
    """Features of two numbers; x^2 is x²."""
    from engine.learning.expand import checked_features

    words = _words(text.replace("^2", "²"))
    return checked_features(words) if words else ()


def _words(text: str) -> tuple[str, ...]:
    """Words between commas; one that holds a comma is in double quotes."""
    found = next(csv.reader([text], skipinitialspace=True), [])
    return tuple(word.strip() for word in found if word.strip())


def _said(words: tuple[Any, ...]) -> str:
    """The text that `_words` reads."""
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(words)
    return text.getvalue()


def _neurons(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(word) for word in _words(text))
    except ValueError:
        raise SightlineError(f"Hidden layers are whole numbers and not {text}: try --hidden 8,4.") from None


def race(asked: argparse.Namespace, show: Show) -> Job[None]:
    """Run the command."""
    if asked.list:
        _list()
        return
    setup = setup_of(asked)
    if asked.csv is not None:
        _check_place(asked.csv)
    import numpy as np
    import torch

    from engine.learning.build import build
    from engine.learning.problems import test_figures
    from engine.optimizers.contenders import parse_batch, parse_contenders, parse_schedule
    from engine.optimizers.race import race as racing
    from engine.optimizers.record import Chunk, Record
    from engine.optimizers.twin import has_twin, twin

    built = yield from told(build(setup), show)
    problem = built.problem
    yield None
    schedule = parse_schedule(asked.schedule) if asked.schedule else None
    batch = parse_batch(asked.batch) if problem.rows else "all"
    contenders = parse_contenders(asked.rules, schedule=schedule, batch=batch, seed=asked.seed)
    for note in built.notes:
        show.line(note)
    records = [Record() for _ in contenders]
    job = racing(problem, contenders, asked.steps, asked.replicates)
    result: Any = None
    try:
        while True:
            try:
                event = next(job)
            except StopIteration as end:
                result = end.value
                break
            if isinstance(event, Chunk):
                records[event.contender].append(event.trace)
            else:
                show.event(event)
            yield None
    finally:
        job.close()
    for contender, standing in zip(contenders, result.standings, strict=True):
        apart = None
        if asked.twin and has_twin(contender):
            found = yield from told(twin(problem, contender, asked.steps, asked.replicates), show)
            apart = None if found is None else found.largest
        mean, error = standing.final_loss
        gone = np.asarray(standing.diverged) >= 0
        going = torch.as_tensor(standing.theta)[torch.from_numpy(~gone)]
        say(
            {
                "rule": contender.key, "final_loss_mean": mean, "final_loss_se": error,
                "steps_per_s": standing.steps_per_s, "diverged": int(gone.sum()),
                "torch_max_difference": apart, "test": test_figures(problem, going),
            },
            exact=True,
        )  # fmt: skip
    if asked.csv is not None:
        _write(asked.csv, contenders, records)


def _check_place(path: Path) -> None:
    """Refuse before a long race what could not be written after it."""
    if path.is_dir():
        raise SightlineError(f"{path} is a folder: give --csv the path of a file.")
    if not path.absolute().parent.is_dir():
        raise SightlineError(f"There is no folder {path.absolute().parent}: make it, or give --csv another path.")


def _write(path: Path, contenders: Any, records: Any) -> None:
    """A column a rule: the mean loss over replicates at each step."""
    from engine.files import write_whole

    means = [record.series("loss") for record in records]
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["step", *(contender.key for contender in contenders)])
    for step in range(max((len(mean) for mean in means), default=0)):
        writer.writerow([step, *(f"{mean[step]:.9g}" if step < len(mean) else "" for mean in means)])
    write_whole(path, text.getvalue().encode())


def _list() -> None:
    from engine.learning.loading import BUNDLED, DRAWN
    from engine.learning.problems import KINDS
    from engine.optimizers.rules import RULES
    from engine.optimizers.schedules import SCHEDULES

    for kind in KINDS.values():
        say({"problem": kind.key, "title": kind.title, "data": kind.data})
    sets: dict[str, Any] = {**DRAWN, **BUNDLED}
    for one in sets.values():
        say({"data": one.key, "title": one.title})
    for what, table in (("rule", RULES), ("schedule", SCHEDULES)):
        for key, one in table.items():
            say({what: key, "title": one.title, "defaults": asdict(one.knobs())})
