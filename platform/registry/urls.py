"""The pages of models."""

from django.urls import path

from registry import views

urlpatterns = [
    path("models/", views.models, name="models"),
    path("models/<uuid:model_id>/", views.model, name="model"),
]
