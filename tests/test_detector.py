"""The detector: made-up networks with known answers, drawn YOLOs against Ultralytics itself, real weights."""

import json
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest

from engine import runtime
from engine.errors import SightlineError
from engine.job import Notice, Progress, drive
from engine.tracking import openvino_runtime
from engine.tracking.detector import Detector, choose_device, load_detector
from engine.tracking.knobs import TrackKnobs

NAMES = ("red", "green", "blue")


def known_network(folder: Path, boxes: np.ndarray, fixed: tuple[int, int] = (-1, -1), about: str | None = None) -> Path:
    """An OpenVINO folder of a network that always gives these boxes, and as scores how red, green and blue it is.

    boxes: (n, 4), centre and size in pixels of the input.
    """
    import openvino
    from openvino import opset13 as op

    image = op.parameter([1, 3, *fixed], openvino.Type.f32, name="images")
    shares = op.reduce_mean(image, op.constant(np.array([2, 3])), keep_dims=False)
    column = op.reshape(shares, op.constant(np.array([1, 3, 1])), special_zero=False)
    scores = op.broadcast(column, op.constant(np.array([1, 3, len(boxes)])))
    places = op.constant(boxes.T[None].astype(np.float32))
    model = openvino.Model([op.concat([places, scores], 1)], [image], "known")
    folder.mkdir()
    openvino.save_model(model, folder / "known.xml", compress_to_fp16=False)
    if about is None:
        about = "task: detect\nstride: 32\nnames: {0: red, 1: green, 2: blue}\n"
    (folder / "metadata.yaml").write_text(about)
    return folder


def load(path: Path | str, device: str = "cpu") -> Detector:
    return drive(load_detector(path, device))


def painted(height: int, width: int, bgr: tuple[int, int, int]) -> np.ndarray:
    return np.full((height, width, 3), bgr, np.uint8)


ONE = np.array([[160, 100, 60, 40]], np.float32)


def test_boxes_are_in_pixels_of_the_full_picture(tmp_path):
    with load(known_network(tmp_path / "net", ONE)) as detector:
        # 640x400 into 320x224: half as large, 12 pixels of padding above
        found = detector.detect(painted(400, 640, (30, 20, 255)), TrackKnobs(size=320))
    np.testing.assert_allclose(found.boxes, [[260, 136, 380, 216]])
    assert found.classes.tolist() == [0]
    assert (detector.names, detector.task) == (dict(enumerate(NAMES)), "detect")
    assert detector.runtime == "OpenVINO, CPU"


@pytest.mark.parametrize("name", NAMES)
def test_colours_reach_the_network_as_red_green_blue_from_0_to_1(tmp_path, name):
    bgr = tuple(204 if colour == name else 102 for colour in reversed(NAMES))
    with load(known_network(tmp_path / "net", ONE)) as detector:
        found = detector.detect(painted(320, 320, bgr), TrackKnobs(size=320))
    assert detector.names[int(found.classes[0])] == name
    np.testing.assert_allclose(found.confidences, [0.8], atol=1e-3)


def test_nothing_found_is_no_detection(tmp_path):
    with load(known_network(tmp_path / "net", ONE)) as detector:
        assert len(detector.detect(painted(64, 64, (0, 0, 0)), TrackKnobs(confidence=0.9, size=320))) == 0


def test_of_500_things_the_300_surest_are_kept(tmp_path):
    places = np.array([(x, y, 8, 8) for y in range(10, 210, 10) for x in range(10, 260, 10)], np.float32)
    assert len(places) == 500
    with load(known_network(tmp_path / "net", places)) as detector:
        found = detector.detect(painted(320, 320, (0, 0, 255)), TrackKnobs(size=320))
    assert len(found) == 300
    assert len(np.unique(found.boxes, axis=0)) == 300


@pytest.mark.parametrize("shape", [(1, 1), (1, 2000), (37, 53)])
def test_any_picture_is_taken(tmp_path, shape):
    with load(known_network(tmp_path / "net", ONE)) as detector:
        found = detector.detect(painted(*shape, (0, 0, 255)), TrackKnobs(size=320))
    assert (found.boxes >= 0).all()
    assert (found.boxes[:, 2:] <= shape[::-1]).all()


def test_classes_are_chosen_by_name(tmp_path):
    red = painted(320, 320, (0, 0, 255))
    with load(known_network(tmp_path / "net", ONE)) as detector:
        assert len(detector.detect(red, TrackKnobs(size=320, classes=("green", "Red ")))) == 1
        assert len(detector.detect(red, TrackKnobs(size=320, classes=("blue",)))) == 0
        with pytest.raises(SightlineError, match="knows no class “unicorn”: it knows red, green, blue"):
            detector.detect(red, TrackKnobs(size=320, classes=("unicorn",)))
        assert len(detector.detect(red, TrackKnobs(size=320))) == 1


