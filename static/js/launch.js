// The launch form: only the chosen family's and strategy's settings are shown, and datasets that can't join those that are
// ticked say why. Without this script everything is shown, and the server says the same when the form is sent.
const form = document.querySelector("form[data-launch]");
const words = form.dataset; // in the reader's language

function showSettings(kind) {
  const chosen = form.querySelector(`input[name="${kind}"]:checked`)?.value;
  for (const group of form.querySelectorAll(`fieldset[data-for="${kind}"]`)) group.hidden = group.dataset.choice !== chosen;
}

function markDatasets() {
  const boxes = [...form.querySelectorAll('input[name="datasets"]')];
  const ticked = boxes.filter((box) => box.checked);
  const schemas = new Set(ticked.map((box) => box.closest("tbody").dataset.schema));
  const silos = new Map(ticked.map((box) => [box.dataset.silo, box]));
  for (const box of boxes) {
    const row = box.closest("tr");
    const other = schemas.size > 0 && (!schemas.has(box.closest("tbody").dataset.schema) || (box.checked && schemas.size > 1));
    const twice = silos.has(box.dataset.silo) && silos.get(box.dataset.silo) !== box;
    const why = other ? words.otherSchema : twice ? words.sameSilo : box.checked ? words.chosenAlready : words.free;
    row.toggleAttribute("data-chosen", box.checked);
    row.toggleAttribute("data-barred", other || twice);
    row.querySelector("[data-match]").textContent = why;
    box.disabled = !box.checked && (other || twice);
  }
  for (const group of form.querySelectorAll("tbody[data-schema]")) {
    const button = group.querySelector("[data-choose]");
    const mine = [...group.querySelectorAll('input[name="datasets"]')];
    button.hidden = false;
    button.disabled = schemas.size > 0 && !schemas.has(group.dataset.schema);
    button.textContent = mine.some((box) => box.checked) && mine.every((box) => box.checked || box.disabled) ? words.chooseNone : words.chooseAll;
  }
}

function chooseAll(button) {
  const mine = [...button.closest("tbody").querySelectorAll('input[name="datasets"]')];
  const wanted = button.textContent === words.chooseAll;
  const seen = new Set();
  for (const box of mine) {
    box.checked = wanted && !seen.has(box.dataset.silo);
    seen.add(box.dataset.silo);
  }
  mine[0]?.dispatchEvent(new Event("change", { bubbles: true }));
}

for (const kind of ["model", "strategy"]) showSettings(kind);
markDatasets();
form.addEventListener("change", (event) => {
  if (["model", "strategy"].includes(event.target.name)) showSettings(event.target.name);
  if (event.target.name === "datasets") markDatasets();
});
form.addEventListener("click", (event) => {
  const button = event.target.closest("[data-choose]");
  if (button) chooseAll(button);
});
addEventListener("pageshow", markDatasets); // a browser that goes back keeps what was ticked

// What was unfolded of the part that is fetched again stays so.
let unfolded = [];
document.addEventListener("htmx:beforeSwap", () => {
  unfolded = [...document.querySelectorAll("#preview details")].map((one) => one.open);
});
document.addEventListener("htmx:afterSettle", () => {
  document.querySelectorAll("#preview details").forEach((one, place) => { one.open = unfolded[place] ?? false; });
});
