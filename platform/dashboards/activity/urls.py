"""The pages of what happened."""

from django.urls import path

from dashboards.activity import chains, views

urlpatterns = [
    path("activity/", views.activity, name="activity"),
    path("activity/chains/", chains.chains, name="activity-chains"),
    path("activity/events.csv", views.as_csv, name="activity-csv"),
    path("activity/events.json", views.as_json, name="activity-json"),
]
