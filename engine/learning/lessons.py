"""What is to be learned from a race: each rule, and what lies under them, with the steps that lead there.

For a person who knows calculus. In the formulas theta is what is learned, g the gradient, eta the rate; they are TeX
as matplotlib's mathtext takes it, without the dollars, the lines of a formula one below the other.
`resources/recipes/formulas.py` sets them as `optimize_KEY.svg` and, for the steps of the derivation,
`optimize_KEY_1.svg` and so on. The number of each lesson is computed by `engine.learning.lesson_numbers` when it is
shown.
"""

from engine.learning.lesson import Lesson, Number
from engine.learning.lesson_rules import RULE_LESSONS

__all__ = ["LESSONS", "Lesson", "Number", "formulas"]

_MORE = (
    Lesson(
        "schedules", "Schedules",
        "A large rate comes near quickly, a small one stays near: so let it fall.",
        r"\sum_t \, \eta_t = \infty, \quad \sum_t \, \eta_t^2 < \infty",
        (
            (
                "Let each gradient carry noise of variance σ². Along a curvature λ the mean square distance becomes",
                r"D_{t+1} = (1-\eta\lambda)^2 D_t + \eta^2\sigma^2",
            ),
            (
                "At a constant rate it comes to rest where D no longer changes, well above 0:",
                r"D \approx \eta\,\sigma^2 / (2\lambda)",
            ),
            ("With a rate of c/t it goes on falling:", r"D_t = O(1/t)"),
        ),
        "Under noise every rule gains from a rate that falls, or from averaging its last places. Without noise a "
        "constant rate is best. A warm-up helps where the first gradients are wild.",
        "Robbins and Monro 1951", "https://doi.org/10.1214/aoms/1177729586", "schedules",
    ),
    Lesson(
        "condition", "Condition number",
        "How much steeper the steepest direction is than the flattest: it decides how many steps gradient descent "
        "takes.",
        r"\kappa = \lambda_{\max} / \lambda_{\min}",
        (
            (
                "The two extreme directions keep these shares of their distance:",
                "\\vert 1 - \\eta\\lambda_{\\min} \\vert,\n\\vert 1 - \\eta\\lambda_{\\max} \\vert",
            ),
            ("They are alike, and so the larger one is least, at", r"\eta = 2 / (\lambda_{\max} + \lambda_{\min})"),
            ("where both are", r"\dfrac{\kappa-1}{\kappa+1} \approx 1 - \dfrac{2}{\kappa}"),
            ("To come e times as near takes about so many steps:", r"\kappa / 2"),
        ),
        "Standardising the columns of the data is the cheapest way to a smaller κ. Momentum makes √κ of it, rules with "
        "a rate for each parameter undo the part that lies along the axes.",
        "Boyd and Vandenberghe 2004", "https://web.stanford.edu/~boyd/cvxbook/", "condition",
    ),
    Lesson(
        "adam_bias", "Why Adam corrects its averages",
        "An average that begins at 0 is too small at first; one division makes it fair.",
        r"\hat m_t = m_t / (1 - \beta_1^t)",
        (
            ("Written out, the average is a weighted sum:", r"m_t = (1-\beta_1) \sum_{k=1}^{t} \beta_1^{t-k} g_k"),
            ("If every gradient has the mean c, then so does", r"E\, m_t = c\,(1-\beta_1)\sum_{k=0}^{t-1} \beta_1^{k}"),
            ("of which the geometric series leaves", r"E\, m_t = c\,(1 - \beta_1^t)"),
        ),
        "β₂ is nearer to 1 than β₁, so v would be short for longer than m, and the first steps would be several times "
        "too long. After some thousand steps the correction no longer matters.",
        "Kingma and Ba 2015, section 3", "https://arxiv.org/abs/1412.6980", "adam_bias",
    ),
    Lesson(
        "logistic_gradient", "The gradient of the logistic loss",
        "What is said less what is true, times the row: all that logistic regression needs to learn.",
        r"\nabla_\theta\, \ell = (\sigma(z) - y)\, x",
        (
            (
                "The label is 1 with probability σ(z), z = x'θ. Minus the logarithm of what was seen is",
                r"\ell = \log(1 + e^z) - y\, z",
            ),
            ("Its derivative by z:", r"\dfrac{e^z}{1 + e^z} - y = \sigma(z) - y"),
            ("and z is linear in θ:", r"\partial z / \partial\theta = x"),
        ),
        "A row that is told rightly and surely adds almost nothing; one that is told wrongly adds at most its whole x. "
        "The second derivative σ(1 - σ)xx' is never negative, so the loss is convex.",
        "Cox 1958", "https://doi.org/10.1111/j.2517-6161.1958.tb00292.x", "logistic_gradient",
    ),
    Lesson(
        "softmax", "Softmax is a distribution, and a shift changes nothing",
        "It turns any scores into probabilities, and only the differences of the scores count.",
        r"p_c = e^{z_c} / \sum_k \, e^{z_k}",
        (
            ("Every term is positive, and together they are the denominator:", r"p_c > 0, \quad \sum_c \, p_c = 1"),
            (
                "Add a to all scores, and it cancels:",
                r"\dfrac{e^{z_c + a}}{\sum_k \, e^{z_k + a}} = \dfrac{e^a\, e^{z_c}}{e^a \sum_k \, e^{z_k}}",
            ),
            ("So a may be chosen such that no exponential is above 1:", r"a = -\max_k z_k"),
        ),
        "Computed without the maximum it overflows at scores near 700. Of two classes it is the sigmoid of the "
        "difference of "
        "their scores.",
        "Goodfellow, Bengio and Courville 2016, section 4.1",
        "https://www.deeplearningbook.org/contents/numerical.html",
        "softmax",
    ),
    Lesson(
        "first_loss", "The loss before learning",
        "With all scores alike the loss is known beforehand: a free check of the code and the labels.",
        "\\log C \\;\\; \\mathrm{(softmax)},\nC - 1 \\;\\; \\mathrm{(SVM)}",
        (
            ("Equal scores make every class as likely:", r"p_c = 1 / C"),
            ("so the cross-entropy of any label is", r"-\log p_y = \log C"),
            (
                "The SVM asks each of the C - 1 wrong classes to stay 1 below:",
                r"\sum_{j \neq y} \, \max(0,\, 1 + z_j - z_y) = C - 1",
            ),
        ),
        "A first loss that is far larger tells of weights that begin too large or of data that were not standardised; "
        "one "
        "that is smaller, of a label that leaks into the features.",
        "Karpathy and others, CS231n", "https://cs231n.github.io/neural-networks-3/#sanitycheck", "first_loss",
    ),
    Lesson(
        "collapse", "Linear layers collapse into one",
        "Without something bent between them, many layers can say no more than one.",
        r"W_2 (W_1 x + b_1) + b_2 = W x + b",
        (
            ("Multiply it out:", "W = W_2 W_1,\nb = W_2 b_1 + b_2"),
            ("and by induction for any number of layers:", r"W = W_n \cdots W_2 W_1"),
            ("The narrowest layer limits what W can be:", r"\mathrm{rank}\, W \leq \min_l\, \mathrm{width}_l"),
        ),
        "Choose “None (linear)” as the activation to see it: the boundary between two classes stays a straight line, "
        "however deep the network. Learning is another matter: the objective is no longer convex in the factors.",
        "Goodfellow, Bengio and Courville 2016, chapter 6", "https://www.deeplearningbook.org/contents/mlp.html",
        "collapse",
    ),
    Lesson(
        "tanh", "Tanh is a stretched sigmoid",
        "They are one curve, but tanh is centred at 0 and four times as steep.",
        r"\tanh(x) = 2\,\sigma(2x) - 1",
        (
            (
                "Divide both parts of tanh by eˣ:",
                r"\dfrac{e^x - e^{-x}}{e^x + e^{-x}} = \dfrac{1 - e^{-2x}}{1 + e^{-2x}}",
            ),
            ("and write the numerator as 2 less the denominator:", r"\dfrac{2}{1 + e^{-2x}} - 1 = 2\,\sigma(2x) - 1"),
            (
                "The slope of the sigmoid is a product of two numbers of sum 1, so at most",
                r"\sigma' = \sigma\,(1 - \sigma) \leq 1/4",
            ),
        ),
        "Outputs around 0 keep the gradients of the next layer's weights from all having one sign. A slope of at most "
        "a "
        "quarter is what makes deep sigmoid networks learn slowly.",
        "LeCun, Bottou, Orr and Müller 1998", "https://doi.org/10.1007/3-540-49430-8_2", "tanh",
    ),
    Lesson(
        "vanishing", "Vanishing gradients",
        "Going back, each layer multiplies the gradient by its weights and its slopes; ten factors below 1 leave "
        "nothing.",
        r"\delta_{l-1} = (W_l^T \delta_l) \odot f^{\,\prime}(z_{l-1})",
        (
            (
                "Take lengths, and go from the last of n layers to the first:",
                r"\Vert \delta_1 \Vert \leq \Vert \delta_n \Vert \prod_l\, \Vert W_l \Vert\, \max f^{\,\prime}",
            ),
            (
                "For the sigmoid each slope is at most a quarter:",
                r"\Vert \delta_1 \Vert \leq \Vert \delta_n \Vert \prod_l\, \Vert W_l \Vert / 4",
            ),
            ("With weights of norm near 1, ten layers leave at most", r"4^{-10} \approx 10^{-6}"),
        ),
        "The first layers then hardly learn while the last ones do. Tanh or ReLU, whose slopes reach 1, and weights "
        "that "
        "begin at the right scale keep the product near 1.",
        "Bengio, Simard and Frasconi 1994", "https://doi.org/10.1109/72.279181", "vanishing",
    ),
    Lesson(
        "zero_start", "Why zero is a bad start",
        "Neurons that begin alike get the same gradient and stay alike: a layer of many is then a layer of one.",
        r"w_i = w_j \;\Rightarrow\; \nabla_{w_i} L = \nabla_{w_j} L",
        (
            (
                "The gradient of a hidden neuron's weights is",
                r"\nabla_{w_i} L = x\, f^{\,\prime}(z_i) \sum_k \, v_{ki}\, \delta_k",
            ),
            (
                "Swapping two neurons that are alike changes nothing of it, so they move as one. From zero it is "
                "worse:",
                r"v_{ki} = 0 \;\Rightarrow\; \nabla_{w_i} L = 0",
            ),
            (
                "and the output's weights wait for the hidden ones:",
                r"h_i = f(0) = 0 \;\Rightarrow\; \nabla_{v_{ki}} L = 0",
            ),
        ),
        "With tanh only the last bias learns: the network ends at the share of each class. A random start, however "
        "small, "
        "breaks the symmetry. Biases may begin at zero.",
        "Glorot and Bengio 2010", "https://proceedings.mlr.press/v9/glorot10a.html", "zero_start",
    ),
    Lesson(
        "xavier", "Xavier's start",
        "Weights of the right size let signals pass forwards, and gradients back, without growing or fading.",
        r"\mathrm{Var}\, w = \dfrac{2}{n_{\mathrm{in}} + n_{\mathrm{out}}}",
        (
            (
                "A sum of independent terms adds their variances:",
                r"\mathrm{Var}\, z = n_{\mathrm{in}}\, \mathrm{Var}\, w\; \mathrm{Var}\, h",
            ),
            (
                "so the signal keeps its size where Var w is 1/n_in. Going back the sum is over the outputs:",
                r"\mathrm{Var}\, \delta_{l-1} = n_{\mathrm{out}}\, \mathrm{Var}\, w\; \mathrm{Var}\, \delta_l",
            ),
            (
                "Between the two wishes stands the mean. Drawn evenly from -a to a, the variance is a²/3:",
                r"a = \sqrt{6 / (n_{\mathrm{in}} + n_{\mathrm{out}})}",
            ),
        ),
        "It is made for tanh, whose slope at 0 is 1. ReLU loses half of the variance and wants twice as much. Too "
        "small "
        "weights fade, too large ones saturate.",
        "Glorot and Bengio 2010", "https://proceedings.mlr.press/v9/glorot10a.html", "xavier",
    ),
    Lesson(
        "backprop", "Back-propagation",
        "The chain rule from the last layer to the first: every slope of a network for about the price of two passes.",
        "\\delta_{l-1} = (W_l^T \\delta_l) \\odot f^{\\,\\prime}(z_{l-1}),\n\\n"
        "abla_{W_l} L = \\delta_l\\, h_{l-1}^T",
        (
            (
                "Let δ be the slope of the loss by a layer's sums, z = Wh + b. Each weight enters one sum, beside one "
                "h:",
                r"\dfrac{\partial L}{\partial W_{ij}} = \delta_i\, h_j",
            ),
            (
                "Each h of the layer before enters all sums:",
                r"\dfrac{\partial L}{\partial h_j} = \sum_i \, \delta_i\, W_{ij}",
            ),
            (
                "and comes from its own sum through f alone. With softmax or half squares it begins at",
                r"\delta_n = \hat y - y",
            ),
        ),
        "Differences would need two passes for every single weight. The page checks its gradient in that way at some "
        "places, which is how errors in such code are found.",
        "Rumelhart, Hinton and Williams 1986", "https://doi.org/10.1038/323533a0", "backprop",
    ),
)  # fmt: skip

LESSONS: dict[str, Lesson] = {lesson.key: lesson for lesson in (*RULE_LESSONS, *_MORE)}
"""Every lesson by its key: the rules in order of complexity, then what lies under them."""


def formulas() -> dict[str, str]:
    """The TeX of every picture by its key."""
    made = {}
    for lesson in LESSONS.values():
        made[lesson.picture] = lesson.formula
        for number, (_, formula) in enumerate(lesson.derivation):
            if formula:
                made[lesson.step_picture(number)] = formula
    return made
