"""Jobs, rounds, steps, orders, submissions and evaluations."""

from training.models.jobs import CohortSeat, Job
from training.models.orders import Evaluation, KeptRefusal, Order, Submission
from training.models.rounds import Round, Step

__all__ = ["CohortSeat", "Evaluation", "Job", "KeptRefusal", "Order", "Round", "Step", "Submission"]
