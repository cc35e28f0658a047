"""The lessons of the rules, in order of complexity; their idea, formula and paper stand with the rules themselves."""

from engine.learning.lesson import Lesson, Step
from engine.optimizers.rules import RULES


def _rule(key: str, derivation: tuple[Step, ...], when: str, address: str, formula: str = "") -> Lesson:
    """The lesson of a rule, which knows its title, its idea, its formula and its paper."""
    rule = RULES[key]
    return Lesson(
        key, rule.title, rule.idea, formula or rule.formula.strip("$").replace(r",\quad ", ",\n"), derivation, when,
        rule.paper, address, key,
    )  # fmt: skip


_ARXIV = "https://arxiv.org/abs/"

RULE_LESSONS = (
    _rule(
        "sgd",
        (
            ("To first order the objective changes by", r"f(\theta + d) \approx f(\theta) + g^T d"),
            ("which for a given length of d is least against the gradient:", r"d = -\eta\, g"),
            ("Along a direction of curvature λ what is left of the distance after a step is", r"1 - \eta\lambda"),
            ("so it descends while every such factor stays between -1 and 1:", r"\eta < 2 / \lambda_{\max}"),
        ),
        "With the gradient of a few rows in place of all it is right on average, and far cheaper a step. The steepest "
        "direction caps the rate and the flattest one pays for it.",
        "https://doi.org/10.1214/aoms/1177729586",
    ),
    _rule(
        "momentum",
        (
            (
                "Where the gradient stays g, the sum of past ones grows to",
                r"g\,(1 + \beta + \beta^2 + \ldots) = g / (1-\beta)",
            ),
            (
                "Where it alternates between g and -g the terms cancel:",
                r"g\,(1 - \beta + \beta^2 - \ldots) = g / (1+\beta)",
            ),
            (
                "On a quadratic of condition κ the best β leaves, a step,",
                r"\dfrac{\sqrt{\kappa}-1}{\sqrt{\kappa}+1} \quad \mathrm{not} \quad \dfrac{\kappa-1}{\kappa+1}",
            ),
        ),
        "It helps where the valley is long: the number of steps goes with the root of the condition number. With noisy "
        "gradients near the minimum it rolls on, so lower the rate there.",
        "https://doi.org/10.1016/0041-5553(64)90137-5",
    ),
    _rule(
        "nesterov",
        (
            (
                "Momentum will carry the parameters on anyway, by βv. So look at the slope there:",
                r"g = \nabla f(\theta + \beta v)",
            ),
            (
                "Name the place ahead φ = θ + βv, and keep that instead of θ. With v = -ηb:",
                r"\varphi \leftarrow \varphi - \eta\,(g + \beta b)",
            ),
            ("On convex problems the error then falls as", r"f(\theta_t) - f^{*} = O(1/t^2)"),
        ),
        "It brakes one step before momentum does, and so swings less. It helps on smooth problems with all rows; under "
        "noise there is little between the two.",
        "https://www.mathnet.ru/eng/dan46009",
    ),
    _rule(
        "nesterov_lookahead",
        (
            ("The place ahead after a step is", r"\varphi_{t+1} = \theta_{t+1} + \beta v_{t+1}"),
            (
                "A step moves θ by the new v, and before it θ was φ less βv:",
                r"\varphi_{t+1} = \varphi_t - \beta v_t + (1 + \beta)\, v_{t+1}",
            ),
            (
                "Put the new v, βv - ηg, into it, with b = -v/η:",
                r"\varphi_{t+1} = \varphi_t - \eta\,(g_t + \beta b_{t+1})",
            ),
        ),
        "This is the form of the textbooks; the one that torch has keeps the places ahead. At a constant rate both "
        "visit "
        "the same ones, so choose it to understand, and the other to compare with torch.",
        "https://proceedings.mlr.press/v28/sutskever13.html",
    ),
    _rule(
        "adagrad",
        (
            (
                "Let each parameter have its own scale. Descending in a metric H, the regret is bounded by",
                r"\sum_t \, g_t^T H^{-1} g_t + \mathrm{tr}\, H",
            ),
            (
                "For a diagonal H each term is least where its derivative is 0:",
                r"-\,\dfrac{\sum_t \, g_{t,i}^2}{h_i^2} + 1 = 0",
            ),
            ("that is, at the root of the summed squares:", r"h_i = \sqrt{\sum_t \, g_{t,i}^2}"),
        ),
        "It helps with rare features, whose sum stays small and whose steps stay large. The sum never shrinks, so that "
        "steps fade as 1/√t: good for convex problems, early stillness for networks.",
        "https://jmlr.org/papers/v12/duchi11a.html",
    ),
    _rule(
        "rmsprop",
        (
            (
                "Weigh old squares less and less, in place of adding all up:",
                r"s_t = (1-\alpha) \sum_{k \leq t} \alpha^{t-k}\, g_k^2",
            ),
            ("The weights are as those of so many last steps:", r"1 / (1 - \alpha)"),
            ("Where the gradient stays g, s comes to g², and the step to", r"\eta\, g / \sqrt{g^2} = \pm\,\eta"),
        ),
        "It helps where the scale of gradients changes on the way, as in networks. Every component moves by about η to "
        "the end, so that it circles the minimum unless the rate falls.",
        "https://www.cs.toronto.edu/~tijmen/csc321/slides/lecture_slides_lec6.pdf",
    ),
    _rule(
        "adadelta",
        (
            (
                "A Newton step has the unit of θ, since",
                r"\Delta\theta = -\,\dfrac{\partial f / \partial\theta}{\partial^2 f / \partial\theta^2}",
            ),
            (
                "but g over its root mean square has none. The curvature, read from past steps, gives it back:",
                r"\dfrac{1}{\partial^2 f/\partial\theta^2} \approx \dfrac{\mathrm{RMS}(d)}{\mathrm{RMS}(g)}",
            ),
            ("so that", r"d = \dfrac{\mathrm{RMS}(d)}{\mathrm{RMS}(g)}\; g"),
        ),
        "It helps where no good rate is known: multiply the objective by any number and the path stays. The first "
        "steps "
        "are made of ε alone, and therefore slow.",
        _ARXIV + "1212.5701",
        "d = \\sqrt{u + \\epsilon}\\; g / \\sqrt{s + \\epsilon},\n\\theta \\leftarrow \\theta - \\eta\\, d",
    ),
    _rule(
        "adam",
        (
            (
                "Average the gradient, as momentum does, and its square, as RMSProp does:",
                "m \\leftarrow \\beta_1 m + (1-\\beta_1)\\, g,\nv \\leftarrow \\beta_2 v + (1-\\beta_2)\\, g^2",
            ),
            (
                "Both begin at 0 and are too small at first; the hats divide that away:",
                "\\hat m = m / (1-\\beta_1^t),\n\\hat v = v / (1-\\beta_2^t)",
            ),
            (
                "The step is a mean over a root mean square, at most 1 where they are the same gradients:",
                r"\vert \hat m \vert / \sqrt{\hat v} \approx \vert E\,g \vert / \sqrt{E\,g^2}",
            ),
        ),
        "A good first try almost everywhere: sure directions move by η, noisy ones by little. On some problems plain "
        "SGD "
        "with a good schedule ends lower.",
        _ARXIV + "1412.6980",
    ),
    _rule(
        "amsgrad",
        (
            (
                "Adam's effective rate may rise again when a large gradient is forgotten:",
                r"\eta / \sqrt{v_{t+1}} > \eta / \sqrt{v_t}",
            ),
            (
                "The proof of convergence needs that it never does. So keep the largest:",
                r"\bar v_t = \max(\bar v_{t-1},\, v_t)",
            ),
            ("and the effective rate can only fall:", r"\eta / \sqrt{\bar v_{t+1}} \leq \eta / \sqrt{\bar v_t}"),
        ),
        "It helps where rare rows bring large gradients that matter, and where Adam ends at the wrong place. One "
        "outlier "
        "makes all later steps small, though.",
        _ARXIV + "1904.09237",
        "\\bar v \\leftarrow \\max(\\bar v, v),\n"
        "\\theta \\leftarrow \\theta - \\eta\\,\\hat m / (\\sqrt{\\bar v / (1-\\beta_2^t)} + \\epsilon)",
    ),
    _rule(
        "adamw",
        (
            ("An L2 penalty adds its own slope to the gradient:", r"g + \lambda\theta"),
            (
                "and Adam divides it by the size of the gradients like the rest:",
                r"\eta\,\lambda\theta / (\sqrt{\hat v} + \epsilon)",
            ),
            (
                "so weights with large gradients would decay least. Beside the gradient, all lose the same share:",
                r"\theta \leftarrow (1 - \eta\lambda)\,\theta",
            ),
        ),
        "It helps against overfitting, and lets rate and decay be tuned one by one. For plain gradient descent both "
        "decays are the same thing.",
        _ARXIV + "1711.05101",
    ),
    _rule(
        "nadam",
        (
            ("Momentum steps along the average that holds the last gradient:", r"\beta_1 m_{t-1} + (1-\beta_1)\, g_t"),
            (
                "Nesterov uses the average of the step to come, which holds g once more:",
                r"\beta_1 m_t + (1-\beta_1)\, g_t",
            ),
            (
                "With a β that rises step by step, called μ, and each part's bias taken out:",
                r"\mu_{t+1}\,\hat m + (1-\mu_t)\,\hat g",
            ),
        ),
        "It is often a little faster than Adam, most where gradients are smooth and the valley long. Under strong "
        "noise "
        "the gradient that enters at once brings more of it along.",
        "https://openreview.net/forum?id=OM0jvwB8jIp57ZJjtNEZ",
        "\\theta \\leftarrow \\theta - "
        "\\eta\\,\\dfrac{\\mu_{t+1}\\hat m + (1-\\mu_t)\\,\\hat g}{\\sqrt{\\hat v} + \\epsilon}",
    ),
    _rule(
        "lion",
        (
            (
                "Mix the average and the new gradient, and keep only the direction of each component:",
                r"c = \mathrm{sign}(\beta_1 m + (1-\beta_1)\, g)",
            ),
            ("Every component moves by just η, however large its gradient:", r"\Vert \Delta\theta \Vert_\infty = \eta"),
            ("The average itself forgets more slowly:", r"m \leftarrow \beta_2 m + (1-\beta_2)\, g"),
        ),
        "It was found by a search over programs, not derived. It remembers one average where Adam needs two. Near the "
        "minimum it steps to and fro, so give it a tenth of Adam's rate and a schedule that falls.",
        _ARXIV + "2302.06675",
        "\\theta \\leftarrow \\theta - \\eta\\, c,\nc = \\mathrm{sign}(\\beta_1 m + (1-\\beta_1)\\, g)",
    ),
    _rule(
        "lbfgs",
        (
            ("Newton's step takes the curvature B into account:", r"d = -B^{-1} g"),
            ("B is unknown, but each past step s shows how the gradient changed, by y:", r"B\,s = y"),
            (
                "The smallest change of the inverse H that agrees with it is",
                "H \\leftarrow V^T H V + \\rho\\, s s^T,\n"
                "V = I - \\rho\\, y s^T,\\;\\; \\rho = 1/(y^T s)",
            ),
        ),
        "With all rows and a smooth objective it needs the fewest steps by far; a line search finds the length of "
        "each. "
        "Noise makes y, and so the curvature, meaningless: it takes no batches.",
        "https://doi.org/10.1007/BF01589116",
        "\\theta \\leftarrow \\theta + t\\, d,\nd = -H\\, g",
    ),
)  # fmt: skip
"""One a rule of `engine.optimizers.rules.RULES`, in its order."""
