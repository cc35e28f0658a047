"""One HTML file that a colleague can read: what was asked, how well it works, and why, with pictures of this very run.

Everything lies in the file (pictures, style, curves); it holds no script and its content policy forbids the network.
The words are `resources/report.html`.
"""

import platform
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from string import Template

from engine import runtime
from engine.errors import SightlineError
from engine.inspection.knobs import FitKnobs
from engine.inspection.report_parts import HUES, curves, figure, histogram, number, table, title_of, words
from engine.inspection.report_pictures import (
    bank_pictures,
    example_pictures,
    plainest,
    similar_pictures,
    similar_said,
    wrong_pictures,
)
from engine.inspection.results import AVERAGE, Result, Similar, write_text
from engine.job import Job, Progress


def write_report(
    results: Sequence[Result],
    path: Path,
    *,
    title: str = "",
    asked: str = "",
    similar: Sequence[Similar] | None = None,
    seed: int | None = None,
) -> Job[Path]:
    """Write the report of an evaluation; yields `Progress`, returns the path.

    Args:
        results: as `evaluate` gives them, with examples for pictures of the run.
        path: of the HTML file. What was there is replaced only when all is written.
        title: of the report; "" makes one.
        asked: a sentence of the person who asked, put before the report's own.
        similar: pictures with their most similar past cases; None shows what the results themselves hold, which are
            the most similar among the test pictures.
        seed: of the run, where the results have no card that says it.

    Raises:
        SightlineError: there is nothing to report, or the file cannot be written.
    """
    single = [result for result in results if result.category != AVERAGE]
    if not single:
        raise SightlineError("There is nothing to report: evaluate a category first.")
    yield Progress("Writing the report")
    pages = _Pages(results, single, similar, seed)
    parts = {
        "title": words(title or f"Inspection of {_listed(pages.categories)}"),
        "made": words(f"{datetime.now().astimezone():%Y-%m-%d %H:%M} · {_machine()}"),
        "asked": f"<p>{words(asked)}</p>" * bool(asked.strip()) + pages.asked(),
        "answer": pages.answer(),
        "table": table(results),
        "settings": pages.settings(),
    }
    asked_for = sum(len(result.similar) for result in single) if similar is None else len(similar)
    total = len(single) * 2 + sum(len(result.examples) for result in single) + asked_for
    sections: dict[str, list[str]] = {}
    for done, (name, part) in enumerate(pages.drawn(), 1):
        sections.setdefault(name, []).append(part)
        yield Progress("Writing the report", min(done, total), total)
    optional = {"examples": "Pictures it looked at", "wrong": "What it got wrong", "similar": "Most similar pictures"}
    parts |= {name: "".join(sections.get(name, [])) for name in ("curves", "patchcore", "coreset", "efficientad")}
    parts["sections"] = "\n".join(
        f'<section id="{name}"><h2>{head}</h2>{"".join(sections[name])}</section>'
        for name, head in optional.items()
        if name in sections
    )
    heads = {"asked": "The question", "figures": "How well", "curves": "Curves", "how": "How it works"}
    heads |= {name: head for name, head in optional.items() if name in sections} | {"settings": "Settings"}
    parts["contents"] = "".join(f'<a href="#{name}">{head}</a>' for name, head in heads.items())
    template = Template((runtime.resources_folder() / "report.html").read_text(encoding="utf-8"))
    write_text(path, template.substitute(parts))
    return path


