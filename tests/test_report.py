"""The report: one file that holds everything, whose words are the run's, and in which a name stays a name."""

import base64
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest

from engine.errors import SightlineError
from engine.inspection.dataset import read_category
from engine.inspection.evaluate import evaluate
from engine.inspection.fit import fit
from engine.inspection.gallery import Case, Neighbour
from engine.inspection.knobs import FitKnobs
from engine.inspection.metrics import precision_recall_curve, roc_curve
from engine.inspection.report import write_report
from engine.inspection.report_parts import kept_patches, number, title_of, words
from engine.inspection.results import Example, Kept, PictureScore, Result, average
from engine.inspection.showing import LARGEST, small_enough, square
from engine.inspection.types import Category, Item, NearPatch, Verdict
from engine.job import Progress, drive
from engine.samples.textures import write_mvtec

NASTY = "<script>alert(1)&\"'.png"
VOID = {"meta", "img", "br"}


class Reader(HTMLParser):
    """Checks that tags are balanced and collects what is there."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.images, self.links, self.text = [], set(), [], [], ""
        self.ids, self.alts = set(), []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.tags.add(tag)
        self.ids |= {given["id"]} if "id" in given else set()
        assert not any(name.startswith("on") for name in given), given
        if tag == "img":
            self.images.append(given["src"])
            self.alts.append(given["alt"])
        if tag == "a":
            self.links.append(given["href"])
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, _attributes):
        self.tags.add(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1:] != ["style"]:
            self.text += data


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A real PatchCore on a drawn category, with its results."""
    folder = write_mvtec(tmp_path_factory.mktemp("sets"), "grid", train=6, good=3, each=1, size=(128, 128))
    settings = [FitKnobs(size=128, coreset=0.05)]
    return drive(evaluate([read_category(folder)], settings, device="cpu", seed=7, examples=3))


def read(path: Path) -> Reader:
    return Reader(path.read_text(encoding="utf-8"))


def decoded(source: str) -> np.ndarray:
    """The picture of an `<img>`."""
    data = np.frombuffer(base64.b64decode(source.partition(",")[2], validate=True), np.uint8)
    return cv2.imdecode(data, cv2.IMREAD_COLOR)


def made(folder: Path, *, good=4, bad=4, name="cloth", method="bright", overlap=True) -> Result:
    """A result without a model: two of the pictures are called wrongly."""
    folder.mkdir(exist_ok=True)
    seen = []
    for place in range(good + bad):
        path = folder / f"{place:02}.png"
        cv2.imwrite(str(path), np.full((24, 32, 3), 20 * place, np.uint8))
        score = (place + 1) / (good + bad + 1)
        seen.append(PictureScore(Item(path, "good" if place < good else "spot"), score, 10 * score))
    if overlap:
        seen[0], seen[-1] = replace(seen[0], score=0.99), replace(seen[-1], score=0.01)
    scores, truth = [one.score for one in seen], [one.item.abnormal for one in seen]
    return Result(
        name, method, FitKnobs(method), len(seen), 0.75, 0.8, None, None, 0.75, 0.5, 1.5, 12.25,
        roc_curve(scores, truth), precision_recall_curve(scores, truth), tuple(seen),
        (seen[-1], seen[0]) if overlap else (),
    )  # fmt: skip


def test_the_report_of_a_real_run(run, tmp_path):
    path = tmp_path / "report.html"
    events = []
    job = write_report(run, path, title="Is it any good?", asked="Grids, <quickly>.")
    assert drive(job, events.append) == path
    assert [event.done for event in events if isinstance(event, Progress)][-1] > 0
    assert list(tmp_path.iterdir()) == [path]
    page = read(path)

    # it needs nothing else
    assert "script" not in page.tags
    assert "link" not in page.tags
    assert all(source.startswith("data:image/jpeg;base64,") for source in page.images)
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"https?://|url\(|@import", text)
    assert "default-src 'none'" in text
    for source in page.images:
        assert decoded(source) is not None
    assert all(page.alts)
    assert {link.removeprefix("#") for link in page.links} <= page.ids

    # it says what was asked, measured and used
    grid = run[0]
    for said in (
        "Is it any good?", "Grids, <quickly>.", "6 good pictures to learn from", "PatchCore",
        number(grid.image_auroc, 100), number(grid.pixel_auroc, 100), number(grid.aupro, 100), number(grid.fit_s),
        "memory bank", "coreset", "EfficientAD did not take part in this run.", "Seed", "7", "torch", "Sightline",
        grid.card.backbone, grid.card.source, *(example.item.path.name for example in grid.examples),
    ):  # fmt: skip
        assert said in page.text, said
    bank = grid.bank
    assert f"of {bank.patches:,} patches the coreset keeps {bank.kept:,}" in page.text
    assert len(page.images) >= len(bank.any) + len(bank.first) + len(bank.pictures) + 3 * len(grid.examples)
    assert "$" not in page.text


