"""The lines of the tutorial. Each step goes on from the ones before it, in one shell or one Python session. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pprint import pformat
from typing import Any

from django.utils.translation import gettext as _

from training.launch.snippets import WIDTH

GET = 'curl --silent --show-error --fail-with-body -H "Authorization: Bearer $CONSILIENCE_TOKEN"'
POST = f'{GET} -H "Content-Type: application/json"'
WAIT_S = 2


@dataclass(frozen=True)
class Step:
    """What to do, why, and the lines for it."""

    title: str
    text: str
    curl: str
    python: str


def steps(api: str, body: Mapping[str, Any]) -> tuple[Step, ...]:
    """From finding data to the model's file. The token is in the environment by then."""
    text = json.dumps(body, indent=2).replace("'", "'\\''")
    return (
        Step(
            _("See what there is"),
            _(
                "Your consortia, and the datasets that their silos have described. Those with the same schema_digest "
                "can train together."
            ),
            f'API="{api}"\n{GET} "$API/consortia/"\n{GET} "$API/datasets/?consortium={body["consortium"]}"',
            "import os, time, uuid\nimport requests\n\n"
            f'api = "{api}"\nsession = requests.Session()\n'
            'session.headers["Authorization"] = f"Bearer {os.environ[\'CONSILIENCE_TOKEN\']}"\n\n'
            "def get(path, **params):\n"
            "    answer = session.get(api + path, params=params, timeout=30)\n"
            "    answer.raise_for_status()\n"
            "    return answer.json()\n\n"
            'for one in get("/consortia/")["results"]:\n    print(one["id"], one["name"])\n'
            f'for one in get("/datasets/", consortium="{body["consortium"]}")["results"]:\n'
            '    print(one["id"], one["title"], one["schema_digest"])',
        ),
        Step(
            _("Ask what it takes"),
            _(
                "A quote has every check of a launch and changes nothing. It shows who takes part, how "
                "many parameters the model has, and how many bytes travel."
            ),
            f'JOB=\'{text}\'\n{POST} "$API/jobs/quote/" -d "$JOB"',
            f"job = {pformat(dict(body), sort_dicts=False, width=WIDTH)}\n"
            'quote = session.post(api + "/jobs/quote/", json=job, timeout=30)\n'
            "print(quote.status_code, quote.json())",
        ),
        Step(
            _("Launch"),
            _("The same body. With an Idempotency-Key it is launched once, however often the request is sent."),
            f'ID=$({POST} -H "Idempotency-Key: $(cat /proc/sys/kernel/random/uuid)" "$API/jobs/" -d "$JOB" \\\n'
            "  | python3 -c 'import json, sys; print(json.load(sys.stdin)[\"id\"])')\n"
            'echo "$ID"',
            'key = {"Idempotency-Key": str(uuid.uuid4())}\n'
            'launched = session.post(api + "/jobs/", json=job, headers=key, timeout=30)\n'
            'launched.raise_for_status()\njob_id = launched.json()["id"]\nprint(job_id)',
        ),
        Step(
            _("Follow"),
            _(
                "Every silo trains in every round. Ask until the job has ended; its metrics show how the "
                "model does at each silo."
            ),
            "STATE=queued\n"
            'while [ "$STATE" = queued ] || [ "$STATE" = running ]; do\n'
            f"  sleep {WAIT_S}\n"
            f'  STATE=$({GET} "$API/jobs/$ID/" \\\n'
            "    | python3 -c 'import json, sys; print(json.load(sys.stdin)[\"state\"])')\n"
            '  echo "$STATE"\n'
            "done\n"
            f'{GET} "$API/jobs/$ID/metrics/"',
            'while (state := get(f"/jobs/{job_id}/")["state"]) in ("queued", "running"):\n'
            f"    print(state)\n    time.sleep({WAIT_S})\n"
            'print(state, get(f"/jobs/{job_id}/metrics/")["results"][-1])',
        ),
        Step(
            _("Take the model"),
            _("The version that is best over the silos, as safetensors. Its card says what goes in and out."),
            f'VERSION=$({GET} "$API/models/?job=$ID" \\\n'
            '  | python3 -c \'import json, sys; print(json.load(sys.stdin)["results"][0]["best_version"])\')\n'
            f'{GET} "$API/model-versions/$VERSION/card/"\n'
            f'{GET} "$API/model-versions/$VERSION/download/" -o model.safetensors',
            'version = get("/models/", job=job_id)["results"][0]["best_version"]\n'
            'print(get(f"/model-versions/{version}/card/")["metrics"]["combined"])\n'
            'weights = session.get(api + f"/model-versions/{version}/download/", timeout=300)\n'
            "weights.raise_for_status()\n"
            'with open("model.safetensors", "wb") as file:\n    file.write(weights.content)',
        ),
    )
