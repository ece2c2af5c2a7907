"""A fence that the kernel lacks fails the test, unless somebody allows it by name."""

from __future__ import annotations

import pytest

from tests.support.fences import VARIABLE, is_missing


@pytest.mark.parametrize("allowed", [None, "", "mount-namespace", "landlock"])
def test_a_fence_that_is_missing_fails_the_test(monkeypatch: pytest.MonkeyPatch, allowed: str | None) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    if allowed is not None:
        monkeypatch.setenv(VARIABLE, allowed)
    with pytest.raises(
        (pytest.fail.Exception, pytest.skip.Exception), match="CONSILIENCE_TESTS_WITHOUT=network-namespace"
    ) as caught:
        is_missing("network-namespace", "this kernel gives no empty network namespace")
    assert caught.type is pytest.fail.Exception, "a skip that goes through a test is a pass"


def test_a_missing_fence_passes_where_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "mount-namespace, network-namespace")
    with pytest.raises(pytest.skip.Exception, match="CONSILIENCE_TESTS_WITHOUT allows it"):
        is_missing("network-namespace", "this kernel gives no empty network namespace")
