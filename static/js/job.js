// The job page, live: an event of the job makes the moving part be fetched again. Where the stream of events is lost,
// the page looks by itself every few seconds. Without this script the page is still right when it is loaded again.
const live = document.getElementById("live");
const POLL_MS = 5000;
const GATHER_MS = 200;

let timer = null;
let poll = null;
let busy = false;
let again = false;
let stream = null;

async function refresh() {
  if (busy) {
    again = true;
    return;
  }
  busy = true;
  try {
    const answer = await fetch(live.dataset.live, { credentials: "same-origin", redirect: "error" });
    if (answer.ok) replace(await answer.text());
  } catch {
    // the network is away: the next event, or the next poll, tries again
  } finally {
    busy = false;
    if (again) {
      again = false;
      soon();
    }
  }
}

function replace(html) {
  const focused = live.contains(document.activeElement) ? document.activeElement.id : "";
  live.innerHTML = html; // our own server's template, escaped there
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  if (live.querySelector('[data-ended="yes"]')) stop();
}

function soon() {
  if (timer === null) {
    timer = setTimeout(() => {
      timer = null;
      refresh();
    }, GATHER_MS);
  }
}

function stop() {
  clearInterval(poll);
  stream?.close();
}

function follow() {
  stream = new EventSource(live.dataset.events);
  const kinds = [
    "job.launched", "job.running", "job.paused", "job.completed", "job.failed", "job.cancelled",
    "round.opened", "round.closed", "round.abandoned", "round.updates_deleted",
    "order.submitted", "order.refused", "update.rejected",
  ];
  for (const kind of kinds) stream.addEventListener(kind, soon);
  stream.addEventListener("end", () => {
    soon();
    stream.close();
  });
  stream.addEventListener("open", () => {
    clearInterval(poll);
    poll = null;
  });
  stream.addEventListener("error", () => {
    poll ??= setInterval(refresh, POLL_MS);
  });
}

follow();
