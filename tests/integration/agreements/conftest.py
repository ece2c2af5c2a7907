"""What the tests of agreements share."""

from __future__ import annotations

import pytest

from agreements.models import AgreementVersion
from tests.support.agreements import agreed, proposed
from tests.support.cohort import Cohort


@pytest.fixture
def current(cohort: Cohort) -> AgreementVersion:
    """A version in force."""
    return agreed(cohort.federation)


@pytest.fixture
def coming(cohort: Cohort, current: AgreementVersion) -> AgreementVersion:
    """The next one, proposed."""
    return proposed(cohort.federation, protection=["masked", "clear"])
