// The overview of a job, live: an event of the job makes the moving parts be fetched again, and the charts where there is
// something new to draw. Where the stream of events is lost, the page looks by itself, less and less often while nothing
// moves; while nobody looks at the page, it rests, and once the job has ended, it asks no more. Without this script the
// page is still right when it is loaded again.
import { redraw } from "./plot.js";
import { openScrollers, refreshTimes } from "./page.js";

const live = document.getElementById("live");
const GATHER_MS = 250; // events come in flocks
const SPACING_MS = 2000; // between two looks at least, and several times as long as a look takes
const RETRY_MS = 5000;
const RETRY_MAX_MS = 60000;

let timer = null; // the next look
let retry = null; // the next try at a stream that was lost
let wait = RETRY_MS;
let busy = false;
let again = false;
let rested = 0; // from when on there may be another look
let stream = null;
let over = live.querySelector('[data-ended="yes"]') !== null;
let last = live.dataset.events;
const tags = {};

async function refresh() {
  if (busy) {
    again = true;
    return;
  }
  busy = true;
  const began = Date.now();
  try {
    const fragment = await fetched("live");
    if (fragment) replace(await fragment.text());
    const charts = await fetched("charts");
    if (charts) for (const [key, chart] of Object.entries(await charts.json())) redraw(key, chart);
    if (fragment || charts) wait = RETRY_MS;
  } catch {
    // the network is away: the next event, or the next try, looks again
  } finally {
    busy = false;
    rested = Date.now() + Math.max(SPACING_MS, 5 * (Date.now() - began));
    if (again) {
      again = false;
      soon();
    }
  }
}

// What has changed since it was last fetched, or null. Who may not see it any more, or has signed out, is not asked again.
async function fetched(name) {
  const headers = tags[name] ? { "If-None-Match": tags[name] } : {};
  const answer = await fetch(live.dataset[name], { credentials: "same-origin", redirect: "manual", headers });
  if (answer.type === "opaqueredirect" || [401, 403, 404].includes(answer.status)) finish();
  if (answer.status !== 200) return null;
  tags[name] = answer.headers.get("ETag") ?? "";
  return answer;
}

function replace(html) {
  const fresh = new DOMParser().parseFromString(html, "text/html"); // our own server's template, escaped there
  const focused = document.activeElement?.closest(".live-part") ? document.activeElement.id : "";
  for (const part of fresh.querySelectorAll(".live-part")) document.getElementById(part.id)?.replaceWith(part);
  refreshTimes(live);
  openScrollers(live);
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  if (live.querySelector('[data-ended="yes"]')) finish();
}

function soon() {
  if (document.hidden) return;
  timer ??= setTimeout(() => {
    timer = null;
    refresh();
  }, Math.max(GATHER_MS, rested - Date.now()));
}

function rest() {
  clearTimeout(timer);
  clearTimeout(retry);
  timer = retry = null;
  again = false;
  stream?.close();
  stream = null;
}

function finish() {
  over = true;
  rest();
}

const KINDS = [
  "job.launched", "job.running", "job.paused", "job.completed", "job.failed", "job.cancelled",
  "round.opened", "round.closed", "round.abandoned", "round.updates_deleted",
  "order.submitted", "order.refused", "update.rejected", "passport.issued",
];

function follow() {
  if (over || document.hidden) return;
  stream?.close();
  stream = new EventSource(last);
  for (const kind of KINDS) {
    stream.addEventListener(kind, (event) => {
      if (event.lastEventId) last = last.replace(/after=\d+/, `after=${event.lastEventId}`);
      soon();
    });
  }
  stream.addEventListener("end", () => {
    rest();
    soon();
  });
  stream.addEventListener("open", () => {
    wait = RETRY_MS;
  });
  // The browser would try again every few seconds for ever.
  stream.addEventListener("error", () => {
    stream?.close();
    stream = null;
    if (over || retry !== null) return;
    retry = setTimeout(async () => {
      retry = null;
      await refresh();
      follow();
    }, wait * (0.75 + Math.random() / 2));
    wait = Math.min(2 * wait, RETRY_MAX_MS);
  });
}

// A page that nobody sees holds no stream open and asks for nothing.
document.addEventListener("visibilitychange", () => {
  if (over) return;
  rest();
  if (document.hidden) return;
  wait = RETRY_MS;
  soon();
  follow();
});
follow();
