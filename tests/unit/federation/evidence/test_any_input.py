"""Whatever is in a bundle, checking it ends with a report: faults with codes that can be printed, no exception."""

from __future__ import annotations

import contextlib
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.errors import Invalid
from federation.evidence.bundle_parser import gather
from federation.evidence.bundles import Entry, write_bundle
from federation.evidence.report import Report
from federation.evidence.verification import UNFORESEEN, verify_evidence
from federation.protocol.envelope import payload_type_of, payload_unverified, sign, signers
from federation.verify import check, print_report
from tests.support.evidence import Played
from tests.support.examples import examples

PLAYED = Played(silos=3, rounds=1)
DOCUMENTS = PLAYED.documents(1)
EVENTS = PLAYED.events(DOCUMENTS)
ENTRIES = PLAYED.entries(1)
KEYS = {key.public.key_id: key for key in (PLAYED.platform, *PLAYED.identities, *PLAYED.signatories)}
SIGNED = [entry for entry in ENTRIES if entry.content.startswith(b'{"payload')]

DEEP = '{"a":' * 3000 + "1" + "}" * 3000
LEAVES = [
    *("null", "true", "NaN", "-Infinity", "1e999", "-1", "0", "1e308", "9" * 5000, str(2**53), str(2**70), DEEP),
    *('""', '"\\ud800"', '"\\u0000"', '"\\u202e"', "[]", "{}", "[[[]]]", '"0001-01-01T00:00:00+23:59"'),
    *(
        '"9999-12-31T23:59:59.999999Z"',
        '"9999-12-31T23:59:59-23:59"',
        '"sha256:' + "0" * 64 + '"',
        '"' + "f" * 64 + '"',
    ),
]
"""JSON that somebody writes who wants to see a verifier stumble."""


def checked(entries: list[Entry]) -> Report:
    """The report on these, and that it can be printed; nothing may come that nobody thought of."""
    report = verify_evidence(gather(entries))
    assert_sound(report)
    return report


def assert_sound(report: Report) -> None:
    """No exception was caught by the last net, and all of it can be stated."""
    assert UNFORESEEN not in {fault.code for fault in report.faults}, report.faults
    for as_json in (False, True):
        with contextlib.redirect_stdout(io.TextIOWrapper(io.BytesIO(), encoding="utf-8")):
            print_report(report, as_json=as_json)


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(one for key, below in inner for one in paths(below, (*path, key)))]


def changed(content: bytes, data: st.DataObject) -> bytes:
    """A JSON text with something else at one place: any leaf of the list above, or its text cut short."""
    value = json.loads(content)
    path = data.draw(st.sampled_from(paths(value)))
    leaf = data.draw(st.sampled_from(LEAVES))
    mark = "\x01mark\x01"
    if not path:
        return leaf.encode()
    place = value
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = mark
    return json.dumps(value).replace(json.dumps(mark), leaf).encode()


@settings(max_examples=examples(100), deadline=None)
@given(st.data())
def test_documents_that_are_signed_by_their_own_keys_and_say_anything(data: st.DataObject) -> None:
    victim = data.draw(st.sampled_from(SIGNED))
    keys = [KEYS[key_id] for key_id in signers(victim.content)]
    content = sign(changed(payload_unverified(victim.content), data), payload_type_of(victim.content), *keys)
    report = checked([replace(entry, content=content) if entry == victim else entry for entry in ENTRIES])
    assert report.job_id or report.faults


@settings(max_examples=examples(60), deadline=None)
@given(st.data())
def test_events_that_say_anything_in_a_log_that_is_signed_and_countersigned(data: st.DataObject) -> None:
    number = data.draw(st.integers(0, len(EVENTS) - 1))
    verb, detail = EVENTS[number]
    altered = changed(json.dumps(detail).encode(), data)
    log = PLAYED.logged([*EVENTS[:number], (verb, altered), *EVENTS[number + 1 :]])
    report = checked([*PLAYED.grounds(), *DOCUMENTS, *log])
    assert not {"event.not_in_log", "checkpoint.forked"} & {fault.code for fault in report.faults}, "it is in the log"


@settings(max_examples=examples(60), deadline=None)
@given(st.data())
def test_verifying_entries_of_any_content_ends_in_a_report(data: st.DataObject) -> None:
    victim = data.draw(st.sampled_from(ENTRIES))
    content = data.draw(
        st.one_of(
            st.binary(max_size=200),
            st.sampled_from(LEAVES).map(str.encode),
            st.sampled_from(ENTRIES).map(lambda entry: entry.content),
            st.integers(0, len(victim.content)).map(lambda end: victim.content[:end]),
        )
    )
    entries = [replace(entry, content=content) if entry == victim else entry for entry in ENTRIES]
    try:
        evidence = gather(entries)
    except Invalid:  # as `check` reports it
        return
    assert_sound(verify_evidence(evidence))


def in_a_file(folder: Path, bundle: bytes) -> Report:
    """What the program makes of it."""
    path = folder / "evidence.jsonl"
    path.write_bytes(bundle)
    report = check(path)
    assert_sound(report)
    return report


@settings(max_examples=examples(60), deadline=None)
@given(st.data())
def test_verifying_lines_of_any_content_ends_in_a_report(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    lines = list(write_bundle(ENTRIES))
    number = data.draw(st.integers(0, len(lines) - 1))
    line = data.draw(
        st.one_of(
            st.binary(max_size=100).map(lambda raw: raw + b"\n"),
            st.sampled_from(LEAVES).map(lambda leaf: leaf.encode() + b"\n"),
            st.just(b"").map(lambda _: changed(lines[number], data) + b"\n"),
        )
    )
    folder = tmp_path_factory.getbasetemp()
    report = in_a_file(folder, b"".join([*lines[:number], line, *lines[number + 1 :]]))
    assert report.faults or line == lines[number]


@pytest.mark.parametrize("leaf", LEAVES)
def test_odd_values_as_a_line_or_a_digest_end_in_a_report(tmp_path: Path, leaf: str) -> None:
    for line in (leaf, f'{{"content":"","digest":{leaf},"name":"order/1"}}', f'{{"end":{leaf}}}'):
        head = b'{"format":"consilience-evidence/v1"}\n'
        report = in_a_file(tmp_path, head + line.encode() + b"\n")
        assert [fault.code for fault in report.faults] == ["bundle.changed"] or "bundle" in report.faults[0].code


def test_what_nobody_thought_of_is_still_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("federation.evidence.verification.check_reviews", broken)
    report = verify_evidence(gather(ENTRIES))
    assert [(fault.code, "ZeroDivisionError" in fault.what) for fault in report.faults] == [(UNFORESEEN, True)]
