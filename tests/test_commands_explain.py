"""`explain ...` without a window: the lines, the files, and one sentence for everything that is wrong."""

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest

from engine import commands
from engine.commands_base import Show as Told
from engine.commands_explain import explain as command
from engine.errors import SightlineError
from engine.job import drive
from engine.learning.datasets import example_shapes
from engine.learning.keeping import save_classifier
from engine.learning.knobs import TrainKnobs
from engine.learning.train import train
from engine.media.pictures import read_picture
from engine.saliency import networks
from engine.saliency.ask import Ask
from engine.saliency.blend import Show, blended
from engine.saliency.explain import explain
from engine.saliency.knobs import ExplainKnobs
from engine.saliency.methods import METHODS
from engine.saliency.networks import open_classifier
from engine.saliency.sanity import sanity
from engine.saliency.trust import Wanted, measure
from engine.saliency.types import Target
from engine.samples.shapes import shapes

LINE = [
    "image", "method", "target", "target_name", "probability", "layer", "steps", "completeness_error", "insertion",
    "deletion", "sanity", "ms",
]  # fmt: skip
BOTH = ("--method", "integrated_gradients,grad_cam")
FIVE = ExplainKnobs(steps=5, double=False)


def run(capsys, *words):
    """Exit status, the lines of standard output as JSON, the lines of standard error."""
    status = commands.main(["explain", *map(str, words)])
    out, err = capsys.readouterr()
    return status, [json.loads(line) for line in out.splitlines()], err.splitlines()


def refused(capsys, named, *words):
    """The command ends with status 2 and one sentence that names something."""
    status, lines, err = run(capsys, *words)
    assert status == 2, err
    assert "Traceback" not in "\n".join(err)
    assert str(named).lower() in err[-1].lower()
    assert err[-1].endswith(".")
    return lines, err


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """The folder of a small network that has seen some drawn shapes."""
    folder = tmp_path_factory.mktemp("kept") / "shapes"
    model = drive(train(example_shapes(train=60, test=5, size=32), TrainKnobs(size=32, epochs=3), device="cpu"))
    drive(save_classifier(model, folder))
    return folder


