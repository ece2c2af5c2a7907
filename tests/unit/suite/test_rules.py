"""What holds for every test of this suite, seen in the tests' own syntax."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from demo.services import ROOT
from tests.support.every import every
from tests.support.patience import FAILS_AFTER_S

TESTS = sorted((ROOT / "tests").rglob("*.py"))
PATIENCE = ROOT / "tests" / "support" / "patience.py"
FENCES = ROOT / "tests" / "support" / "fences.py"
Finds = Callable[[ast.Module], Iterator[ast.AST]]


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def found_in(finds: Finds, *, but: Path | None = None) -> list[str]:
    """Where in the tests something is."""
    files = [path for path in TESTS if path != but]
    return [f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}" for path in files for node in finds(parsed(path))]


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    """Every call, with the dotted name of what is called."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


# --- no assert looks at a clock ---------------------------------------------------------------------------------

CLOCKS = {"time.monotonic", "time.perf_counter", "time.process_time", "time.thread_time", "monotonic", "perf_counter"}


def timed_asserts(tree: ast.Module) -> Iterator[ast.AST]:
    """Asserts on what a stopwatch says, or on a name that it was given to."""
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        read = {
            name.id
            for node in ast.walk(function)
            if isinstance(node, ast.Assign | ast.NamedExpr) and is_timed(node.value)
            for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
            for name in ast.walk(target)
            if isinstance(name, ast.Name)
        }
        for node in ast.walk(function):
            if isinstance(node, ast.Assert):
                names = {name.id for name in ast.walk(node.test) if isinstance(name, ast.Name)}
                if names & read or is_timed(node.test):
                    yield node


def is_timed(node: ast.AST) -> bool:
    """Whether a stopwatch is read in it."""
    return any(name in CLOCKS for name, _ in calls(node))


def test_no_assert_is_timed() -> None:
    assert not found_in(timed_asserts, but=PATIENCE), "wait for a fact: tests.support.patience"


@pytest.mark.parametrize(
    "body",
    [
        "assert time.monotonic() - began < 5",
        "took = time.perf_counter() - began\n    assert took < 5",
        "assert (took := time.monotonic()) < 5",
    ],
)
def test_a_timed_assert_is_found(body: str) -> None:
    assert list(timed_asserts(ast.parse(f"def test_it():\n    {body}")))


# --- no wait is short -------------------------------------------------------------------------------------------

WAITS = {"join", "wait", "wait_for", "communicate", "until"}


def short_waits(tree: ast.Module) -> Iterator[ast.AST]:
    """Waits that give up after a number of seconds of their own."""
    for name, call in calls(tree):
        if name.startswith("pytest.mark."):
            continue
        given = [keyword.value for keyword in call.keywords if keyword.arg == "timeout"]
        if name.rpartition(".")[2] in WAITS or name == "asyncio.timeout":
            given += call.args
        for value in given:
            if isinstance(value, ast.Constant) and isinstance(value.value, int | float):
                yield call


def test_no_wait_fails_after_seconds_of_its_own() -> None:
    assert not found_in(short_waits), "tests.support.patience has the one bound, FAILS_AFTER_S"


def test_a_short_wait_is_found() -> None:
    for call in ("thread.join(10)", "event.wait(5)", "asyncio.timeout(60)", "run(words, timeout=60)"):
        assert list(short_waits(ast.parse(call))), call
    assert not list(short_waits(ast.parse("thread.join(FAILS_AFTER_S)")))


def test_a_wait_fails_before_its_test_is_ended(pytestconfig: pytest.Config) -> None:
    assert float(pytestconfig.getini("timeout")) > FAILS_AFTER_S


# --- what a module offers is not replaced -----------------------------------------------------------------------

OFFERS = {"COMBINER", "FAMILY", "KIND", "MODE", "PAYLOAD", "PROTECTION", "PROTOCOL", "STRATEGY", "TARGET", "TASK"}
OFFERS |= {"STATEMENT_KIND", "STEPLESS_KIND", "STEP_KIND"}


def replaced_offers(tree: ast.Module) -> Iterator[ast.AST]:
    """Where a module's offer is set: ``federation.discovery`` keeps it past the test, for the next of the process."""
    for name, call in calls(tree):
        if name.rpartition(".")[2] == "setattr":
            names = {arg.value for arg in call.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)}
            if any(one.rpartition(".")[2] in OFFERS for one in names):
                yield call


