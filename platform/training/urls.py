"""The pages of jobs."""

from django.urls import path

from training import launch_views, views

_JOB = "jobs/<uuid:job_id>/"

urlpatterns = [
    path("consortia/<uuid:consortium_id>/launch/", launch_views.launch_training, name="job-launch"),
    path("model-versions/<uuid:version_id>/evaluate/", launch_views.launch_evaluation, name="job-evaluate"),
    path("jobs/", views.jobs, name="jobs"),
    path(_JOB, views.job, name="job"),
    path(f"{_JOB}live/", views.job_live, name="job-live"),
    path(f"{_JOB}rounds/", views.job_rounds, name="job-rounds"),
    path(f"{_JOB}rounds/<int:number>/<int:attempt>/", views.job_round, name="job-round"),
    path(f"{_JOB}pause/", views.steer, {"action": "pause"}, name="job-pause"),
    path(f"{_JOB}resume/", views.steer, {"action": "resume"}, name="job-resume"),
    path(f"{_JOB}cancel/", views.steer, {"action": "cancel"}, name="job-cancel"),
]
