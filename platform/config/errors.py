"""What is answered where no view answers: problem details under `/api/` and `/connector/`, pages elsewhere."""

from __future__ import annotations

from collections.abc import Callable

from allauth.account.internal.flows.reauthentication import suspend_request
from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import reverse

from accounts.languages import activate_language_of
from accounts.models import User
from accounts.second_factor.requirements import FactorNotFresh
from federation.errors import FederationError
from rest.errors import BadRequest, Forbidden, NotFound, Problem, TooMany, Unauthenticated, Unavailable
from rest.problems import plain_response, problem_of

MACHINE_PREFIXES = ("/api/", "/connector/")
MAINTENANCE_RETRY_S = 120
_PAGES = {status: f"errors/{status}.html" for status in (400, 403, 404, 429, 503)}


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
        if isinstance(exception, FactorNotFresh) and not request.path.startswith(MACHINE_PREFIXES):
            # asks for the code, and goes on with the form afterwards
            asked: HttpResponse = suspend_request(request, reverse("mfa_reauthenticate"))
            return asked
        problem = problem_of(exception)
        return None if problem is None else answer_page(request, problem)


def answer_page(request: HttpRequest, problem: Problem) -> HttpResponse:
    """The page of a problem, with what to do and the id to quote; the problem itself for a machine."""
    if request.path.startswith(MACHINE_PREFIXES):
        return plain_response(problem)
    if isinstance(problem, Unauthenticated):
        return redirect_to_login(request.get_full_path())
    user = getattr(request, "user", None)
    if isinstance(user, User):  # an address that leads nowhere has no view, before which this would have been done
        activate_language_of(user)
    page = _PAGES.get(problem.status, "errors/problem.html")
    response = render(request, page, _reported(request, problem), status=problem.status)
    for name, value in problem.headers.items():
        response.headers[name] = value
    return response


def _reported(request: HttpRequest, problem: Problem) -> dict[str, object]:
    wait_s = int(problem.headers.get("Retry-After", 0))
    return {
        "problem": problem,
        "request_id": getattr(request, "request_id", ""),
        "wait_minutes": -(-wait_s // 60),
    }


def _answer_bare(request: HttpRequest, problem: Problem, page: str) -> HttpResponse:
    """Touches nothing that may be what is broken or away: no database, no session."""
    if request.path.startswith(MACHINE_PREFIXES):
        return plain_response(problem)
    body = render_to_string(page, _reported(request, problem))
    return HttpResponse(body, status=problem.status, headers=problem.headers)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """400."""
    return _answer_bare(request, BadRequest("request.malformed", "This request can't be read."), "errors/400.html")


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """403."""
    return answer_page(request, Forbidden("permission.denied", "None of your roles allows this."))


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """404."""
    return answer_page(request, NotFound("not_found", "There is nothing at this address."))


def csrf_failed(request: HttpRequest, reason: str = "") -> HttpResponse:
    """403, for a form that did not come from one of our own pages."""
    return answer_page(request, Forbidden("csrf.failed", "The form did not come from our page, or it is too old."))


def too_many(request: HttpRequest) -> HttpResponse:
    """429."""
    return answer_page(request, TooMany("throttled", "That was too often.", headers={"Retry-After": "60"}))


def broken(request: HttpRequest) -> HttpResponse:
    """500."""
    problem = Broken("internal", "Something went wrong on our side. It has been logged.")
    return _answer_bare(request, problem, "errors/500.html")


def under_maintenance(request: HttpRequest) -> HttpResponse:
    """503, while the platform's operators work on it."""
    wait = {"Retry-After": str(MAINTENANCE_RETRY_S)}
    problem = Unavailable("maintenance", "The platform is being worked on and will be back soon.", headers=wait)
    return _answer_bare(request, problem, "errors/503.html")
