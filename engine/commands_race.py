"""The command `race`: several rules on one problem, without a window."""

import argparse
import csv
import io
from dataclasses import asdict
from pathlib import Path
from typing import Any

from engine.commands_base import Show, add_command, positive, say, told
from engine.errors import SightlineError
from engine.job import Job

_RULES = "sgd:lr=0.1,momentum:lr=0.1:beta=0.9,adam"


def add_race(commands: Any) -> None:
    """Add the parser of `race`."""
    race = add_command(commands, "race", "let optimizers race on a problem")
    race.add_argument("problem", metavar="PROBLEM", nargs="?", default="", help="one that --list names")
    race.add_argument("--data", type=Path, metavar="FILE", help="a CSV or Parquet file; drawn data without it")
    race.add_argument("--label", default="", metavar="COLUMN", help="the column that is to be told")
    race.add_argument("--columns", default="", metavar="A,B", help="the columns it is told from (default: all others)")
    race.add_argument("--rules", default=_RULES, metavar="R,R", help=f"rules with their knobs (default {_RULES})")
    race.add_argument("--schedule", default="", metavar="S", help="of the learning rate, such as cosine:warmup=100")
    race.add_argument("--batch", default="32", metavar="32|all", help="rows in one step")
    race.add_argument("--steps", type=positive, default=1000, metavar="N")
    race.add_argument("--replicates", type=positive, default=30, metavar="N", help="runs of each rule")
    race.add_argument("--penalty", default="none", metavar="l2:0.01", help="none, l1, l2 or elastic, and its strength")
    twin = race.add_mutually_exclusive_group()
    twin.add_argument("--twin", action="store_true", default=True, help="compare with torch.optim (default)")
    twin.add_argument("--no-twin", action="store_false", dest="twin", help="do not")
    race.add_argument("--csv", type=Path, metavar="FILE", help="write the mean loss of each step")
    race.add_argument("--list", action="store_true", help="name problems, rules and schedules with their defaults")


def race(asked: argparse.Namespace, show: Show) -> Job[None]:
    """Run the command."""
    if asked.list:
        _list()
        return
    if not asked.problem:
        raise SightlineError("No problem was named: give one, or see them with `main.py race --list`.")
    import numpy as np
    import torch

    from engine.learning.linear_models import parse_penalty
    from engine.learning.problems import build_problem, test_figures
    from engine.optimizers.contenders import parse_batch, parse_contenders, parse_schedule
    from engine.optimizers.race import race as racing
    from engine.optimizers.record import Chunk, Record
    from engine.optimizers.twin import has_twin, twin

    columns = tuple(word.strip() for word in asked.columns.split(",") if word.strip())
    problem, table = build_problem(
        asked.problem, asked.data, asked.label, columns, parse_penalty(asked.penalty), asked.seed
    )
    yield None
    schedule = parse_schedule(asked.schedule) if asked.schedule else None
    batch = parse_batch(asked.batch) if problem.rows else "all"
    contenders = parse_contenders(asked.rules, schedule=schedule, batch=batch, seed=asked.seed)
    if table is not None and table.filled:
        show.line(f"{table.filled:,} gaps in the table were filled with the training part's median.")
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
    from engine.learning.problems import KINDS
    from engine.optimizers.rules import RULES
    from engine.optimizers.schedules import SCHEDULES

    for kind in KINDS.values():
        say({"problem": kind.key, "title": kind.title, "data": kind.data})
    for what, table in (("rule", RULES), ("schedule", SCHEDULES)):
        for key, one in table.items():
            say({what: key, "title": one.title, "defaults": asdict(one.knobs())})