class _Pages:
    """Words and pictures of one report."""

    def __init__(
        self, results: Sequence[Result], single: list[Result], similar: Sequence[Similar] | None, seed: int | None
    ) -> None:
        self._single, self._similar = single, similar
        self._means = [result for result in results if result.category == AVERAGE] or single
        self.categories = list(dict.fromkeys(result.category for result in single))
        self._methods = list(dict.fromkeys(result.method for result in results))
        seeds = [result.card.seed for result in single if result.card is not None]
        self._seed = seeds[0] if seeds else seed

    # -- words

    def asked(self) -> str:
        """What was measured on what, in a paragraph."""
        lines = []
        for category in self.categories:
            result = next(one for one in self._single if one.category == category)
            bad = sum(seen.item.abnormal for seen in result.scores)
            learned = f"{result.card.pictures:,} good pictures to learn from, " if result.card is not None else ""
            kinds = sorted({seen.item.kind for seen in result.scores if seen.item.abnormal})
            shown = f" ({words(', '.join(kinds))})" if kinds else ""
            lines.append(
                f"<li>{words(category)}: {learned}{result.images - bad:,} good and {bad:,} defective ones{shown} to be "
                "told apart</li>"
            )
        methods = words(_listed([title_of(method) for method in self._methods]))
        return (
            f"<p>How well can defective pictures be told from good ones by {methods}? Good pictures alone were learned "
            f"from; then these were shown, none of which had been seen:</p><ul class='answer'>{''.join(lines)}</ul>"
        )

    def answer(self) -> str:
        """The result of each method in a sentence."""
        lines = []
        for mean in self._means:
            own = [result for result in self._single if result.method == mean.method]
            wrong, images = sum(len(one.wrong) for one in own), sum(one.images for one in own)
            where = f", on average over {len(own)} categories" if mean.averaged > 1 else ""
            if mean.category != AVERAGE:
                where, wrong, images = f" ({words(mean.category)})", len(mean.wrong), mean.images
            said = []
            if mean.image_auroc is not None:
                said.append(
                    f"a defective picture scores higher than a good one in {mean.image_auroc * 100:.1f} of 100 "
                    f"cases{where}; at the best threshold {wrong:,} of {images:,} pictures are called wrongly"
                )
            if mean.aupro is not None:
                said.append(f"its maps reach an AUPRO of {mean.aupro * 100:.1f} %")
            said.append(f"it learns in {number(mean.fit_s)} s and looks at a picture in {number(mean.ms_per_image)} ms")
            lines.append(f"<li><strong>{words(title_of(mean.method))}</strong>: {'; '.join(said)}.</li>")
        return f"<h3>In short</h3><ul class='answer'>{''.join(lines)}</ul>"

    def settings(self) -> str:
        """What it takes to do the same again."""
        rows = [("Date", f"{datetime.now().astimezone():%Y-%m-%d %H:%M %z}"), ("Machine", _machine())]
        if self._seed is not None:
            rows.append(("Seed", str(self._seed)))
        versions = next((one.card.versions for one in self._single if one.card is not None), {})
        rows.append(("Versions", ", ".join(f"{name} {version}" for name, version in _versions(versions).items())))
        for category in self.categories:
            card = next((one.card for one in self._single if one.category == category and one.card is not None), None)
            if card is not None:
                rows.append((category, f"{card.source} ({card.pictures:,} good pictures)"))
        parts = [_listing(rows)]
        for method in self._methods:
            own = [one for one in self._single if one.method == method]
            facts = _differing(own[0].knobs)
            card = next((one.card for one in own if one.card is not None), None)
            if card is not None:
                facts = [("backbone", card.backbone), ("layers", ", ".join(card.layers)), *facts]
                facts += [("note", note) for note in card.notes]
            parts.append(f"<h3>{words(title_of(method))}</h3>{_listing([fact for fact in facts if fact[1]])}")
        return "".join(parts)

    # -- pictures

    def drawn(self) -> Iterator[tuple[str, str]]:
        """Parts with the section that they belong to, one picture's work at a time."""
        for category in self.categories:
            yield "curves", self._curves(category)
        yield from self._how()
        for result in self._single:
            for place, example in enumerate(result.examples):
                head = f"<h3>{words(result.category)}, {words(title_of(result.method))}</h3>" if not place else ""
                yield "examples", head + example_pictures(example, result)
        for result in self._single:
            if result.wrong or result.f1 is not None:
                yield "wrong", wrong_pictures(result)
        for item, neighbours in self._similar or ():
            yield "similar", similar_pictures(item, neighbours)
        if self._similar is None:
            yield from self._own_similar()

    def _own_similar(self) -> Iterator[tuple[str, str]]:
        """The most similar test pictures that the results hold, each category and method under its head."""
        shown = [result for result in self._single if result.similar]
        for result in shown:
            head = f"<h3>{words(result.category)}, {words(title_of(result.method))}</h3>"
            yield "similar", (similar_said() if result is shown[0] else "") + head
            for item, neighbours in result.similar:
                yield "similar", similar_pictures(item, neighbours, result)

    def _curves(self, category: str) -> str:
        own = [result for result in self._single if result.category == category]
        head = f"<h3>{words(category)}</h3>"
        roc, precision, legend = [], [], []
        for result in own:
            hue = self._methods.index(result.method)
            name = title_of(result.method)
            if result.roc is not None and result.precision_recall is not None:
                roc.append((name, result.roc, hue))
                precision.append((name, result.precision_recall, hue))
                legend.append(
                    f'<span><b class="s{hue % HUES}">—</b> {words(name)}: AUROC {number(result.image_auroc, 100)}, '
                    f"average precision {number(result.average_precision, 100)}</span>"
                )
        if not roc:
            return head + "<p class='quiet'>There are no curves: both good and defective test pictures are needed.</p>"
        drawn = [
            figure(
                curves(f"ROC of {category}", ("good called defective", "defects found"), roc, chance=True), "ROC curve"
            ),
            figure(
                curves(f"Precision and recall of {category}", ("defects found", "alarms that are true"), precision),
                "Precision and recall",
            ),
        ]
        scores = []
        for result in own:
            word = f": {words(title_of(result.method))}" if len(own) > 1 else ""
            threshold = "" if result.threshold is None else f", best threshold {result.threshold:.2f}"
            scores.append(
                figure(
                    histogram(f"Scores of {category}", result.known, result.threshold),
                    f"Scores{word}: <span class='good'>good</span> and <span class='bad'>defective</span> "
                    f"pictures{threshold}",
                )
            )
        drawn.append(f"<div class='stack'>{''.join(scores)}</div>")
        return f"{head}<div class='three'>{''.join(drawn)}</div><p class='legend'>{''.join(legend)}</p>"

    def _how(self) -> Iterator[tuple[str, str]]:
        """The pictures beside the explanations: the plainest defect of each method, and the first memory bank."""
        for method in ("patchcore", "efficientad"):
            own = [one for one in self._single if one.knobs.method == method]
            shown = [(one, example) for one in own for example in one.examples if example.item.abnormal]
            if shown:
                result, example = max(shown, key=lambda pair: pair[1].verdict.score)
                yield method, plainest(result, example)
            elif not own:
                yield method, f"<p class='quiet'>{title_of(method)} did not take part in this run.</p>"
        banked = next((one for one in self._single if one.bank is not None), None)
        if banked is not None and banked.bank is not None:
            yield "coreset", bank_pictures(banked.bank, banked.category)


