"""A lesson for each method: the idea, the formula, how to read the picture, and where it misleads.

F is the number that is explained (the logit of a class, or the difference of two), x the picture, x' the baseline. The
formulas are TeX; `resources/recipes/formulas.py` sets them, and the window shows what it wrote.
"""

from dataclasses import dataclass

from engine.saliency.methods import METHODS


@dataclass(frozen=True, slots=True)
class Lesson:
    """What a person who knows what a CNN is should know of a method.

    Attributes:
        title: how people call it.
        idea: what it does.
        reading: how to read its picture.
        misleads: where it misleads.
        paper: who and when, and its address.
        formula: TeX, as matplotlib's mathtext takes it, without the dollars.
    """

    title: str
    idea: str
    reading: str
    misleads: str
    paper: str
    formula: str

    @property
    def address(self) -> str:
        """Where the paper is."""
        return self.paper.rpartition(", ")[2]

    @property
    def authors(self) -> str:
        """Who wrote it, and when."""
        return self.paper.rpartition(", ")[0]


def _of(method: str, idea: str, reading: str, misleads: str, formula: str) -> Lesson:
    """The lesson of one of `METHODS`, which knows its title and its paper."""
    known = METHODS[method]
    return Lesson(known.title, idea, reading, misleads, known.paper, formula)


_PATH = (
    r"(x_i - x^{\prime}_i) "
    r"\int_0^1 \, \dfrac{\partial %s(x^{\prime} + \alpha (x - x^{\prime}))}{\partial x_i} \, d\alpha"
)

