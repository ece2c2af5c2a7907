"""The addresses of jobs under `/api/v1/`."""

from django.urls import path

from training.launch.api_choices import ModelFamilies, Strategies
from training.reading.api_absences import Absences
from training.reading.api_following import JobEvents, JobManifest, JobStatistics, Metrics, Rounds
from training.reading.api_jobs import JobCancel, JobPause, JobQuote, JobResume, Jobs, OneJob

_JOB = "jobs/<uuid:job_id>/"

urlpatterns = [
    path("jobs/", Jobs.as_view(), name="api-jobs"),
    path("jobs/quote/", JobQuote.as_view(), name="api-job-quote"),
    path(_JOB, OneJob.as_view(), name="api-job"),
    path(f"{_JOB}pause/", JobPause.as_view(), name="api-job-pause"),
    path(f"{_JOB}resume/", JobResume.as_view(), name="api-job-resume"),
    path(f"{_JOB}cancel/", JobCancel.as_view(), name="api-job-cancel"),
    path(f"{_JOB}rounds/", Rounds.as_view(), name="api-job-rounds"),
    path(f"{_JOB}metrics/", Metrics.as_view(), name="api-job-metrics"),
    path(f"{_JOB}statistics/", JobStatistics.as_view(), name="api-job-statistics"),
    path(f"{_JOB}manifest/", JobManifest.as_view(), name="api-job-manifest"),
    path(f"{_JOB}events/", JobEvents.as_view(), name="api-job-events"),
    path("absences/", Absences.as_view(), name="api-absences"),
    path("model-families/", ModelFamilies.as_view(), name="api-model-families"),
    path("strategies/", Strategies.as_view(), name="api-strategies"),
]
