"""Requests to the REST API as lines to copy: for a shell with curl, and for Python. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pprint import pformat
from typing import Any

WIDTH = 100


def curl(url: str, body: Mapping[str, Any] | None = None, *, once: bool = False) -> str:
    """A request with the token of the environment: POST of a body, or GET. `once` adds a key of idempotency."""
    lines = [f'curl --fail-with-body "{url}"', '-H "Authorization: Bearer $CONSILIENCE_TOKEN"']
    if once:
        lines.append('-H "Idempotency-Key: $(uuidgen)"')
    if body is not None:
        text = json.dumps(body, indent=2, ensure_ascii=False).replace("'", "'\\''")
        lines += ['-H "Content-Type: application/json"', f"-d '{text}'"]
    return " \\\n  ".join(lines)


def python(url: str, body: Mapping[str, Any]) -> str:
    """A POST with `requests`; a second run of the same lines is a second job, one of the same key is not."""
    by_name = pformat(dict(body), sort_dicts=False, width=WIDTH)
    return (
        "import os, uuid\n"
        "import requests\n\n"
        f"job = {by_name}\n"
        "answer = requests.post(\n"
        f'    "{url}",\n'
        "    json=job,\n"
        "    headers={\n"
        '        "Authorization": f"Bearer {os.environ[\'CONSILIENCE_TOKEN\']}",\n'
        '        "Idempotency-Key": str(uuid.uuid4()),\n'
        "    },\n"
        "    timeout=30,\n"
        ")\n"
        "print(answer.status_code, answer.json())\n"
    )
