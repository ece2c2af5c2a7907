"""The pages of what happened."""

from django.urls import path

from dashboards.activity import views

urlpatterns = [
    path("activity/", views.activity, name="activity"),
    path("activity/events.csv", views.as_csv, name="activity-csv"),
    path("activity/events.json", views.as_json, name="activity-json"),
]
