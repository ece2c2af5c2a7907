"""REST: silos, their enrolment, and the datasets that they offer."""
