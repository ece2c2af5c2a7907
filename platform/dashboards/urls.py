"""Pages that span apps."""

from django.urls import path

from dashboards import views

urlpatterns = [path("", views.home, name="home"), path("gallery/", views.gallery, name="gallery")]
