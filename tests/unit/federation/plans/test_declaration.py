"""Plans are read and never run; what a reviewer would not see, or see elsewhere, is refused."""

from __future__ import annotations

import ast
import hashlib
from pathlib import Path

import pytest

from federation.errors import Invalid
from federation.learning.models import parse_model
from federation.plans.declaration import SOURCE_BYTES_MAX, read_plan
from federation.targets import target_of

DECLARED = """
PLAN = {
    "interface": 1,
    "title": "Little",
    "parameters": [{"name": "w", "shape": [1, "n_features"]}, {"name": "b", "shape": [1], "start": "zeros"}],
}
"""
PREDICT = """
def predict(parameters, features):
    return features @ parameters["w"].T + parameters["b"]
"""
GOOD = DECLARED + PREDICT


def refused(source: str | bytes) -> Invalid:
    with pytest.raises(Invalid) as caught:
        read_plan(source.encode() if isinstance(source, str) else source)
    return caught.value


def test_a_plan_declares_its_kind_and_has_the_hash_of_its_file() -> None:
    plan = read_plan(GOOD.encode())
    assert (plan.declaration.title, set(plan.functions), plan.text) == ("Little", {"predict"}, GOOD)
    assert plan.digest == "sha256:" + hashlib.sha256(GOOD.encode()).hexdigest()
    family, spec = parse_model(plan.model)
    assert [tensor.shape for tensor in family.layout(spec, 4, target_of("binary", 2))] == [(1, 4), (1,)]
    assert read_plan(GOOD.replace("\n", "\r\n").encode()).digest != plan.digest


def test_a_plan_with_all_functions_and_an_annotated_declaration_is_read() -> None:
    more = "\ndef loss(outputs, target):\n    return outputs\ndef transform(features):\n    return features\n"
    source = GOOD.replace("PLAN =", "PLAN: dict =") + more
    assert read_plan(source.encode()).functions == {"predict", "loss", "transform"}


def test_reading_a_plan_runs_no_code(tmp_path: Path) -> None:
    trap = f"open({str(tmp_path / 'ran')!r}, 'w').close()\n"
    read_plan((trap + GOOD).encode())
    refused(trap + DECLARED)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("source", "code", "said"),
    [
        (b"#" * (SOURCE_BYTES_MAX + 1), "plan.too_large", "256 KiB"),
        (b"\xff" + GOOD.encode(), "plan.not_text", "byte 0"),
        (GOOD + "x = (", "plan.not_python", "Line 1"),
        (GOOD + "x = " + "-" * 100_000 + "1", "plan.not_python", ""),
        (GOOD + "x = " + "(" * 1000 + ")" * 1000, "plan.not_python", ""),
        (PREDICT, "plan.undeclared", "PLAN"),
        (GOOD + DECLARED, "plan.undeclared", "once"),
        (GOOD.replace("1,\n", "int('1'),\n", 1), "plan.undeclared", "written out"),
        ("PLAN: dict\n" + PREDICT, "plan.undeclared", "PLAN"),
        (GOOD.replace('"title"', '"title": "Other", "title"'), "plan.undeclared", "twice"),
        (GOOD.replace('"start"', '"start": "ones", "start"'), "plan.undeclared", "twice"),
        ("PLAN = []\n" + PREDICT, "plan.invalid", ""),
        (GOOD.replace('"interface": 1', '"interface": 2'), "plan.invalid", ""),
        (GOOD.replace('"title"', '"name"'), "plan.invalid", ""),
        (GOOD.replace('"n_features"', '"n_rows"'), "plan.invalid", ""),
        (GOOD.replace('"b"', '"w"', 1), "plan.invalid", "twice"),
        (GOOD.replace('[1, "n_features"]', "[100000, 100000]"), "plan.invalid", "parameters"),
        (DECLARED, "plan.functions", "predict(parameters, features)"),
        (DECLARED + "predict = len", "plan.functions", "predict"),
        (DECLARED + "async def predict(parameters, features): ...", "plan.functions", "predict"),
        (GOOD + PREDICT, "plan.functions", "twice"),
        (GOOD.replace("(parameters, features)", "(features, parameters)"), "plan.functions", "Line 8"),
        (GOOD.replace("(parameters, features)", "(parameters, features, *rest)"), "plan.functions", "Line 8"),
        (GOOD.replace("(parameters, features)", "(parameters, features, /)"), "plan.functions", "Line 8"),
        (GOOD + "\ndef loss(outputs): ...", "plan.functions", "loss(outputs, target)"),
        (GOOD + "\ndef transform(): ...", "plan.functions", "transform(features)"),
    ],
)
def test_what_is_wrong_with_a_plan_is_reported(source: str | bytes, code: str, said: str) -> None:
    error = refused(source)
    assert error.code == code
    assert said in error.message


@pytest.mark.parametrize(
    "hidden",
    [
        *("\x00", "\x07", "\x1b", "\x0c", "\x7f", "\x85", "\r", "\xa0", "\xad"),
        *("\u200b", "\u200d", "\u202e", "\u2066", "\u2028", "\ufeff", "\u180e", "\ufe0f", "\U000e0041", "\U000e0101"),
        *("\u3164", "\u115f", "\uffa0", "\u2800", "\u034f", "\ue000", "\U0001fffe"),
    ],
)
def test_characters_that_a_reviewer_does_not_see_are_refused(hidden: str) -> None:
    error = refused(GOOD + f"# a comment{hidden} and more\n")
    assert error.code == "plan.not_text"
    assert f"U+{ord(hidden):04X}" in error.message


@pytest.mark.parametrize(
    "escape",
    [r"\x1b[2J", r"\u202e", r"\u2066", r"\u200b", r"\N{SOFT HYPHEN}", r"\n", r"\t", r"\x00", r"\u3164", r"\ue000"],
)
def test_a_title_hides_nothing_behind_an_escape(escape: str) -> None:
    error = refused(GOOD.replace('"Little"', f'"Li{escape}ttle"'))
    assert (error.code, error.field) == ("plan.title", "PLAN.title")


def test_a_title_is_more_than_spaces() -> None:
    assert refused(GOOD.replace('"Little"', '"   "')).code == "plan.title"
    assert (
        read_plan(GOOD.replace('"Little"', r'"Z\u00fcrich \u2192 \u65e5"').encode()).declaration.title == "Zürich → 日"
    )


def test_letters_of_any_language_may_be_there() -> None:
    read_plan((GOOD + "# Zürich, Ελλάδα, 日本, naïve: 😀 →\tend\n").encode())


def test_a_coding_that_the_file_claims_changes_nothing() -> None:
    """In UTF-7 the comment would be a line of code: Python itself reads bytes so, and shows people something else."""
    cookie = "# -*- coding: utf-7 -*-\n"
    hidden = "# +AAo-import os\n"
    source = (cookie + hidden + GOOD.replace(" + ", " - ")).encode()
    assert any(isinstance(node, ast.Import) for node in ast.walk(ast.parse(source)))
    plan = read_plan(source)
    assert not any(isinstance(node, ast.Import) for node in ast.walk(ast.parse(plan.text)))
