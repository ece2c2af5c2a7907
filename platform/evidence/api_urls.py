"""The addresses of evidence under `/api/v1/`."""

from django.urls import path

from evidence.api import JobEvidence

urlpatterns = [path("jobs/<uuid:job_id>/evidence/", JobEvidence.as_view(), name="api-job-evidence")]
