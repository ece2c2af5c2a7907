"""The pages of one consortium, and what is done on them."""

from django.urls import path

from dashboards.consortium import edit_views, views

_CONSORTIUM = "consortia/<uuid:consortium_id>/"

urlpatterns = [
    path(_CONSORTIUM, views.overview, name="consortium"),
    path(f"{_CONSORTIUM}participants/", views.participants, name="consortium-participants"),
    path(f"{_CONSORTIUM}silos/", views.silos, name="consortium-silos"),
    path(f"{_CONSORTIUM}datasets/", views.datasets, name="consortium-datasets"),
    path(f"{_CONSORTIUM}jobs/", views.jobs, name="consortium-jobs"),
    path(f"{_CONSORTIUM}models/", views.models, name="consortium-models"),
    path(f"{_CONSORTIUM}activity/", views.activity, name="consortium-activity"),
    path(f"{_CONSORTIUM}settings/", edit_views.settings, name="consortium-settings"),
    path(f"{_CONSORTIUM}invite/", edit_views.invite, name="consortium-invite"),
    path(f"{_CONSORTIUM}roles/", edit_views.grant, name="consortium-roles"),
]