def test_pictures_come_back_in_the_order_they_went_in(tmp_path):
    colours = [(0, 0, 255), (0, 255, 0), (255, 0, 0)] * 4
    seen = []
    with load(known_network(tmp_path / "net", ONE)) as detector:
        assert detector.depth >= 2
        waiting = 0
        for i, colour in enumerate(colours):
            # another size now and then: knobs move while it runs
            detector.submit(painted(200 + 40 * (i % 2), 320, colour), TrackKnobs(size=320 if i % 3 else 416))
            waiting += 1
            if waiting == detector.depth:
                seen.append(int(detector.collect().classes[0]))
                waiting -= 1
        seen += [int(detector.collect().classes[0]) for _ in range(waiting)]
    assert seen == [0, 1, 2] * 4


def test_closing_while_pictures_are_under_way_is_harmless(tmp_path):
    detector = load(known_network(tmp_path / "net", ONE))
    detector.submit(painted(320, 320, (0, 0, 255)), TrackKnobs(size=320))
    detector.close()
    detector.close()


def test_a_network_of_fixed_size_is_taken_as_it_is(tmp_path):
    with load(known_network(tmp_path / "net", ONE, fixed=(256, 320))) as detector:
        found = detector.detect(painted(512, 640, (0, 0, 255)), TrackKnobs(size=640))
    np.testing.assert_allclose(found.boxes, [[260, 160, 380, 240]])


def test_a_bare_xml_file_numbers_its_classes(tmp_path):
    folder = known_network(tmp_path / "net", ONE, about="")
    with load(folder / "known.xml") as detector:
        assert detector.names == {0: "class 0", 1: "class 1", 2: "class 2"}


@pytest.mark.parametrize(
    ("about", "words"),
    [
        ("task: classify\nnames: {0: a}\n", "names whole pictures"),
        ("task: detect\nnames: {0: a, 1: b}\n", "not a YOLO network for 2 classes"),
        ("task: [", "cannot be read"),
    ],
)
def test_an_export_that_finds_no_boxes_is_refused(tmp_path, about, words):
    with pytest.raises(SightlineError, match=words):
        load(known_network(tmp_path / "net", ONE, about=about))


def test_a_broken_export_is_refused(tmp_path):
    folder = known_network(tmp_path / "net", ONE)
    (folder / "known.xml").write_text("<net/>")
    with pytest.raises(SightlineError, match="export it again"):
        load(folder)
    (folder / "known.bin").unlink()
    with pytest.raises(SightlineError, match=r"known\.bin is missing"):
        load(folder)


def field(number: int, content: bytes | str | int) -> bytes:
    """One field of a protocol buffer message."""

    def varint(value: int) -> bytes:
        out = b""
        while value > 127:
            out, value = out + bytes([value & 127 | 128]), value >> 7
        return out + bytes([value])

    if isinstance(content, int):
        return varint(number << 3) + varint(content)
    content = content.encode() if isinstance(content, str) else content
    return varint(number << 3 | 2) + varint(len(content)) + content


def onnx_file(path: Path, output: np.ndarray) -> Path:
    """An ONNX file of a network that gives `output` whatever it sees."""

    def shaped(name: str, dims: tuple[int, ...]) -> bytes:
        shape = b"".join(field(1, field(1, d) if d > 0 else field(2, "any")) for d in dims)
        return field(1, name) + field(2, field(1, field(1, 1) + field(2, shape)))

    tensor = b"".join(field(1, d) for d in output.shape) + field(2, 1) + field(8, "known") + field(9, output.tobytes())
    mean = field(1, "images") + field(2, "mean") + field(4, "ReduceMean")
    nothing = field(1, "mean") + field(1, "mean") + field(2, "nothing") + field(4, "Sub")
    four = field(1, "nothing") + field(2, "flat") + field(4, "Flatten")
    add = field(1, "known") + field(1, "flat") + field(2, "output0") + field(4, "Add")
    nodes = b"".join(field(1, node) for node in (mean, nothing, four, add))
    ends = field(11, shaped("images", (1, 3, 0, 0))) + field(12, shaped("output0", output.shape))
    graph = nodes + field(2, "known") + field(5, tensor) + ends
    about = {"task": "detect", "stride": "32", "names": "{0: 'cat', 1: 'dog'}"}
    notes = b"".join(field(14, field(1, key) + field(2, value)) for key, value in about.items())
    path.write_bytes(field(1, 8) + field(7, graph) + field(8, field(2, 17)) + notes)
    return path


