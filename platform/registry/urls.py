"""The list of models; the page of one stands in `dashboards`."""

from django.urls import path

from registry import views

urlpatterns = [
    path("models/", views.models, name="models"),
]
