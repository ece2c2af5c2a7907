"""What the tests of training plans share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from plans.models import TrainingPlan
    from tests.support.cohort import Cohort


@pytest.fixture
def cohort(db: None, blob_root: object) -> Cohort:
    """A consortium whose members have agreed on nothing."""
    from tests.support.cohort import make_cohort  # Django is set up only after this file is read

    return make_cohort(agreed=False)


@pytest.fixture
def plan(cohort: Cohort) -> TrainingPlan:
    """A plan that the scientist has uploaded."""
    from tests.support.plans import uploaded

    return uploaded(cohort.federation.consortium, cohort.scientist)
