"""Pages that span apps."""

from django.urls import include, path

from dashboards import compare, datasets, find_data, glossary, tutorial, views

urlpatterns = [
    path("", views.home, name="home"),
    path("tutorial/", tutorial.tutorial, name="tutorial"),
    path("help/glossary/", glossary.glossary, name="glossary"),
    path("gallery/", views.gallery, name="gallery"),
    path("jobs/compare/", compare.compare, name="jobs-compare"),
    path("datasets/for-a-purpose/", find_data.find, name="find-data"),
    path("datasets/<uuid:dataset_id>/", datasets.dataset, name="dataset"),
    path("", include("dashboards.job.urls")),
    path("", include("dashboards.activity.urls")),
    path("", include("dashboards.agreement.urls")),
    path("", include("dashboards.plan.urls")),
    path("", include("dashboards.consortium.urls")),
    path("", include("dashboards.model.urls")),
]
