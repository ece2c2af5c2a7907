// What every page does: times that stay true, things to copy, forms that are sent once.
const UNITS = [["year", 31536000], ["month", 2592000], ["week", 604800], ["day", 86400], ["hour", 3600], ["minute", 60]];

function said(moment) {
  const age = (Date.now() - moment) / 1000;
  const words = new Intl.RelativeTimeFormat(document.documentElement.lang, { numeric: "auto" });
  for (const [unit, length] of UNITS) {
    if (Math.abs(age) >= length) return words.format(-Math.round(age / length), unit);
  }
  return age < 0 ? document.body.dataset.inAMoment : document.body.dataset.justNow;
}

export function refreshTimes(root = document) {
  for (const time of root.querySelectorAll("time[data-relative]")) {
    const text = said(Date.parse(time.dateTime));
    if (time.textContent !== text) time.textContent = text;
  }
}

async function copy(button) {
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
  } catch {
    const field = document.createElement("textarea"); // where the clipboard is not open to pages (plain http)
    field.value = button.dataset.copy;
    field.className = "sr-only";
    document.body.append(field);
    field.select();
    document.execCommand("copy");
    field.remove();
    button.focus();
  }
  button.dataset.copied = "";
  const said = button.getAttribute("aria-label");
  button.setAttribute("aria-label", document.body.dataset.copied);
  setTimeout(() => {
    delete button.dataset.copied;
    button.setAttribute("aria-label", said);
  }, 1500);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy]");
  if (button) copy(button);
  if (event.target.closest("[data-print]")) window.print();
});

// A second press of the same button sends nothing.
document.addEventListener("submit", (event) => {
  if (event.target.method !== "post" || event.defaultPrevented) return;
  if (event.target.dataset.sent) event.preventDefault();
  event.target.dataset.sent = "yes";
});
window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
});

// What scrolls sideways can be reached and moved by keyboard as well.
export function openScrollers(root = document) {
  for (const part of root.querySelectorAll(".scroll")) {
    const moves = part.scrollWidth > part.clientWidth || part.scrollHeight > part.clientHeight;
    if (!moves || part.tabIndex === 0) continue;
    part.tabIndex = 0;
    part.setAttribute("role", "region");
    if (part.hasAttribute("aria-label")) continue;
    const heading = part.closest("section, form, figure, details, main")?.querySelector("caption, h2, h3, h1");
    part.setAttribute("aria-label", heading?.textContent.trim() || document.body.dataset.table);
  }
}

document.addEventListener("htmx:afterSwap", (event) => {
  refreshTimes(event.target);
  openScrollers(event.target);
});
document.addEventListener("toggle", (event) => openScrollers(event.target), true);
window.addEventListener("resize", () => openScrollers());
refreshTimes();
openScrollers();
setInterval(refreshTimes, 30000);
