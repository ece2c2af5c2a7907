"""The addresses of training plans under `/api/v1/`."""

from django.urls import path

from plans.api.plans import OnePlan, Plans, PlanSource, ProposePlan, Reviews

_PLAN = "plans/<uuid:plan_id>/"

urlpatterns = [
    path("plans/", Plans.as_view(), name="api-plans"),
    path(_PLAN, OnePlan.as_view(), name="api-plan"),
    path(f"{_PLAN}source/", PlanSource.as_view(), name="api-plan-source"),
    path(f"{_PLAN}propose/", ProposePlan.as_view(), name="api-plan-propose"),
    path(f"{_PLAN}reviews/", Reviews.as_view(), name="api-plan-reviews"),
]
