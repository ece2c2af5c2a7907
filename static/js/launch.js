// The launch form: of families and strategies, only the chosen one's settings are shown. Without this script all are.
for (const kind of ["model", "strategy"]) {
  const select = document.querySelector(`form[data-launch] select[name="${kind}"]`);
  if (!select) continue;
  const show = () => {
    for (const group of document.querySelectorAll(`fieldset[data-for="${kind}"]`)) {
      group.hidden = group.dataset.choice !== select.value;
    }
  };
  select.addEventListener("change", show);
  show();
}