def _differing(knobs: FitKnobs) -> list[tuple[str, str]]:
    """The settings, those that say nothing left out."""
    shown = []
    for name, value in asdict(knobs).items():
        if isinstance(value, tuple):
            value = ", ".join(map(str, value))
        shown.append((name.replace("_", " "), {"True": "yes", "False": "no"}.get(str(value), str(value))))
    # the card names backbone and layers as they were in the end
    return [(name, value) for name, value in shown if value and name not in ("layers", "backbone", "method")]


def _listing(rows: Sequence[tuple[str, str]]) -> str:
    return f"<dl>{''.join(f'<dt>{words(name)}</dt><dd>{words(value)}</dd>' for name, value in rows)}</dl>"


def _listed(names: Sequence[str]) -> str:
    """ "a", "a and b", "a, b and c"; many are cut short."""
    if len(names) > 6:
        return f"{', '.join(names[:5])} and {len(names) - 5} more"
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)


def _machine() -> str:
    return f"{_processor()}, {runtime.cores()} cores, {platform.system()} {platform.release()}"


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _versions(of_model: dict[str, str]) -> dict[str, str]:
    own = tomllib.loads((runtime.resources_folder().parent / "pyproject.toml").read_text(encoding="utf-8"))
    return {"Sightline": str(own["project"]["version"])} | (of_model or {"python": platform.python_version()})
