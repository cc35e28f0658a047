"""Races that are ready to run, and who usually races on a problem."""

from dataclasses import dataclass

from engine.learning.race_text import RaceSetup
from engine.learning.setup import ProblemSetup
from engine.optimizers.contenders import Contender, parse_batch, parse_contenders, parse_schedule

_TABLE = "sgd:lr=0.1,momentum:lr=0.02,nesterov:lr=0.02,rmsprop:lr=0.01,adam:lr=0.01"
_NETWORK = "sgd:lr=0.3,momentum:lr=0.05,rmsprop:lr=0.01,adam:lr=0.02"
USUAL: dict[str, str] = {
    "quadratic": "sgd:lr=0.03,momentum:lr=0.01,nesterov:lr=0.01,adagrad:lr=0.5,rmsprop:lr=0.03,adam:lr=0.1",
    "rosenbrock": "sgd:lr=0.001,momentum:lr=0.0005,nesterov:lr=0.0005,rmsprop:lr=0.003,adam:lr=0.02,lbfgs",
    "beale": "sgd:lr=0.01,momentum:lr=0.002,nesterov:lr=0.002,rmsprop:lr=0.01,adam:lr=0.05,lbfgs",
    "himmelblau": "sgd:lr=0.005,momentum:lr=0.002,nesterov:lr=0.002,rmsprop:lr=0.02,adam:lr=0.1,lbfgs",
    "rastrigin": "sgd:lr=0.001,momentum:lr=0.001,nesterov:lr=0.001,rmsprop:lr=0.05,adam:lr=0.3",
    "saddle": "sgd:lr=0.03,momentum:lr=0.01,nesterov:lr=0.01,rmsprop:lr=0.01,adam:lr=0.03",
    "network": _NETWORK,
    "network_regression": _NETWORK,
}
"""Rules by problem, with rates that suit it; others have those of a table."""
_STEPS = {"quadratic": 300, "rosenbrock": 3000, "beale": 1000, "himmelblau": 300, "rastrigin": 300, "saddle": 500}


def usual_contenders(problem: str, seed: int = 0) -> tuple[Contender, ...]:
    """Who races on a problem until a person chooses otherwise."""
    batch = "all" if problem in _STEPS else 32
    return parse_contenders(USUAL.get(problem, _TABLE), batch=batch, seed=seed)  # type: ignore[arg-type]


def usual_steps(problem: str) -> int:
    """How long a race on a problem usually is."""
    return _STEPS.get(problem, 2000)


@dataclass(frozen=True, slots=True)
class Example:
    """A race that is ready.

    Attributes:
        key, title: what it is called.
        idea: one sentence: what is to be seen.
        problem: what is minimised.
        rules, schedule, batch: who races, as the command line writes it; "" takes the usual ones.
        steps, replicates: of each.
    """

    key: str
    title: str
    idea: str
    problem: ProblemSetup
    rules: str = ""
    schedule: str = "constant"
    batch: str = "32"
    steps: int = 2000
    replicates: int = 10

    def race(self) -> RaceSetup:
        """The set-up."""
        key = self.problem.problem
        made = (
            parse_contenders(self.rules, parse_schedule(self.schedule), parse_batch(self.batch))
            if self.rules
            else usual_contenders(key)
        )
        return RaceSetup(self.problem, made, self.steps, self.replicates)


EXAMPLES: dict[str, Example] = {
    one.key: one
    for one in (
        Example(
            "valley", "A bent valley", "Who finds the way along the floor of Rosenbrock's valley, and who bounces.",
            ProblemSetup("rosenbrock"), steps=3000, replicates=1,
        ),
        Example(
            "condition", "A narrow valley", "Momentum takes about the root of the steps that plain descent takes.",
            ProblemSetup("quadratic", condition=100.0), "sgd:lr=0.0198,momentum:lr=0.033:beta=0.67,adam:lr=0.1",
            batch="all", steps=600, replicates=10,
        ),
        Example(
            "saddle", "Off the saddle", "Rules that divide by the size of the gradient leave the saddle first.",
            ProblemSetup("saddle"), steps=500, replicates=20,
        ),
        Example(
            "logistic", "Logistic regression", "Six rules on drawn clicks, thirty replicates, cosine schedule.",
            ProblemSetup("logistic", data="linear", rows=2000, penalty="l2", strength=0.01),
            "sgd:lr=0.02,momentum:lr=0.004,nesterov:lr=0.004,adagrad:lr=0.05,rmsprop:lr=0.002,adam:lr=0.003", "cosine",
            replicates=30,
        ),
        Example(
            "moons", "A network on moons", "Eight neurons bend a line around two moons.",
            ProblemSetup("network", data="moons", noise=0.2), replicates=5,
        ),
        Example(
            "spirals", "A network on spirals", "Two hidden layers and sines untangle two spirals.",
            ProblemSetup("network", data="spirals", features=("x", "y", "sin x", "sin y"), hidden=(8, 4), noise=0.05),
            steps=4000, replicates=3,
        ),
        Example(
            "zero", "Zero initialisation", "From zero all neurons of a layer stay alike, whatever the rule.",
            ProblemSetup("network", data="circles", init="zero"), replicates=1,
        ),
        Example(
            "digits", "Digits", "Softmax regression reads ten digits of 8 by 8 pixels.",
            ProblemSetup("softmax", data="digits", penalty="l2", strength=0.001), replicates=5, steps=1000,
        ),
        Example(
            "robust", "Under noise", "Adam against SGD where the gradient is noisy and outliers are heavy.",
            ProblemSetup("robust", gamma=1.2, shake=1.0), "sgd:lr=0.05,adam:lr=0.05", "inverse_root", replicates=20,
        ),
    )
}  # fmt: skip
"""By key, in the order of the menu."""
