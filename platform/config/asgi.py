"""The web process: Django for pages and REST; beside it, raw ASGI for what waits or streams."""

import asyncio
import os

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.exceptions import ImproperlyConfigured

from config import environment as env

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
if env.text("PLATFORM_SIGNING_KEY_FILE", ""):
    raise ImproperlyConfigured(
        "The web process must not hold the platform's signing key. "
        "Take PLATFORM_SIGNING_KEY_FILE out of web's environment; only the worker needs it."
    )
django = get_asgi_application()

from agreements.connector import accept_document  # noqa: E402 - the apps must be loaded before anything imports a model
from artefacts import signed_urls  # noqa: E402
from artefacts.asgi import ArtefactsApplication  # noqa: E402
from artefacts.checks import log_unsafe_locks  # noqa: E402
from config import health  # noqa: E402
from config.strangers import BoundedBodies, BoundedRequests  # noqa: E402
from federation.errors import FederationError  # noqa: E402
from plans.connector import accept_review_document  # noqa: E402
from realtime import database  # noqa: E402
from realtime.http import Receive, Scope, Send, answer_problem, headers_of  # noqa: E402
from realtime.hub import hub  # noqa: E402
from rest.bearer import check_bearer_place  # noqa: E402
from silos.connector import PREFIX, ConnectorApplication  # noqa: E402
from training.engine.long_poll import accept_answer, accept_heartbeat, wait_for_orders  # noqa: E402
from training.engine.uploads import OrderUploads  # noqa: E402
from training.reading.event_stream import PATH as EVENTS  # noqa: E402
from training.reading.event_stream import stream_events  # noqa: E402

artefacts = ArtefactsApplication(OrderUploads())
connector = ConnectorApplication(
    handlers={
        "submissions": accept_answer,
        "heartbeat": accept_heartbeat,
        "agreements": accept_document,
        "code-reviews": accept_review_document,
    },
    waiting={"orders": wait_for_orders},
)


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Hand a connection to whom it is for, as the first hop that is no proxy of ours made it."""
    if scope["type"] == "lifespan":
        await _lifespan(receive, send)
        return
    scope = settings.TRUSTED_PROXIES.seen_through(scope)
    try:
        check_bearer_place(scope["path"], headers_of(scope).get("authorization", ""))
    except FederationError as error:
        await answer_problem(send, error)
        return
    if scope["type"] == "http" and scope["path"] in health.PATHS:
        await health.application(scope, receive, send)
    else:
        await requests(scope, receive, send)


async def _hand_over(scope: Scope, receive: Receive, send: Send) -> None:
    if settings.MAINTENANCE:
        await pages(scope, receive, send)
    elif scope["type"] == "http" and scope["path"].startswith((signed_urls.BLOBS, signed_urls.UPLOADS)):
        await artefacts(scope, receive, send)
    elif scope["type"] == "http" and scope["path"].startswith(PREFIX):
        await connector(scope, receive, send)
    elif scope["type"] == "http" and EVENTS.fullmatch(scope["path"]):
        await stream_events(scope, receive, send)
    else:
        await pages(scope, receive, send)


async def _ask_django(scope: Scope, receive: Receive, send: Send) -> None:
    await django(dict(scope), receive, send)  # type: ignore[arg-type]


pages = BoundedBodies(_ask_django)
requests = BoundedRequests(_hand_over)


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            await asyncio.to_thread(log_unsafe_locks)
            await send({"type": "lifespan.startup.complete"})
        elif message["type"] == "lifespan.shutdown":
            await hub.close()
            await asyncio.to_thread(database.close)
            await send({"type": "lifespan.shutdown.complete"})
            return