def test_the_most_similar_test_pictures_are_in_it(run, tmp_path):
    grid = run[0]
    assert grid.similar
    drive(write_report(run, tmp_path / "r.html"))
    page = read(tmp_path / "r.html")
    assert "similar" in page.ids
    assert "#similar" in page.links
    text = page.text[page.text.index("Can a defect be found again") : page.text.index("Settings, versions, machine")]
    place = 0
    for item, near in grid.similar:
        assert len(near) == 5
        same = sum(one.case.kind == item.kind for one in near)
        said = [f"{same} of 5 are of the same kind ({item.kind}); the test has no other.", f"asked for · {item.kind}"]
        said += [f"{one.case.kind} · similarity {one.similarity:.2f}{Path(one.case.path).name}" for one in near]
        for words_said in said:
            place = text.index(words_said, place)
    shown = [
        source for source, alt in zip(page.images, page.alts, strict=True) if "asked for" in alt or "similar" in alt
    ]
    assert len(shown) == 6 * len(grid.similar)
    # the first is the picture that was asked for, framed, with its defect outlined as the mask says
    item = grid.similar[0][0]
    first = decoded(shown[0])
    truth = cv2.resize(cv2.imread(str(item.mask), 0), first.shape[1::-1]) > 127
    green = (first[:, :, 1].astype(int) - first[:, :, 2] > 60) & (first[:, :, 1] > first[:, :, 0])
    assert green.any()
    assert not (green & ~cv2.dilate(truth.astype(np.uint8), np.ones((9, 9))).astype(bool)).any()
    assert np.abs(first[60, 1].astype(int) - (254, 158, 76)).max() < 40
    original = cv2.resize(cv2.imread(str(item.path)), first.shape[1::-1])
    inside = np.s_[8:-8, 8:-8]
    assert np.abs(first[inside].astype(int) - original[inside]).mean() < 12

    drive(write_report(run, tmp_path / "r.html", similar=()))
    assert "similar" not in read(tmp_path / "r.html").ids
    lost = replace(grid, similar=((Item(tmp_path / "gone.png", "bent"), grid.similar[0][1]),))
    drive(write_report([lost], tmp_path / "r.html"))
    text = read(tmp_path / "r.html").text
    assert "not here any more" in text[text.index("Can a defect be found again") :]


def test_drawn_defects_are_found_again(tmp_path):
    """Of every defect the neighbours are those that scikit-learn finds, and most are of its kind."""
    from sklearn.neighbors import NearestNeighbors

    category = read_category(write_mvtec(tmp_path, "tile", train=8, good=5, each=6))
    vectors = []

    def remembering(*given, **more):
        model = yield from fit(*given, **more)
        for item in category.test:
            image = model.read(item.path)
            vectors.append(model.vectors(image, model.examine(image))[1])
        return model

    result = drive(evaluate([category], [FitKnobs(size=256)], device="cpu", examples=40, fit=remembering))[0]
    assert {item for item, _ in result.similar} == {item for item in category.test if item.abnormal}
    search = NearestNeighbors(n_neighbors=6, metric="cosine").fit(vectors)
    same = []
    for item, near in result.similar:
        distances, places = search.kneighbors([vectors[category.test.index(item)]])
        assert category.test[places[0][0]] == item, "itself, which is left out"
        assert [one.case.path for one in near] == [str(category.test[place].path) for place in places[0][1:]]
        assert [one.similarity for one in near] == pytest.approx(list(1 - distances[0][1:]), abs=1e-5)
        same += [one.case.kind == item.kind for one in near]
    # 0.83 as measured; by chance it is 5 of 34
    assert np.mean(same) > 0.7


