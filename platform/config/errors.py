"""What is answered where no view answers: problem details under `/api/` and `/connector/`, pages elsewhere."""

from __future__ import annotations

from collections.abc import Callable

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.template.loader import render_to_string

from federation.errors import FederationError
from rest.errors import BadRequest, Forbidden, NotFound, Problem, Unauthenticated
from rest.problems import plain_response, problem_of

MACHINE_PREFIXES = ("/api/", "/connector/")
_PAGES = {403: "errors/403.html", 404: "errors/404.html"}


class Broken(Problem):
    """Our fault."""

    status = 500


class ProblemPages:
    """Middleware: what a page's view raises of our own errors becomes a page that says so."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Nothing to do unless something is raised."""
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """An answer for our own errors; a stranger is asked to sign in. None for everything else."""
        if not isinstance(exception, FederationError):
            return None
        problem = problem_of(exception)
        return None if problem is None else _answer(request, problem)


def _answer(request: HttpRequest, problem: Problem) -> HttpResponse:
    if request.path.startswith(MACHINE_PREFIXES):
        return plain_response(problem)
    if isinstance(problem, Unauthenticated):
        return redirect_to_login(request.get_full_path())
    page = _PAGES.get(problem.status, "errors/problem.html")
    return render(request, page, {"problem": problem}, status=problem.status)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """400."""
    return _answer(request, BadRequest("request.malformed", "This request can't be read."))


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """403."""
    return _answer(request, Forbidden("permission.denied", "None of your roles allows this."))


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """404."""
    return _answer(request, NotFound("not_found", "There is nothing at this address."))


def csrf_failed(request: HttpRequest, reason: str = "") -> HttpResponse:
    """403, for a form that did not come from one of our own pages."""
    return _answer(request, Forbidden("csrf.failed", "The form did not come from our page, or it is too old."))


def broken(request: HttpRequest) -> HttpResponse:
    """500. Touches nothing that may be what broke: no database, no session."""
    problem = Broken("internal", "Something went wrong on our side. It has been written down.")
    if request.path.startswith(MACHINE_PREFIXES):
        return plain_response(problem)
    return HttpResponse(render_to_string("errors/500.html", {"problem": problem}), status=500)