LESSONS: dict[str, Lesson] = {
    "integrated_gradients": _of(
        "integrated_gradients",
        "Walk in a straight line from a baseline (say, a black picture) to the picture and average the gradient on the "
        "way. Times how far each pixel came, it shares out the whole of F(x) − F(x') among the pixels.",
        "A pixel above 0 raised the class's number on the way from the baseline, one below 0 lowered it. The "
        "completeness "
        "error says how much of the whole is missing: under 1 % there are steps enough.",
        "A pixel that has the baseline's own colour gets exactly 0: a black cat on a black baseline is invisible. "
        "Compare two baselines before you believe a hole in the map.",
        rf"\mathrm{{IG}}_i = {_PATH % 'F'}",
    ),
    "grad_cam": _of(
        "grad_cam",
        "The last layer with a place still says where things are. Each of its channels is weighed by its mean "
        "gradient: "
        "by how much the class wants more of it. The weighed sum is the map.",
        "It shows regions, not outlines: each cell of a 7 x 7 layer stands for 32 x 32 pixels of the network's square. "
        "The paper keeps only what is above 0; here both signs are shown, unless you ask for evidence for alone.",
        "Enlarging makes the map look finer than it is, and each cell sees far more of the picture than the "
        "place where "
        "it is drawn. At early layers a channel's mean gradient says little.",
        r"L = \sum_k \alpha_k A^k, \qquad \alpha_k = \dfrac{1}{Z} \sum_{i,j} \dfrac{\partial F}{\partial A^k_{ij}}",
    ),
    "saliency": _of(
        "saliency",
        "The gradient of the class's number at the picture: how much it moves when a pixel moves a little. Of "
        "the three "
        "colours the largest counts.",
        "Bright pixels are those to which the answer is most sensitive here and now. There is no sign: brighter or "
        "darker, for or against, is not told apart.",
        "Sensitive is not the same as important. Where a network is sure its gradients can vanish, and a small step "
        "away they look different: the map is noisy.",
        r"M_i = \max_c \left| \dfrac{\partial F}{\partial x_{i,c}} \right|",
    ),
    "input_x_gradient": _of(
        "input_x_gradient",
        "The gradient times the pixel itself. For a linear network that is exactly what each pixel adds; for a "
        "deep one "
        "it is the first term of a Taylor series.",
        "Above 0 speaks for the class, below 0 against it, as far as a straight line can tell. It is Integrated "
        "Gradients with one step, from a picture of the mean colour.",
        "What has the mean colour gets 0, whatever it means. The picture's own contrast shows through, so the "
        "map looks "
        "meaningful even where the network is not: see the sanity check.",
        r"M_i = \sum_c x_{i,c} \, \dfrac{\partial F}{\partial x_{i,c}}",
    ),
    "smooth_grad": _of(
        "smooth_grad",
        "A single gradient is jumpy. Take it at many copies of the picture with noise added, and average: what is left "
        "is what the copies agree on.",
        "As Saliency, only calmer. More copies smooth further; the noise decides how wide a neighbourhood of the "
        "picture "
        "is asked about.",
        "Too much noise and the network sees pictures it does not know: the map is clean, but of another question. It "
        "still shows sensitivity and not contribution.",
        r"M_i = \max_c \left| \dfrac{1}{n} \sum_{s=1}^{n} \dfrac{\partial F(x + \varepsilon_s)}{\partial x_{i,c}}"
        r" \right|, \qquad \varepsilon_s \sim \mathcal{N}(0, \sigma^2)",
    ),
    "guided_backprop": _of(
        "guided_backprop",
        "The gradient, but what comes back (R) passes a ReLU only where the ReLU was open (z > 0) and R itself "
        "is above "
        "0. What speaks against is dropped at every layer.",
        "Sharp lines are the edges that excite the network's units. Use it to see what detail there is to react to.",
        "It is nearly the same picture for every class, and hardly changes when the upper layers are randomised "
        "(Adebayo "
        "et al. 2018): it reconstructs edges of the picture more than it explains the decision.",
        r"R^{\,l} = \left[ z^{\,l} > 0 \right] \left[ R^{\,l+1} > 0 \right] R^{\,l+1}",
    ),
    "guided_grad_cam": _of(
        "guided_grad_cam",
        "Guided Backprop G is sharp but knows no class, Grad-CAM L knows the class but is coarse. Multiply the two.",
        "Fine lines inside the region that speaks for the class. Read the region as Grad-CAM and the lines as Guided "
        "Backprop.",
        "The lines inherit the fault of Guided Backprop: they are the picture's edges, cut out where Grad-CAM points. "
        "A sharp map is no proof of a sharp reason.",
        r"M_i = \max_c \left| G_{i,c} \cdot \mathrm{up} \left( \mathrm{ReLU}(L) \right)_i \right|",
    ),
    "grad_cam_plus_plus": _of(
        "grad_cam_plus_plus",
        "Grad-CAM lets every place of a channel count the same. Here places whose gradient is above 0 count, each by "
        "how it excites, so that several small objects of a class are not averaged away.",
        "As Grad-CAM; it tends to cover more of the object, and all of several.",
        "Only gradients above 0 enter the weights, so little speaks against a class, and two classes look more alike "
        "than they do to the network. The weights α come from an exponential of the class's number, which the network "
        "never computes.",
        r"L = \sum_k A^k \sum_{i,j} \alpha^k_{ij} \, \mathrm{ReLU}(g^k_{ij}), \quad"
        r"\alpha^k_{ij} = \dfrac{(g^k_{ij})^2}{2 (g^k_{ij})^2 + \sum_{a,b} A^k_{ab} (g^k_{ij})^3}, \quad"
        r"g^k_{ij} = \dfrac{\partial F}{\partial A^k_{ij}}",
    ),
    "eigen_cam": _of(
        "eigen_cam",
        "No gradient and no class: the layer's activations are projected on the direction in which they vary most, "
        "their first principal component.",
        "It shows what the layer sees most of, usually the largest object. Use it to see whether a thing is noticed at "
        "all.",
        "The map is the same whatever class you ask for, so it cannot say why this one. With two objects it picks the "
        "one that varies more.",
        r"L = (A - \bar{A}) \, v_1, \qquad A - \bar{A} = U \Sigma V^\top",
    ),
    "deep_lift": _of(
        "deep_lift",
        "Compare every unit with what it gives for a baseline, and hand the difference in the answer back layer by "
        "layer: through a ReLU by its slope between the two points, not at one of them.",
        "Above 0 raised the class's number against the baseline, below 0 lowered it; the sum is F(x) − F(x'). One pass "
        "back instead of Integrated Gradients' fifty.",
        "As with every baseline, what looks like it gets 0. Multiplications inside a network (attention, gates) and "
        "max-pooling are only handled roughly: look at the completeness error.",
        r"C_i = m_i \, (x_i - x^{\prime}_i), \qquad m = \dfrac{\Delta y}{\Delta z} \ \mathrm{at\ a\ ReLU}, \qquad"
        r"\sum_i C_i = F(x) - F(x^{\prime})",
    ),
    "gradient_shap": _of(
        "gradient_shap",
        "Integrated Gradients by chance: the gradient at random places between baselines and noisy copies of the "
        "picture, times the way between the two, averaged.",
        "As Integrated Gradients. With several baselines it does not depend on one colour, and it sharpens with the "
        "samples.",
        "The sum is right only on average: with few samples the completeness error is large. They are Shapley values "
        "only if pixels were independent and the network linear between the two pictures.",
        r"M_i = \mathbb{E}_{\,x^{\prime},\, \alpha \sim U(0,1)} \left[ (x_i - x^{\prime}_i) \,"
        r"\dfrac{\partial F(x^{\prime} + \alpha (x - x^{\prime}))}{\partial x_i} \right]",
    ),
    "occlusion": _of(
        "occlusion",
        "Cover a window of the picture and see how far the class's number falls. Move the window over the whole "
        "picture.",
        "Above 0: covering it hurts, so it speaks for the class. Below 0: the class gains when it is gone. No gradient "
        "is involved: this is what the network really says.",
        "The window's size decides what can be found: two eyes that can stand in for each other are both rated low. A "
        "grey or black patch is itself something the network never saw.",
        r"M_i = \mathrm{mean}_{\,W \ni i} \left[ F(x) - F(x_{W \leftarrow x^{\prime}}) \right]",
    ),
    "superpixels": _of(
        "superpixels",
        "As Occlusion, but what is taken away are superpixels: connected parts S of like colour, which follow "
        "the edges "
        "of things.",
        "Each part has one value: how far the class's number falls without it. Fewer, larger parts find things; more, "
        "smaller ones find details.",
        "Parts are taken away one at a time, so what is there twice looks unimportant. A cut along an object's edge "
        "leaves its outline, which can give it away.",
        r"M_i = F(x) - F(x_{S(i) \leftarrow x^{\prime}})",
    ),
    "rise": _of(
        "rise",
        "Show the network the picture through many random masks m. A pixel is important if the class's "
        "probability p is "
        "higher on average when the pixel is seen.",
        "Above 0: seeing it helps. It needs nothing but the network's answers. The grain fades as the masks grow in "
        "number: 400 give a sketch, 4,000 a map.",
        "It explains the probability and not the logit: a rival class that vanishes counts as well. The masks "
        "are 7 x 7 "
        "cells, so nothing smaller can be found, and what is left of the grain looks like structure.",
        r"M_i = \dfrac{\sum_k m_{k,i} \, p(x \odot m_k)}{\sum_k m_{k,i}} - \dfrac{1}{N} \sum_k p(x \odot m_k)",
    ),
    "layer_conductance": _of(
        "layer_conductance",
        "Integrated Gradients, seen from inside: how much of F(x) − F(x') flows through each unit y of a layer on the "
        "way from the baseline to the picture. Its channels are added up.",
        "Above 0: what the layer holds at this place raised the class's number. Unlike Grad-CAM its sum is what it "
        "explains, so layers can be compared.",
        "As coarse as the layer, and each place sees far more of the picture than where it is drawn. Where a shortcut "
        "goes around the layer, its sum leaves out what took it.",
        r"C_j = \int_0^1 \, \dfrac{\partial F}{\partial y_j} \, \dfrac{\partial y_j}{\partial \alpha} \, d\alpha,"
        r"\qquad y = y(x^{\prime} + \alpha (x - x^{\prime}))",
    ),
    "neuron": _of(
        "neuron",
        "Ask not about a class but about one channel A of a layer, added up over all places: Integrated Gradients of "
        "what makes it fire.",
        "Above 0: this pixel makes the channel fire. Without a number the channel that speaks most for the class is "
        "taken.",
        "A channel seldom stands for one thing, and one picture does not tell what else excites it. Which channel is "
        "loudest can change with the smallest change of the picture.",
        rf"M_i = {_PATH % 'A'}, \qquad A = \sum_{{u,v}} A^k_{{uv}}",
    ),
    "d_rise": Lesson(
        "D-RISE",
        "Hide the picture behind many random masks m and let the detector look each time. A mask counts by its best "
        "detection d: how well it overlaps the box b, how alike its classes p are, and how sure (o) it is.",
        "Above 0: seeing this pixel helps to find this box with this class. Evidence outside the box is context that "
        "the detector leans on.",
        "Nothing smaller than a cell of the masks can be found, and few masks leave grain. A box that is found "
        "whatever "
        "is hidden, or that no mask leaves, has an empty map.",
        "Petsiuk et al. 2021, https://arxiv.org/abs/2006.03204",
        r"s(m) = \max_{d \in D(x \odot m)} \mathrm{IoU}(b, b_d) \cdot \cos(p, p_d) \cdot o_d, \qquad"
        r"M_i = \dfrac{\sum_k m_{k,i} \, s(m_k)}{\sum_k m_{k,i}} - \bar{s}",
    ),
    "class_visualisation": Lesson(
        "Class visualisation",
        "Turn it round: begin with noise, held as its frequencies z, and change it so that the class's number rises. "
        "Small random shifts, turns and scales τ at each step leave only what withstands them.",
        "It is a picture of what the network looks for: parts, textures, how often and how large. Another seed shows "
        "another side of the class.",
        "Nothing like it was ever photographed. How it looks depends on what is forbidden (noise, high frequencies) as "
        "much as on the network, and a high probability does not make it a good likeness.",
        "Simonyan et al. 2013; Olah et al. 2017, https://distill.pub/2017/feature-visualization/",
        r"x^{*} = \mathrm{arg\,max}_{x} \ \mathbb{E}_{\tau} \left[ F(\tau(x)) \right],"
        r"\qquad x = \mathrm{sigmoid} \left( \mathcal{F}^{-1}(s \odot z) \right)",
    ),
    "flip": Lesson(
        "The smallest change",
        "How little must change for another answer? Step over the nearest boundary between two classes, linearised "
        "anew at each step, and stay as near to the picture as the boundary lets.",
        "The difference is magnified, since it can hardly be seen. Its size tells how near the picture is to the "
        "boundary: compare it between pictures and networks.",
        "It says where the network is fragile, not what it looks at: no one would call the changed picture by the new "
        "name. The way is found step by step, so a still smaller change may exist.",
        "Moosavi-Dezfooli et al. 2016; Croce, Hein 2020, https://arxiv.org/abs/1907.02044",
        r"\min_{\delta} \ \Vert \delta \Vert_2 \quad \mathrm{so\ that} \quad \mathrm{arg\,max}_k \, F_k(x + \delta)"
        r"\neq c, \quad 0 \leq x + \delta \leq 255",
    ),
}  # fmt: skip
"""By key of `METHODS`, and of what is no method of a map on a classifier: d_rise, class_visualisation, flip."""
