"""What the tests of agreements share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from agreements.models import AgreementVersion
    from tests.support.cohort import Cohort


@pytest.fixture
def cohort(db: None, blob_root: object) -> Cohort:
    """A consortium whose members have agreed on nothing."""
    from tests.support.cohort import make_cohort  # Django is set up only after this file is read

    return make_cohort(agreed=False)


@pytest.fixture
def current(cohort: Cohort) -> AgreementVersion:
    """A version in force."""
    from tests.support.agreements import agreed

    return agreed(cohort.federation)


@pytest.fixture
def coming(cohort: Cohort, current: AgreementVersion) -> AgreementVersion:
    """The next one, proposed."""
    from tests.support.agreements import proposed

    return proposed(cohort.federation, protection=["masked", "clear"])