def test_an_onnx_file_is_taken_with_its_names(tmp_path):
    output = np.array([[[160], [112], [60], [40], [0.1], [0.7]]], np.float32)
    with load(onnx_file(tmp_path / "net.onnx", output)) as detector:
        found = detector.detect(painted(224, 320, (0, 0, 0)), TrackKnobs(size=320))
    assert detector.names == {0: "cat", 1: "dog"}
    np.testing.assert_allclose(found.boxes, [[130, 92, 190, 132]])
    assert found.classes.tolist() == [1]
    np.testing.assert_allclose(found.confidences, [0.7])


def test_a_broken_onnx_file_is_refused(tmp_path):
    path = tmp_path / "net.onnx"
    path.write_bytes(b"\xff" * 50)
    with pytest.raises(SightlineError, match=r"net\.onnx"):
        load(path)


def test_what_is_kept_is_read_again_and_what_is_damaged_is_not(tmp_path):
    import openvino

    model = openvino.Core().read_model(known_network(tmp_path / "net", ONE) / "known.xml")
    info = openvino_runtime.NetworkInfo("pose", {0: "person"}, keypoints=(17, 3))
    network = openvino_runtime.Converted(info, model)
    kept = tmp_path / "kept" / "one"
    assert openvino_runtime.read_kept(kept) is None
    writers = [threading.Thread(target=openvino_runtime.keep, args=(kept, network)) for _ in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert openvino_runtime.read_kept(kept).info == info
    assert [path.name for path in kept.parent.iterdir()] == ["one"]
    for name, damage in (
        ("network.bin", b""),
        ("network.xml", b"<net"),
        ("network.json", b"{"),
        ("network.json", b"[]"),
    ):
        openvino_runtime.keep(kept, network)
        (kept / name).write_bytes(damage)
        assert openvino_runtime.read_kept(kept) is None
        assert not kept.exists()


def test_devices(tmp_path):
    import torch

    with pytest.raises(SightlineError, match="no device “tpu”"):
        choose_device("tpu")
    if not torch.cuda.is_available():
        with pytest.raises(SightlineError, match="no NVIDIA graphics card"):
            choose_device("cuda")
        with pytest.raises(SightlineError, match="runs on the CPU alone"):
            load(known_network(tmp_path / "net", ONE), "cuda")


PICTURE = cv2.resize(
    np.random.default_rng(1).integers(0, 256, (12, 16, 3), dtype=np.uint8), (320, 200), interpolation=cv2.INTER_CUBIC
)
KNOBS = TrackKnobs(confidence=0.3, iou=0.6, size=320)


def drawn_yolo(folder: Path, kind: str) -> Path:
    """An untrained YOLO whose scores are spread so that it finds some dozens of things in `PICTURE`."""
    import torch
    from ultralytics import YOLO

    torch.manual_seed(3)
    yolo = YOLO(f"{kind}.yaml")
    net, head = yolo.model, yolo.model.model[-1]
    square = cv2.copyMakeBorder(PICTURE, 12, 12, 0, 0, cv2.BORDER_CONSTANT, value=(114, 114, 114))
    seen = torch.from_numpy(square[..., ::-1].copy()).permute(2, 0, 1)[None].float() / 255
    scores = []
    with torch.no_grad():
        for layer in net.modules():
            if isinstance(layer, torch.nn.BatchNorm2d):
                layer.momentum = None
        net.train()
        net(seen)
        net.eval()
        for branch in filter(None, (getattr(head, name, None) for name in ("cv3", "one2one_cv3"))):
            for scaled in (False, True):
                scores.clear()
                hooks = [
                    last.register_forward_hook(lambda _m, _i, out: scores.append(out.flatten())) for last in branch
                ]
                net(seen)
                for hook in hooks:
                    hook.remove()
                all_scores = torch.cat(scores)
                for last in branch:
                    if scaled:
                        last[-1].bias.fill_(-float(all_scores.sort().values[-60]) - 0.8)
                    else:
                        last[-1].weight.mul_(1 / all_scores.std())
                        last[-1].bias.zero_()
    path = folder / f"{kind}.pt"
    yolo.save(path)
    return path


def assert_same(found, want) -> None:
    """Our detections against Ultralytics' result for the same picture."""
    assert len(found) == len(want) > 0
    np.testing.assert_allclose(found.boxes, want.boxes.xyxy.numpy(), atol=1)
    np.testing.assert_allclose(found.confidences, want.boxes.conf.numpy(), atol=0.01)
    np.testing.assert_array_equal(found.classes, want.boxes.cls.numpy())
    if want.keypoints is not None:
        np.testing.assert_allclose(found.keypoints, want.keypoints.data.numpy(), atol=1)
    if want.masks is not None:
        assert np.median([overlap(*pair) for pair in zip(found.masks, want.masks.data.numpy(), strict=True)]) > 0.95


def overlap(outline: np.ndarray, mask: np.ndarray) -> float:
    """Intersection over union of an outline of `PICTURE` and the largest part of a mask of the network's input."""
    have, want = np.zeros(PICTURE.shape[:2], np.uint8), np.zeros(mask.shape, np.uint8)
    cv2.fillPoly(have, [np.round(outline).astype(int)], 1)
    parts, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    cv2.fillPoly(want, [max(parts, key=cv2.contourArea)], 1)
    want = want[12:-12]
    return (have & want).sum() / max((have | want).sum(), 1)


def wanted(path: Path):
    """What Ultralytics finds in `PICTURE`."""
    from ultralytics import YOLO

    return YOLO(path).predict(PICTURE, conf=KNOBS.confidence, iou=KNOBS.iou, imgsz=KNOBS.size, verbose=False)[0]


@pytest.fixture
def float32(monkeypatch):
    """A CPU that has bfloat16 counts in float32 all the same: drawn networks have many boxes near the confidence."""
    import openvino

    plain = openvino.Core.compile_model
    exactly = {"INFERENCE_PRECISION_HINT": "f32"}
    monkeypatch.setattr(
        openvino.Core, "compile_model", lambda core, model, on, how: plain(core, model, on, how | exactly)
    )


@pytest.mark.parametrize(
    "kind",
    [
        "yolo11n",
        *(
            pytest.param(kind, marks=pytest.mark.slow)
            for kind in ("yolov8n-seg", "yolo11n-seg", "yolo11n-pose", "yolo26n", "yolo26n-seg", "yolo26n-pose")
        ),
    ],
)
@pytest.mark.usefixtures("float32")
def test_finds_through_openvino_what_ultralytics_finds(tmp_path, kind):
    path = drawn_yolo(tmp_path, kind)
    want = wanted(path)
    for converted in (True, False):
        seen: list[object] = []
        with drive(load_detector(path, "cpu"), seen.append) as detector:
            assert ("Converting" in str(seen)) is converted
            assert detector.runtime == "OpenVINO, CPU"
            assert detector.names == want.names
            assert_same(detector.detect(PICTURE, KNOBS), want)
            # a thin picture has few places for boxes, of which YOLO26 wants 300
            detector.detect(PICTURE[:4], KNOBS)


@pytest.mark.parametrize("kind", ["yolo11n-seg", "yolo26n-pose"])
def test_torch_takes_over_where_openvino_fails(tmp_path, monkeypatch, kind):
    def fail(_network):
        raise RuntimeError("no such CPU\nand more")

    monkeypatch.setattr(openvino_runtime, "convert", fail)
    path = drawn_yolo(tmp_path, kind)
    seen = []
    with drive(load_detector(path, "cpu"), seen.append) as detector:
        assert detector.runtime == "torch, CPU"
        assert detector.task == kind.partition("-")[2].replace("seg", "segment")
        assert_same(detector.detect(PICTURE, KNOBS), wanted(path))
    notices = [event.text for event in seen if isinstance(event, Notice)]
    assert notices == [f"OpenVINO cannot run {path.name} (no such CPU); torch runs it, more slowly."]


def test_loading_can_be_stopped(tmp_path):
    job = load_detector(known_network(tmp_path / "net", ONE), "cpu")
    assert isinstance(next(job), Progress)
    job.close()


def exact() -> bool:
    """Whether this CPU counts in float32 (one with AMX takes bfloat16, which is less exact)."""
    return not {"amx_bf16", "avx512_bf16"} & set(runtime.cpu_features())


def test_real_pictures_give_the_boxes_of_ultralytics(assets):
    from ultralytics import YOLO

    path = assets / "models" / "yolov8n.pt"
    reference = YOLO(path)
    files = ["images/cat_720p.jpg", "images/dogs.png", "images/parrot.jpg", "mot/TUD-Campus/img1/000004.jpg"]
    with load(path) as detector:
        assert json.dumps(detector.names) == json.dumps(reference.names)
        for file in files:
            image = cv2.imread(str(assets / file))
            for knobs in (TrackKnobs(), TrackKnobs(confidence=0.1, iou=0.5, size=320)):
                found = detector.detect(image, knobs)
                want = reference.predict(image, conf=knobs.confidence, iou=knobs.iou, imgsz=knobs.size, verbose=False)
                if exact():
                    assert_same(found, want[0])
                else:
                    assert abs(len(found) - len(want[0])) <= 1
