// The overview of a job, live: an event of the job makes the moving parts be fetched again, and the charts where there is
// something new to draw. Where the stream of events is lost, the page looks by itself every few seconds; while nobody looks
// at the page, it rests. Without this script the page is still right when it is loaded again.
import { redraw } from "./plot.js";
import { refreshTimes } from "./page.js";

const live = document.getElementById("live");
const POLL_MS = 5000;
const GATHER_MS = 250;

let timer = null;
let poll = null;
let busy = false;
let again = false;
let stream = null;
let tag = "";
let last = live.dataset.events;

async function refresh() {
  if (busy) {
    again = true;
    return;
  }
  busy = true;
  try {
    const answer = await fetch(live.dataset.live, { credentials: "same-origin", redirect: "error" });
    if (answer.ok) replace(await answer.text());
    await charts();
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

async function charts() {
  const answer = await fetch(live.dataset.charts, { credentials: "same-origin", redirect: "error", headers: tag ? { "If-None-Match": tag } : {} });
  if (answer.status !== 200) return;
  tag = answer.headers.get("ETag") ?? "";
  const told = await answer.json();
  for (const [key, chart] of Object.entries(told)) {
    // the first evaluation brings charts where there were none: then the page is fetched whole
    if (!redraw(key, chart)) location.reload();
  }
}

function replace(html) {
  const fresh = new DOMParser().parseFromString(html, "text/html"); // our own server's template, escaped there
  const focused = document.activeElement?.closest(".live-part") ? document.activeElement.id : "";
  for (const part of fresh.querySelectorAll(".live-part")) document.getElementById(part.id)?.replaceWith(part);
  refreshTimes(live);
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  if (live.querySelector('[data-ended="yes"]')) stop();
}

function soon() {
  timer ??= setTimeout(() => {
    timer = null;
    refresh();
  }, GATHER_MS);
}

function stop() {
  clearInterval(poll);
  poll = null;
  stream?.close();
  stream = null;
}

const KINDS = [
  "job.launched", "job.running", "job.paused", "job.completed", "job.failed", "job.cancelled",
  "round.opened", "round.closed", "round.abandoned", "round.updates_deleted",
  "order.submitted", "order.refused", "update.rejected",
];

function follow() {
  stream = new EventSource(last);
  for (const kind of KINDS) {
    stream.addEventListener(kind, (event) => {
      if (event.lastEventId) last = last.replace(/after=\d+/, `after=${event.lastEventId}`);
      soon();
    });
  }
  stream.addEventListener("end", () => {
    soon();
    stop();
  });
  stream.addEventListener("open", () => {
    clearInterval(poll);
    poll = null;
  });
  stream.addEventListener("error", () => {
    poll ??= setInterval(refresh, POLL_MS);
  });
}

// A page that nobody sees holds no stream open and asks for nothing.
document.addEventListener("visibilitychange", () => {
  if (live.querySelector('[data-ended="yes"]')) return;
  if (document.hidden) stop();
  else {
    refresh();
    follow();
  }
});
if (!document.hidden) follow();
