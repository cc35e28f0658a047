"""How fast the maps are: Integrated Gradients against Captum's default call, Grad-CAM in forward passes, the first map.

    uv run tests/bench_saliency.py

Needs SIGHTLINE_ASSETS. Both sides are timed in turns in one process, after they were found to be equal; memory is
measured in a fresh process a side.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from engine import runtime

runtime.prepare()

import numpy as np

ROUNDS = 3
STEPS = 50


def classifier_and_picture():
    import torch

    from engine.media.pictures import read_picture
    from engine.saliency.networks import open_classifier

    torch.set_num_threads(runtime.cores())
    assets = Path(os.environ["SIGHTLINE_ASSETS"])
    classifier = open_classifier("mobilenet_v2", assets / "models" / "mobilenet_v2_imagenet.pth", device="cpu")
    return classifier, read_picture(assets / "images" / "both.png")


def ours(classifier, image):
    from engine.job import drive
    from engine.saliency.explain import explain
    from engine.saliency.knobs import ExplainKnobs

    return drive(explain(image, classifier, "integrated_gradients", "top1", ExplainKnobs(steps=STEPS, double=False)))


def captums(classifier, image):
    """Captum as its documentation calls it: the network as torchvision makes it, all steps at once."""
    import torch
    from captum.attr import IntegratedGradients

    x = torch.from_numpy(classifier.preprocessing.normalise(classifier.preprocessing.square(image)[None]))
    black = torch.from_numpy(classifier.preprocessing.normalise(np.zeros((1, 224, 224, 3), np.uint8)))
    index = classifier.predict(image).top(1)[0]
    return IntegratedGradients(network()).attribute(x, black, target=index, n_steps=STEPS)


def network(_made=[]):  # noqa: B006
    if not _made:
        from engine.weights.networks import classifier_network

        assets = Path(os.environ["SIGHTLINE_ASSETS"])
        made = classifier_network("mobilenet_v2", assets / "models" / "mobilenet_v2_imagenet.pth")[0]
        for parameter in made.parameters():
            parameter.requires_grad = True
        _made.append(made)
    return _made[0]


def peak_mib() -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return 0.0


def memory(side: str) -> float:
    """Extra memory of one call in a fresh process, MiB."""
    done = subprocess.run(
        [sys.executable, __file__, "--memory", side], capture_output=True, text=True, check=True, env=os.environ
    )
    return json.loads(done.stdout.splitlines()[-1])


def measure_memory(side: str) -> None:
    classifier, image = classifier_and_picture()
    network()
    classifier.predict(image)
    import captum.attr  # noqa: F401

    before = peak_mib()
    {"ours": ours, "captum": captums}[side](classifier, image)
    print(json.dumps(peak_mib() - before))


def main() -> None:
    if "SIGHTLINE_ASSETS" not in os.environ:
        raise SystemExit("Set SIGHTLINE_ASSETS to the folder of real pictures and weights.")
    classifier, image = classifier_and_picture()
    one, other = ours(classifier, image), captums(classifier, image)
    theirs = other.sum((0, 1)).detach().numpy()
    apart = np.abs(one.values - theirs).max() / np.abs(theirs).max()
    alike = float((one.values * theirs).sum() / (np.linalg.norm(one.values) * np.linalg.norm(theirs)))
    # in float32 another order of sums moves single pixels across a kink of ReLU6; in float64 the two are equal (tests)
    assert alike > 0.9999, alike
    assert apart < 0.01, apart
    print(
        f"Integrated Gradients, {STEPS} steps: cosine {alike:.6f}, largest difference {apart:.1e} of the largest value"
    )
    took = {"ours": [], "captum": []}
    for _ in range(ROUNDS):
        for name, call in (("ours", ours), ("captum", captums)):
            begun = time.perf_counter()
            call(classifier, image)
            took[name].append(time.perf_counter() - begun)
    best = {name: min(values) for name, values in took.items()}
    times = best["captum"] / best["ours"]
    print(f"  ours {best['ours']:.2f} s, Captum {best['captum']:.2f} s: {times:.2f} times as fast")
    extra = {name: memory(name) for name in took}
    print(
        f"  extra memory: ours {extra['ours']:.0f} MiB, Captum {extra['captum']:.0f} MiB: "
        f"{extra['ours'] / extra['captum']:.2f}"
    )
    from engine.saliency.cams import Live

    live = Live(classifier)
    live.look(image)
    forward, cam = [], []
    for _ in range(30):
        begun = time.perf_counter()
        classifier.predict(image)
        forward.append(time.perf_counter() - begun)
        begun = time.perf_counter()
        live.look(image)
        cam.append(time.perf_counter() - begun)
    a, b = np.median(forward), np.median(cam)
    print(f"Grad-CAM: forward {1e3 * a:.1f} ms, with its map {1e3 * b:.1f} ms: {b / a - 1:.2f} forward passes more")
    print(f"  live: {1 / b:.0f} pictures a second")


if __name__ == "__main__":
    if "--memory" in sys.argv:
        measure_memory(sys.argv[-1])
    else:
        main()
