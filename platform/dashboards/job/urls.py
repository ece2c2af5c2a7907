"""The pages of one job."""

from django.urls import path

from dashboards.job import downloads, statistics, views

_JOB = "jobs/<uuid:job_id>/"

urlpatterns = [
    path(_JOB, views.overview, name="job"),
    path(f"{_JOB}live/", views.live, name="job-live"),
    path(f"{_JOB}charts/", views.charts, name="job-charts"),
    path(f"{_JOB}rounds/", views.rounds, name="job-rounds"),
    path(f"{_JOB}rounds/<int:number>/<int:attempt>/", views.one_round, name="job-round"),
    path(f"{_JOB}silos/", views.silos, name="job-silos"),
    path(f"{_JOB}configuration/", views.configuration, name="job-configuration"),
    path(f"{_JOB}events/", views.events, name="job-record"),
    path(f"{_JOB}report/", views.report, name="job-report"),
    path(f"{_JOB}statistics/", statistics.page, name="job-statistics"),
    path(f"{_JOB}statistics.csv", statistics.as_csv, name="job-statistics-csv"),
    path(f"{_JOB}figures.csv", downloads.as_csv, name="job-csv"),
    path(f"{_JOB}figures.json", downloads.as_json, name="job-json"),
]