def test_no_test_replaces_what_a_module_offers() -> None:
    assert not found_in(replaced_offers), "add a module to a folder of tests/support/plugins"


def test_a_replaced_offer_is_found() -> None:
    for call in ('monkeypatch.setattr(module, "MODE", other)', 'patched.setattr("federation.tasks.train.TASK", other)'):
        assert list(replaced_offers(ast.parse(call))), call


# --- asserts in loops have run ----------------------------------------------------------------------------------

SEQUENCES = {"enumerate", "sorted", "reversed", "list", "tuple", "set", "zip"}
COLUMNS = {"may", "forbidden", "absent", "answered"}
"""Columns of tables that tests are given row by row: who may, what answers. In some rows one is empty."""


def is_never_empty(node: ast.expr) -> bool:
    """Whether what is looped over has something in it, as can be seen where it stands: written there, or a constant."""
    match node:
        case ast.Tuple(elts=parts) | ast.List(elts=parts) | ast.Set(elts=parts):
            return any(not isinstance(part, ast.Starred) or is_never_empty(part.value) for part in parts)
        case ast.Dict(keys=keys):
            return bool(keys)
        case ast.Constant(value=value):
            return bool(value)
        case ast.Name(id=name) | ast.Attribute(attr=name) if not isinstance(node, ast.Call):
            return name.isupper() or name in COLUMNS
        case ast.Call(func=ast.Name(id="every" | "attempts")):
            return True
        case ast.Call(func=ast.Name(id="range"), args=[*_, last]):
            return is_never_empty(last)
        case ast.Call(func=ast.Name(id="zip"), args=parts, keywords=[ast.keyword(arg="strict")]):
            return any(map(is_never_empty, parts))
        case ast.Call(func=ast.Name(id=name), args=parts) if name in SEQUENCES:
            return bool(parts) and all(map(is_never_empty, parts))
        case ast.Call(func=ast.Attribute(value=owner, attr="items" | "values" | "split" | "splitlines")):
            return is_never_empty(owner)
    return False


def uncounted_asserts(tree: ast.Module) -> Iterator[ast.AST]:
    """Loops of a test with an assert in them over what may be empty."""
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef) and function.name.startswith("test_"):
            for loop in ast.walk(function):
                if not isinstance(loop, ast.For | ast.AsyncFor) or is_never_empty(loop.iter):
                    continue
                if any(isinstance(node, ast.Assert) for part in loop.body for node in ast.walk(part)):
                    yield loop


def test_asserts_in_loops_have_run() -> None:
    assert not found_in(uncounted_asserts), "loop over every(…): it fails where there is nothing to loop over"


def test_a_loop_that_may_assert_nothing_is_found() -> None:
    for loop, is_wrong in (
        ("found", True),
        ("Row.objects.all()", True),
        ("zip(a, b, strict=True)", True),
        ("every(found)", False),
        ("(1, 2)", False),
        ("ROLES", False),
        ("range(3)", False),
        ("zip(a, (1, 2), strict=True)", False),
    ):
        tree = ast.parse(f"def test_it():\n    for one in {loop}:\n        assert one")
        assert bool(list(uncounted_asserts(tree))) is is_wrong, loop


def test_every_fails_where_there_is_nothing() -> None:
    assert list(every([1, 2])) == [1, 2]
    with pytest.raises(AssertionError, match="nothing to loop over"):
        list(every([]))


# --- what is skipped --------------------------------------------------------------------------------------------

SKIPS = {
    "only root has folders that its PostgreSQL can't reach",
    "what can't be inspected can be read by root only",
    "this machine has no network",  # which is what the trainer's refusal is about
    "needs the test before it",
}
"""Reasons that are no fence of the kernel: those fail (tests.support.fences)."""


def skips(tree: ast.Module) -> Iterator[ast.AST]:
    """Tests that are skipped for a reason that is not in the list."""
    for name, call in calls(tree):
        if name.rpartition(".")[2] in {"skip", "skipif", "importorskip", "xfail"} and name.startswith("pytest."):
            by_name = {node.value for node in ast.walk(call) if isinstance(node, ast.Constant)}
            if not by_name & SKIPS:
                yield call


def test_what_is_skipped_is_skipped_for_no_fence() -> None:
    assert not found_in(skips, but=FENCES), "a fence that the kernel lacks fails: tests.support.fences.is_missing"