def test_the_bank_is_the_models(run):
    grid = run[0]
    bank, card = grid.bank, grid.card
    assert bank.kept == card.patches
    assert bank.patches == 6 * 16 * 16
    assert bank.kept == int(bank.patches * 0.05)
    assert len(bank.after) == bank.kept
    assert len(bank.before) <= bank.patches
    assert 0 < bank.share <= 1
    assert bank.first.shape[0] == bank.any.shape[0] == 24
    assert bank.first.dtype == bank.any.dtype == np.uint8
    # the kept ones lie among the others, and farther apart than as many of those
    assert (bank.after.min(0) >= bank.before.min(0) - 1).all()
    assert np.linalg.norm(bank.after.std(0)) > np.linalg.norm(bank.before[: bank.kept].std(0)) * 0.9
    kept = sum(len(one.boxes) for one in bank.pictures)
    assert 0 < kept <= bank.kept
    for one in bank.pictures:
        assert one.image.shape == (128, 128, 3)
        assert (one.boxes >= 0).all()
        assert (one.boxes[:, :2] + one.boxes[:, 2:] <= 128).all()
        assert (one.boxes[:, 2:] == 8).all()


def test_names_stay_names(tmp_path):
    result = made(tmp_path / "cloth")
    bad = PictureScore(Item(tmp_path / NASTY, "<b>kind</b>"), 0.1, 1.0)
    nasty = replace(
        result,
        category="<img src=x onerror=alert(1)>",
        method="<i>m</i>, layers $title ${x}",
        wrong=(bad, *result.wrong),
    )
    page_path = tmp_path / "r.html"
    case = Case(str(tmp_path / NASTY), "m", "c", "</td><script>", 0.5, 0.5, 1, 1, "2025-01-01T00:00:00+00:00")
    similar = [(Item(tmp_path / NASTY, "</section>"), [Neighbour(case, 0.5, 1)])]
    drive(write_report([nasty], page_path, title="</title><script>", asked="a\0b\n<style>", similar=similar))
    page = read(page_path)
    assert not {"script", "i"} & page.tags
    assert page.images
    for said in (NASTY, "<b>kind</b>", "<img src=x onerror=alert(1)>", "$title ${x}", "</td><script>", "</section>"):
        assert said in page.text
    assert "\0" not in page.text


def test_a_name_that_is_no_utf_8(tmp_path):
    result = made(tmp_path / "cloth")
    odd = replace(result, category="caf\udce9")
    drive(write_report([odd], tmp_path / "r.html"))
    assert "caf" in (tmp_path / "r.html").read_text(encoding="utf-8")


def test_wrong_ones_are_shown_worst_first_and_gone_ones_do_not_matter(tmp_path):
    result = made(tmp_path / "cloth")
    result.wrong[1].item.path.unlink()
    drive(write_report([result, average([result])], tmp_path / "r.html"))
    text = read(tmp_path / "r.html").text
    assert "1 missed and 1 false alarm of 8 pictures" in text
    assert text.index("missed · spot · 0.01") < text.index("false alarm · good · 0.99")
    assert "not here any more" in text
    assert "Why" not in text, "no examples were kept"


def test_methods_side_by_side_and_what_does_not_exist(tmp_path):
    one, other = made(tmp_path / "a"), made(tmp_path / "b", method="dark", overlap=False)
    other = replace(other, image_auroc=1.0, f1=1.0)
    lone = Result("bare", "bright", FitKnobs("bright"), 3)
    drive(write_report([one, other, lone], tmp_path / "r.html"))
    raw = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "<td class=best>100.0</td>" in raw
    text = read(tmp_path / "r.html").text
    assert "There are no curves" in text
    assert "Nothing: at the best threshold every picture is called rightly." in text
    assert raw.count("<polyline") == 4
    assert 'class="curve s1"' in raw
    assert "Average of 2" not in text
    drive(write_report([one, replace(one, category="b"), average([one, one])], tmp_path / "r.html"))
    assert "Average of 2" in read(tmp_path / "r.html").text


def test_similar_cases(tmp_path):
    result = made(tmp_path / "cloth")
    paths = [seen.item.path for seen in result.scores]
    found = [
        Neighbour(
            Case(str(path), "m", "cloth", kind, 0.9, 0.5, 32, 24, "2025-01-01T00:00:00+00:00"), 0.9 - n / 10, n + 1
        )
        for n, (path, kind) in enumerate(zip(paths, ["spot", "spot", "good"], strict=False))
    ]
    drive(write_report([result], tmp_path / "r.html", similar=[(Item(paths[-1], "spot"), found)]))
    text = read(tmp_path / "r.html").text
    assert "2 of 3 are of the same kind (spot)." in text
    assert "similarity 0.80" in text


