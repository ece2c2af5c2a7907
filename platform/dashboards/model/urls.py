"""The page of one model."""

from django.urls import path

from dashboards.model import views

urlpatterns = [
    path("models/<uuid:model_id>/", views.model, name="model"),
    path("model-versions/<uuid:version_id>/confirm-release/", views.confirm, name="confirm-release"),
]
