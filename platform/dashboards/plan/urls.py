"""The pages of training plans, and what is done on them."""

from django.urls import path

from dashboards.plan import edit_views, views

_CONSORTIUM = "consortia/<uuid:consortium_id>/plans/"
_PLAN = "plans/<uuid:plan_id>/"

urlpatterns = [
    path(_CONSORTIUM, views.overview, name="consortium-plans"),
    path(f"{_CONSORTIUM}upload/", edit_views.upload, name="plan-upload"),
    path(_PLAN, views.plan, name="plan"),
    path(f"{_PLAN}source/", views.source, name="plan-source"),
    path(f"{_PLAN}reviews/", views.reviews, name="plan-reviews"),
    path(f"{_PLAN}propose/", edit_views.propose, name="plan-propose"),
    path(f"{_PLAN}signed-review/", edit_views.upload_review, name="plan-review-upload"),
    path(f"{_PLAN}members/<uuid:organisation_id>/review/", edit_views.review, name="plan-review"),
]
