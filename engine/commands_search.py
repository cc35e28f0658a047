"""The command `search`: settings that learn best, without a window, on one machine or on many at once."""

import argparse
from typing import Any

from engine.commands_base import Show, add_command, positive, say
from engine.commands_race import add_race_options, setup_of
from engine.errors import SightlineError
from engine.job import Job

_RULE = "adam"


def add_search(commands: Any) -> None:
    """Add the parser of `search`."""
    search = add_command(commands, "search", "search for the settings that learn best")
    add_race_options(search, rules=_RULE, replicates=3)
    search.add_argument(
        "--space",
        default="",
        metavar="S",
        help="what is chosen, such as hidden=4..256,lr=1e-4..1:log,batch=16|32,rule=sgd|adam",
    )
    search.add_argument(
        "--sampler", choices=("tpe", "random", "grid"), default="tpe", help="tpe chooses by what went well (default)"
    )
    search.add_argument(
        "--trials", type=positive, default=50, metavar="N", help="finished ones in the study, over all that work on it"
    )
    search.add_argument("--no-prune", action="store_false", dest="prune", help="take every trial to its end")
    search.add_argument("--study", default="", metavar="NAME", help="of the study in the storage")
    search.add_argument(
        "--storage", default="", metavar="ADDRESS",
        help="where the study lives, for several machines at once: sqlite:///FILE, postgresql://..., or a path to .log",
    )  # fmt: skip


def search(asked: argparse.Namespace, show: Show) -> Job[None]:
    """Run the command."""
    from engine.learning.problems import KINDS
    from engine.learning.race_text import text_of_contender
    from engine.learning.search import Opened, Trial, best_of
    from engine.learning.search import search as searching
    from engine.learning.setup import text_of_setup
    from engine.optimizers.contenders import parse_batch, parse_contenders, parse_schedule

    setup = setup_of(asked)
    schedule = parse_schedule(asked.schedule) if asked.schedule else None
    batch = parse_batch(asked.batch) if KINDS[setup.problem].data else "all"
    contenders = parse_contenders(asked.rules, schedule=schedule, batch=batch, seed=asked.seed)
    if len(contenders) > 1:
        raise SightlineError("A search begins with one rule: give one to --rules, and rule=sgd|adam to --space.")
    job = searching(
        setup, contenders[0], asked.space, sampler=asked.sampler, trials=asked.trials, steps=asked.steps,
        replicates=asked.replicates, study=asked.study, storage=asked.storage, seed=asked.seed, prune=asked.prune,
    )  # fmt: skip
    result: Any = None
    try:
        while True:
            try:
                event = next(job)
            except StopIteration:
                break
            if isinstance(event, Opened):
                result = event.result
            elif isinstance(event, Trial):
                say(_said(event), exact=True)
            else:
                show.event(event)
            yield None
    finally:
        job.close()
    best, found = result.best, best_of(result)
    if best is None or found is None:
        show.line("No trial came to its end without diverging: give a smaller learning rate to the space.")
        say({"best": None})
        return
    say(
        {"best": {**_said(best), "problem": text_of_setup(found[0]), "contender": text_of_contender(found[1])}},
        exact=True,
    )


def _said(trial: Any) -> dict[str, Any]:
    return {"trial": trial.number, "value": trial.value, "parameters": trial.parameters, "state": trial.state}
