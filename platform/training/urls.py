"""The pages of jobs; that of one job stands in `dashboards`."""

from django.urls import path

from training.launch import views as launch_views
from training.reading import control_views, views

_JOB = "jobs/<uuid:job_id>/"

urlpatterns = [
    path("consortia/<uuid:consortium_id>/launch/", launch_views.launch_training, name="job-launch"),
    path("consortia/<uuid:consortium_id>/launch/preview/", launch_views.preview_training, name="job-launch-preview"),
    path("model-versions/<uuid:version_id>/evaluate/", launch_views.launch_evaluation, name="job-evaluate"),
    path("consortia/<uuid:consortium_id>/statistics/", launch_views.launch_statistics, name="job-launch-statistics"),
    path(
        "consortia/<uuid:consortium_id>/statistics/preview/",
        launch_views.preview_statistics,
        name="job-launch-statistics-preview",
    ),
    path(
        "model-versions/<uuid:version_id>/evaluate/preview/",
        launch_views.preview_evaluation,
        name="job-evaluate-preview",
    ),
    path("jobs/", views.jobs, name="jobs"),
    path(f"{_JOB}pause/", control_views.steer, {"action": "pause"}, name="job-pause"),
    path(f"{_JOB}resume/", control_views.steer, {"action": "resume"}, name="job-resume"),
    path(f"{_JOB}cancel/", control_views.steer, {"action": "cancel"}, name="job-cancel"),
]
