"""Jobs, rounds, steps, orders, submissions and evaluations."""

from training.models.checkpoints import CheckpointOrder
from training.models.jobs import CohortSeat, Job
from training.models.orders import Evaluation, KeptRefusal, Order, Submission
from training.models.rounds import Round, Step
from training.models.uploads import Upload

__all__ = [
    "CheckpointOrder",
    "CohortSeat",
    "Evaluation",
    "Job",
    "KeptRefusal",
    "Order",
    "Round",
    "Step",
    "Submission",
    "Upload",
]
