"""Jobs, rounds, steps, orders, submissions, evaluations and statistics."""

from training.models.jobs import CohortMember, Job
from training.models.orders import Evaluation, Order, Payload, RefusalDocument, Submission
from training.models.rounds import Round, Step
from training.models.statistics import ReleasedStatistics, StatisticsReport
from training.models.uploads import Upload

__all__ = [
    "CohortMember",
    "Evaluation",
    "Job",
    "Order",
    "Payload",
    "RefusalDocument",
    "ReleasedStatistics",
    "Round",
    "StatisticsReport",
    "Step",
    "Submission",
    "Upload",
]
