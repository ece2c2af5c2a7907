"""Pages that span apps."""

from django.urls import include, path

from dashboards import compare, datasets, views

urlpatterns = [
    path("", views.home, name="home"),
    path("gallery/", views.gallery, name="gallery"),
    path("jobs/compare/", compare.compare, name="jobs-compare"),
    path("datasets/<uuid:dataset_id>/", datasets.dataset, name="dataset"),
    path("", include("dashboards.job.urls")),
    path("", include("dashboards.activity.urls")),
    path("", include("dashboards.consortium.urls")),
]