def test_nothing_and_no_room(tmp_path, monkeypatch):
    with pytest.raises(SightlineError, match="nothing to report"):
        drive(write_report([], tmp_path / "r.html"))
    with pytest.raises(SightlineError, match="nothing to report"):
        drive(write_report([average([made(tmp_path / "c")])], tmp_path / "r.html"))
    path = tmp_path / "r.html"
    path.write_text("old")
    with pytest.raises(SightlineError, match="save it elsewhere"):
        drive(write_report([made(tmp_path / "c")], tmp_path / "missing" / "r.html"))

    def full(*_args, **_more):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(SightlineError, match="no space left"):
        drive(write_report([made(tmp_path / "c")], path))
    assert path.read_text() == "old"


def test_cancelled_anywhere_the_old_one_stays(tmp_path):
    result = made(tmp_path / "cloth")
    path = tmp_path / "r.html"
    path.write_text("old")
    for stop in range(1, 5):
        job = write_report([result], path)
        for _ in range(stop):
            next(job, None)
        job.close()
        assert sorted(one.name for one in tmp_path.iterdir()) == ["cloth", "r.html"]
        assert path.read_text() == "old" or stop > 3


def test_large_examples_are_kept_small():
    image = np.zeros((600, 2 * LARGEST, 3), np.uint8)
    image[300, 1000] = 255
    map = np.zeros((600, 2 * LARGEST), np.float32)
    verdict = Verdict("x", 1.0, 0.9, 0.5, map, map, (1001, 301))
    near = NearPatch(1.0, image, "p.png", (990, 290, 30, 20))
    mask = np.zeros(map.shape, bool)
    mask[300:304, 1000:1004] = True
    small = small_enough(Example(Item(Path("x.png"), "spot"), image, verdict, (near,), mask))
    assert small.image.shape == (300, LARGEST, 3)
    assert small.verdict.map.shape == small.verdict.raw_map.shape == small.mask.shape == (300, LARGEST)
    assert small.verdict.hottest == (500, 150)
    assert small.mask[150:152, 500:502].all()
    assert small.mask.sum() == 4
    (patch,) = small.nearest
    left, top, width, height = patch.box
    assert (width, height) == (30, 20)
    assert patch.picture.shape == (60, 90, 3)
    assert patch.picture[top + 10, left + 10].tolist() == [255] * 3
    tiny = Example(Item(Path("y.png")), image[:50, :50], replace(verdict, map=map[:50, :50]), ())
    assert small_enough(tiny) is tiny


def test_pieces_stay_inside_their_picture():
    image = np.arange(100 * 80, dtype=np.float32).reshape(100, 80).astype(np.uint8)
    image = np.repeat(image[:, :, None], 3, axis=2)
    for x, y in ((0, 0), (79, 99), (40, 50), (-5, 200)):
        assert square(image, x, y, 20, 20).shape == (20, 20, 3)
    assert (square(image, 40, 50, 20, 20) == image[40:60, 30:50]).all()
    assert square(image, 10, 10, 500, 16).shape == (16, 16, 3)
    lit = kept_patches(Kept(np.full((20, 20, 3), 200, np.uint8), np.array([[5, 5, 4, 4]], np.float32)))
    assert lit[5:9, 5:9].min() == 200
    assert lit[0, 0, 0] == 70


def test_words_and_titles():
    assert words("<a & 'b'>\n\u202e") == "&lt;a &amp; &#x27;b&#x27;&gt;\ufffd\ufffd"
    assert title_of("patchcore") == "PatchCore"
    assert title_of("patchcore, coreset 0.1") == "PatchCore (coreset 0.1)"
    assert title_of("efficientad (2)") == "EfficientAD (2)"
    assert title_of("Padim") == "Padim"
    assert (number(None), number(0.98765, 100), number(1234.5)) == ("–", "98.8", "1,234.5")


def test_no_bank_for_other_methods(tmp_path):
    from engine.inspection.showing import bank_of

    assert drive(bank_of(object())) is None
    assert Category("a", tmp_path, ()).train == ()
