"""Pages that span apps."""

from django.urls import include, path

from dashboards import views

urlpatterns = [
    path("", views.home, name="home"),
    path("gallery/", views.gallery, name="gallery"),
    path("", include("dashboards.job.urls")),
]
