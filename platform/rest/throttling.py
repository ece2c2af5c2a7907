"""How often one may knock. While Redis is away nobody is kept out; what must stay slow (sign-in) counts elsewhere."""

from __future__ import annotations

import logging
from functools import cache, cached_property
from typing import TYPE_CHECKING

from django.core.cache import DEFAULT_CACHE_ALIAS, BaseCache, caches
from redis.exceptions import RedisError
from rest_framework.request import Request
from rest_framework.throttling import AnonRateThrottle, UserRateThrottle

if TYPE_CHECKING:  # REST framework reads its settings, which name this module, before its views are there
    from rest_framework.views import APIView

logger = logging.getLogger(__name__)


@cache
def _counters() -> BaseCache:
    """Where requests are counted: one pool of connections a process. Django's own proxy opens one for each request,
    since every request of an ASGI server has a context of its own.
    """
    return caches.create_connection(DEFAULT_CACHE_ALIAS)


class PerUser(UserRateThrottle):
    """So many requests a minute for each person, whatever token or session they come with."""

    @cached_property
    def cache(self) -> BaseCache:  # type: ignore[override]  # the framework has it as an attribute of the class
        """The counters."""
        return _counters()

    def get_cache_key(self, request: Request, view: APIView) -> str | None:
        """Strangers are counted by `PerAddress`."""
        if not request.user or not request.user.is_authenticated:
            return None
        return super().get_cache_key(request, view)

    def allow_request(self, request: Request, view: APIView) -> bool:
        """Whether there is room."""
        try:
            return super().allow_request(request, view)
        except RedisError:
            logger.warning("Redis is away: requests are not throttled.")
            return True


class PerAddress(AnonRateThrottle):
    """So many requests a minute for each address, for anyone who did not sign in."""

    @cached_property
    def cache(self) -> BaseCache:  # type: ignore[override]  # as above
        """The counters."""
        return _counters()

    def allow_request(self, request: Request, view: APIView) -> bool:
        """Whether there is room."""
        try:
            return super().allow_request(request, view)
        except RedisError:
            logger.warning("Redis is away: requests are not throttled.")
            return True
