"""What jobs of statistics have brought."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from federation.statistics.pooling import PooledStatistics, read_pooled
from training.models.jobs import Job
from training.models.orders import Order


class ReleasedStatistics(models.Model):
    """What a job of statistics has released: the figures of all its silos together, as the bytes that were digested."""

    job = models.OneToOneField(Job, on_delete=models.CASCADE, related_name="released_statistics")
    document = models.BinaryField()
    digest = models.CharField(max_length=80)
    released_at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["-released_at"]

    def __str__(self) -> str:
        return f"statistics of {self.job_id}"

    @property
    def pooled(self) -> PooledStatistics:
        """The figures."""
        return read_pooled(bytes(self.document))


class StatisticsReport(models.Model):
    """What one silo has reported about it, as its signed answer names it: kept as evidence of how the figures came
    about.
    """

    order = models.OneToOneField(Order, primary_key=True, on_delete=models.CASCADE, related_name="statistics_report")
    document = models.BinaryField()

    def __str__(self) -> str:
        return f"statistics report to {self.order_id}"
