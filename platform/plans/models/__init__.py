"""Plans, what people stated of them in the browser, and what their organisations signed: one noun a file."""

from plans.models.plan import TrainingPlan
from plans.models.reviews import CodeApproval, SignedReview, Verdict, Via

__all__ = ["CodeApproval", "SignedReview", "TrainingPlan", "Verdict", "Via"]
