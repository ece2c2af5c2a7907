"""Jobs, rounds, steps, orders, submissions, evaluations and statistics."""

from training.models.jobs import CohortSeat, Job
from training.models.orders import Evaluation, Order, Payload, RefusalDocument, Submission
from training.models.rounds import Round, Step
from training.models.statistics import ReleasedStatistics, StatisticsReport
from training.models.uploads import Upload

__all__ = [
    "CohortSeat",
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
