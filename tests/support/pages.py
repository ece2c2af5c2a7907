"""The addresses of the pages that tests walk, and what a page says and holds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser

from agreements.models import AgreementVersion
from plans.models import TrainingPlan
from tests.support.cohort import Cohort
from training.models import Job

SPOKEN = {"aria-label", "title", "placeholder", "alt", "label"}
"""Attributes that people read or hear; those that scripts say are reported by their value's look."""
SILENT = {"script", "style", "code", "pre", "textarea"}
WORDS_FOR_SCRIPTS = {
    *("data-just-now", "data-in-a-moment", "data-copied", "data-table", "data-other-schema", "data-same-silo"),
    *("data-chosen-already", "data-free", "data-choose-all", "data-choose-none"),
}


def pages_of(cohort: Cohort, done: Job, running: Job) -> dict[str, str]:
    """The addresses of all pages that somebody may see, by the names of their screenshots."""
    consortium = cohort.federation.consortium.id
    job = f"/jobs/{done.id}"
    versions = AgreementVersion.objects.filter(consortium=consortium).order_by("number")
    return {
        "home": "/",
        "jobs": "/jobs/",
        "job": f"{job}/",
        "job-running": f"/jobs/{running.id}/",
        "job-silos": f"{job}/silos/",
        "job-rounds": f"{job}/rounds/",
        "job-round": f"{job}/rounds/2/1/",
        "job-configuration": f"{job}/configuration/",
        "job-events": f"{job}/events/",
        "job-report": f"{job}/report/",
        "jobs-compare": f"/jobs/compare/?job={done.id}&job={running.id}",
        "job-pause": f"/jobs/{running.id}/pause/",
        "launch": f"/consortia/{consortium}/launch/",
        "launch-again": f"/consortia/{consortium}/launch/?from={done.id}",
        "launch-statistics": f"/consortia/{consortium}/statistics/?dataset={cohort.dataset.id}",
        "consortium": f"/consortia/{consortium}/",
        **{
            f"consortium-{tab}": f"/consortia/{consortium}/{tab}/"
            for tab in ("participants", "agreement", "plans", "silos", "datasets", "jobs", "models", "activity")
        },
        **{
            f"agreement-{version.number}{name}": f"/agreements/{version.pk}/{page}"
            for version in versions
            for name, page in (("", ""), ("-compare", "compare/"), ("-paper", "paper/"))
        },
        **{
            f"plan-{place}": f"/plans/{plan.pk}/"
            for place, plan in enumerate(TrainingPlan.objects.filter(consortium=consortium).order_by("uploaded_at"))
        },
        "activity": "/activity/",
        "chains of the record": "/activity/chains/",
        "tutorial": "/tutorial/",
        "models": "/models/",
        "model": f"/models/{done.model_id}/",
        "datasets": "/datasets/",
        "find data": f"/datasets/for-a-purpose/?consortium={consortium}&category=health",
        "dataset": f"/datasets/{cohort.dataset.id}/",
        "silos": "/silos/",
        "silo": f"/silos/{cohort.silo.id}/",
        "organisations": "/organisations/",
        "organisation": f"/organisations/{cohort.silo.organisation_id}/",
        "account": "/account/",
        "tokens": "/account/tokens/",
        "notifications": "/account/notifications/",
        "glossary": "/help/glossary/",
        "gallery": "/gallery/",
        "not-found": "/jobs/00000000-0000-4000-8000-000000000000/",
    }


@dataclass
class Seen:
    """What a page says, and the attributes by which it works."""

    texts: list[str] = field(default_factory=list)
    attributes: list[tuple[str, str, str]] = field(default_factory=list)
    figures: list[str] = field(default_factory=list)


def seen(html: str) -> Seen:
    """Read a page."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader.found


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found = Seen()
        self.silent: list[str] = []
        self.json = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        in_its_own_language = given.get("lang") == "en" and tag != "html"  # what is signed is signed in English
        if tag in SILENT or in_its_own_language or tag in self.silent[-1:]:
            self.silent.append(tag)
        self.json = tag == "script" and given.get("type") == "application/json"
        for name, value in _working(tag, given):
            self.found.attributes.append((tag, name, value))
        for name, value in given.items():
            if (name in SPOKEN or name in WORDS_FOR_SCRIPTS) and not (tag == "code" and name == "title"):
                self.found.texts.append(value)

    def handle_endtag(self, tag: str) -> None:
        if self.silent and self.silent[-1] == tag:
            self.silent.pop()
        self.json = False

    def handle_data(self, data: str) -> None:
        if self.json:
            self.found.figures.append(data)
        elif not self.silent and data.strip():
            self.found.texts.append(data.strip())


def _working(tag: str, given: dict[str, str]) -> Iterator[tuple[str, str]]:
    """What is the same in every language."""
    if given.get("name") == "csrfmiddlewaretoken" or tag == "html":
        return
    for name, value in given.items():
        if name not in SPOKEN and name not in WORDS_FOR_SCRIPTS and name not in {"data-csrf-token", "hx-headers"}:
            yield name, value