@pytest.fixture(scope="module")
def classifier(network):
    return open_classifier(str(network), device="cpu")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Two drawn shapes, each in the middle of a wide picture: the network sees its middle 48 pixels."""
    folder = tmp_path_factory.mktemp("pictures")
    drawn, _labels, _boxes = shapes(2, 48, seed=7)
    for name, one in zip("ab", drawn, strict=True):
        cv2.imwrite(str(folder / f"{name}.png"), cv2.copyMakeBorder(one, 0, 0, 10, 22, cv2.BORDER_CONSTANT))
    return folder


@pytest.fixture
def damaged(tmp_path):
    path = tmp_path / "damaged.png"
    path.write_bytes(b"no picture")
    return path


# the lines


def test_a_line_for_each_picture_and_method_in_the_order_that_was_given(capsys, network, pictures, classifier):
    b, a = pictures / "b.png", pictures / "a.png"
    status, lines, err = run(capsys, b, a, "--network", network, *BOTH, "--steps", 5)
    assert status == 0, err
    assert [list(line) for line in lines] == [LINE] * 4
    assert [(line["image"], line["method"]) for line in lines] == [
        (str(path), key) for path in (b, a) for key in ("integrated_gradients", "grad_cam")
    ]
    for line in lines:
        said = classifier.predict(read_picture(pictures / line["image"]))
        top = said.top(1)[0]
        assert (line["target"], line["target_name"]) == (top, classifier.names[top])
        assert line["probability"] == pytest.approx(float(said.probabilities[top]), rel=1e-5)
        assert line["ms"] > 0
        assert (line["insertion"], line["deletion"], line["sanity"]) == (None, None, None)


def test_what_does_not_apply_is_null(capsys, network, pictures, classifier):
    path = pictures / "a.png"
    _status, lines, _err = run(capsys, path, "--network", network, *BOTH, "--steps", 5)
    integrated, cam = lines
    # exactly so many steps, however incomplete the map is
    wanted = drive(explain(read_picture(path), classifier, "integrated_gradients", "top1", FIVE))
    assert (integrated["layer"], integrated["steps"]) == (None, 5)
    assert integrated["completeness_error"] == pytest.approx(wanted.completeness_error, rel=1e-3)
    assert (cam["layer"], cam["steps"], cam["completeness_error"]) == (classifier.layer().name, None, None)


def test_grad_cam_of_the_likeliest_class_unless_something_else_is_asked(capsys, network, pictures, classifier):
    _status, lines, _err = run(capsys, pictures / "a.png", "--network", network)
    top = classifier.predict(read_picture(pictures / "a.png")).top(1)[0]
    assert [(line["method"], line["target"]) for line in lines] == [("grad_cam", top)]


def test_without_steps_they_double_until_the_map_is_complete(capsys, network, pictures):
    _status, lines, _err = run(capsys, pictures / "a.png", "--network", network, "--method", "integrated_gradients")
    assert lines[0]["completeness_error"] <= 0.01
    assert lines[0]["steps"] in (50, 100, 200, 400, 800)


@pytest.mark.parametrize("said", ["1", "top2", "name"])
def test_the_class_is_an_index_a_name_or_a_rank(capsys, network, pictures, classifier, said):
    order = classifier.predict(read_picture(pictures / "a.png")).top(2)
    words = {"1": ("1", 1), "top2": ("top2", order[1]), "name": (classifier.names[2].upper(), 2)}
    word, index = words[said]
    _status, lines, _err = run(capsys, pictures / "a.png", "--network", network, "--target", word)
    assert (lines[0]["target"], lines[0]["target_name"]) == (index, classifier.names[index])


def test_the_layer_and_the_names_are_those_that_were_given(capsys, tmp_path, network, pictures, classifier):
    layer = next(one.name for one in classifier.layers if one.spatial)
    names = tmp_path / "names.txt"
    names.write_text("\n".join(f"kind {index}" for index in range(len(classifier.names))))
    words = ("--network", network, "--layer", layer, "--names", names, "--target", "kind 1")
    status, lines, err = run(capsys, pictures / "a.png", *words)
    assert status == 0, err
    assert (lines[0]["layer"], lines[0]["target_name"]) == (layer, "kind 1")


def test_the_baseline_is_the_one_that_was_given(capsys, tmp_path, network, pictures, classifier):
    words = ("--network", network, "--method", "integrated_gradients", "--steps", 5, "--target", 0, "--save", tmp_path)
    run(capsys, pictures / "a.png", *words, "--baseline", "white")
    wanted = ExplainKnobs(steps=5, double=False, baseline="white")
    found = drive(explain(read_picture(pictures / "a.png"), classifier, "integrated_gradients", 0, wanted))
    assert np.allclose(np.load(tmp_path / "a.integrated_gradients.0.npy"), found.full(), atol=1e-6)


def test_trust_is_what_the_page_measures(capsys, network, pictures, classifier):
    path = pictures / "a.png"
    status, lines, err = run(capsys, path, "--network", network, *BOTH, "--steps", 5, "--trust")
    assert status == 0, err
    assert [list(line) for line in lines] == [LINE] * 2
    image = read_picture(path)
    said = classifier.predict(image)
    for line in lines:
        found = drive(explain(image, classifier, line["method"], "top1", FIVE, prediction=said))
        _chance, (trust,) = drive(measure(classifier, image, said, [found], FIVE, Wanted(noise=False, sanity=False)))
        assert (line["insertion"], line["deletion"]) == pytest.approx(trust.curves.areas, rel=1e-4)
        assert line["sanity"] is drive(sanity(Ask(classifier, image, found.target, FIVE, said), found)).passes


def test_the_network_is_opened_once(capsys, monkeypatch, network, pictures):
    opened = []

    def opening(*words):
        opened.append(words)
        return open_classifier(*words)

    monkeypatch.setattr(networks, "open_classifier", opening)
    _status, lines, _err = run(capsys, pictures / "a.png", pictures / "b.png", "--network", network)
    assert len(lines) == 2
    assert len(opened) == 1


# the files


def test_a_map_is_written_over_the_picture_and_as_numbers(capsys, tmp_path, network, pictures, classifier):
    out = tmp_path / "new" / "maps"
    words = ("--network", network, *BOTH, "--steps", 5, "--target", 1, "--save", out)
    status, _lines, err = run(capsys, pictures / "a.png", *words)
    assert status == 0, err
    stems = ("a.grad_cam.1", "a.integrated_gradients.1")
    assert sorted(path.name for path in out.iterdir()) == [f"{stem}.{end}" for stem in stems for end in ("npy", "png")]
    image = read_picture(pictures / "a.png")
    for stem in stems:
        found = drive(explain(image, classifier, stem.split(".")[1], 1, FIVE))
        numbers = np.load(out / f"{stem}.npy", allow_pickle=False)
        assert (numbers.shape, numbers.dtype) == (image.shape[:2], np.float32)
        assert np.allclose(numbers, found.full(), atol=1e-6)
        # what the network does not see has no evidence
        assert not numbers[:, :16].any()
        assert not numbers[:, 64:].any()
        assert numbers[:, 16:64].any()
        assert cv2.absdiff(cv2.imread(str(out / f"{stem}.png")), blended(image, found, Show())).max() <= 1


def test_why_this_class_and_not_that_one(capsys, tmp_path, network, pictures, classifier):
    words = ("--network", network, "--target", 1, "--against", classifier.names[2], "--save", tmp_path)
    _status, lines, _err = run(capsys, pictures / "a.png", *words)
    assert lines[0]["target"] == 1
    found = drive(explain(read_picture(pictures / "a.png"), classifier, "grad_cam", Target(1, 2)))
    assert np.allclose(np.load(tmp_path / "a.grad_cam.1.npy"), found.full(), atol=1e-6)


def test_pictures_of_one_name_have_a_file_each(capsys, tmp_path, network, pictures):
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "a.png").write_bytes((pictures / "b.png").read_bytes())
    out = tmp_path / "out"
    words = (pictures / "a.png", tmp_path / "two" / "a.png", "--network", network, "--target", 0, "--save", out)
    assert run(capsys, *words)[0] == 0
    assert {path.name for path in out.glob("*.npy")} == {"a.grad_cam.0.npy", "two_a.grad_cam.0.npy"}


def test_what_was_there_stays_until_the_new_file_is_whole(capsys, tmp_path, monkeypatch, network, pictures):
    old = tmp_path / "a.grad_cam.0.npy"
    old.write_bytes(b"old")

    def full(_file, _data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    refused(capsys, "space", pictures / "a.png", "--network", network, "--target", 0, "--save", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [old.name]
    assert old.read_bytes() == b"old"


def test_stopped_anywhere_it_leaves_no_half_file(tmp_path, network, pictures):
    words = ["explain", pictures / "a.png", "--network", network, *BOTH, "--steps", 5, "--trust", "--save"]
    at = 0
    while True:
        out = tmp_path / str(at)
        job = command(commands._parser().parse_args([str(word) for word in [*words, out]]), Told())
        ended = all(next(job, job) is not job for _ in range(at + 1))
        job.close()
        assert not [path for path in out.glob("*") if path.suffix not in (".npy", ".png")]
        for path in out.glob("*.npy"):
            assert np.load(path).shape == (48, 80)
        if not ended:
            break
        at += 7
    assert len(list(out.iterdir())) == 4


# what is wrong


def test_a_picture_that_cannot_be_read_leaves_the_others(capsys, network, pictures, damaged):
    words = (pictures / "a.png", damaged, pictures / "b.png", "--network", network)
    lines, _err = refused(capsys, damaged.name, *words)
    assert [line["image"] for line in lines] == [str(pictures / "a.png"), str(pictures / "b.png")]


def test_one_that_was_only_found_in_a_folder_is_left_out_with_a_notice(capsys, network, pictures, damaged):
    (damaged.parent / "good.png").write_bytes((pictures / "a.png").read_bytes())
    status, lines, err = run(capsys, damaged.parent, "--network", network)
    assert status == 0
    assert [line["image"] for line in lines] == [str(damaged.parent / "good.png")]
    assert any(line.startswith("Left out: ") and damaged.name in line for line in err)
    (damaged.parent / "good.png").unlink()
    refused(capsys, damaged.name, damaged.parent, "--network", network)


def test_the_pictures_of_a_folder_come_in_natural_order(capsys, tmp_path, network, pictures):
    for name in ("p10.png", "p2.png", "P1.PNG"):
        (tmp_path / name).write_bytes((pictures / "a.png").read_bytes())
    (tmp_path / "notes.txt").write_text("no picture")
    _status, lines, _err = run(capsys, tmp_path, "--network", network)
    assert [line["image"] for line in lines] == [str(tmp_path / name) for name in ("P1.PNG", "p2.png", "p10.png")]


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("--method", "gradcam2"), "gradcam2"),
        (("--method", ","), "--method"),
        (("--target", "99"), "99"),
        (("--target", "zebra"), "zebra"),
        (("--target", "-1"), "-1"),
        (("--target", "top99"), "top99"),
        (("--target", "0", "--against", "0"), "itself"),
        (("--layer", "features.99"), "features.99"),
        (("--layer", "head"), "head"),
        (("--steps", "0"), "--steps"),
        (("--steps", "many"), "many"),
        (("--steps", "100000"), "2000"),
        (("--baseline", "green"), "green"),
        (("--names", "nothing.txt"), "nothing.txt"),
        (("--seed", "-1"), "-1"),
        (("--weights", "some.pth"), "--weights"),
    ],
)
def test_bad_words_are_one_sentence(capsys, network, pictures, words, named):
    lines, err = refused(capsys, named, pictures / "a.png", "--network", network, *words)
    assert lines == []
    assert len(err) == 1


def test_a_class_that_does_not_exist_is_said_once_for_all_pictures(capsys, network, pictures):
    lines, err = refused(capsys, "zebra", pictures, "--network", network, "--target", "zebra")
    assert lines == []
    assert sum("zebra" in line for line in err) == 1


def test_bad_networks_are_one_sentence(capsys, tmp_path, network, pictures):
    path = pictures / "a.png"
    (tmp_path / "empty").mkdir()
    refused(capsys, "no classifier", path, "--network", tmp_path / "empty")
    refused(capsys, "no_such_network", path, "--network", "no_such_network")
    refused(capsys, "nothing.pth", path, "--weights", tmp_path / "nothing.pth")
    (tmp_path / "text.pth").write_text("no weights")
    refused(capsys, "text.pth", path, "--weights", tmp_path / "text.pth")
    (tmp_path / "names.txt").write_text("one\ntwo\n")
    refused(capsys, "2 names", path, "--network", network, "--names", tmp_path / "names.txt")


def test_bad_places_are_one_sentence(capsys, tmp_path, network, pictures):
    (tmp_path / "file").write_text("in the way")
    refused(capsys, "file", pictures / "a.png", "--network", network, "--save", tmp_path / "file" / "maps")
    (tmp_path / "nothing").mkdir()
    refused(capsys, "no picture", tmp_path / "nothing", "--network", network)
    refused(capsys, "no file", tmp_path / "nothing.png", "--network", network)


def test_a_map_that_cannot_be_made_leaves_the_others(capsys, monkeypatch, network, pictures):
    def broken(_ask):
        yield from ()
        raise SightlineError("Saliency cannot explain this network: choose another method.")

    monkeypatch.setitem(METHODS, "saliency", replace(METHODS["saliency"], run=broken))
    lines, err = refused(capsys, "Saliency", pictures, "--network", network, "--method", "saliency,grad_cam")
    assert [line["method"] for line in lines] == ["grad_cam"] * 2
    assert sum("Saliency cannot" in line for line in err) == 1


# a real network


def test_mobilenet_explains_a_cat_and_a_dog(capsys, tmp_path, assets):
    image = assets / "images" / "both.png"
    words = ("--weights", assets / "models" / "mobilenet_v2_imagenet.pth", "--save", tmp_path)
    for name, index, box in (("tabby", 281, (45, 118, 155, 106)), ("bull mastiff", 243, (75, 10, 90, 140))):
        status, lines, err = run(capsys, image, *words, "--target", name)
        assert status == 0, err
        (line,) = lines
        assert list(line) == LINE
        assert (line["target"], line["target_name"], line["layer"]) == (index, name, "features.18")
        numbers = np.load(tmp_path / f"both.grad_cam.{index}.npy")
        assert numbers.shape == read_picture(image).shape[:2]
        y, x = np.unravel_index(numbers.argmax(), numbers.shape)
        left, top, width, height = box
        assert left <= x < left + width
        assert top <= y < top + height
