// Draws every chart of a page: figures come as JSON beside them, colours and type from the page's own style sheet.
// A trace says what it is in `meta` ({series: 3} or {role: "combined"}); how that looks is decided here alone.
const DASHES = ["solid", "dot", "dash", "dashdot"];
const MARKS = ["circle", "square", "diamond", "triangle-up"];
const CONFIG = { typesetMath: false, displayModeBar: false, doubleClick: "reset", showTips: false, scrollZoom: false };
// numbers on hover are written as the page writes them
const PARTS = new Intl.NumberFormat(document.documentElement.lang).formatToParts(12345.6);
const SEPARATORS = ["decimal", "group"].map((kind) => PARTS.find((part) => part.type === kind).value).join("");
const probe = document.createElement("span");
probe.hidden = true;
document.body.append(probe);

// a plot follows the room that it has, which changes with the window and with what stands beside it
const room = new ResizeObserver((entries) => {
  for (const { target, contentRect } of entries) {
    if (!target._fullLayout || !contentRect.width) continue;
    // a legend that now needs fewer lines stays where it was until the layout is made once more
    Plotly.Plots.resize(target).then(() => target._fullLayout && Plotly.relayout(target, { "legend.y": 1.02 }));
  }
});

function colour(name) {
  probe.style.color = `var(--${name})`;
  return getComputedStyle(probe).color;
}

function faded(rgb, part) {
  return rgb.replace(/^rgb\(/, "rgba(").replace(/\)$/, `, ${part})`);
}

function dressed(trace) {
  const { series, role } = trace.meta ?? {};
  const mine = series === undefined ? colour({ combined: "text", good: "good", bad: "bad", quiet: "line-strong" }[role] ?? "accent") : colour(`series-${series % 8}`);
  const cycle = series === undefined ? 0 : Math.floor(series / 8) % 4;
  const line = { color: mine, width: role === "combined" ? 3 : 1.75, dash: DASHES[cycle], ...trace.line };
  const marker = { color: mine, size: 6, symbol: MARKS[cycle], ...trace.marker };
  if (trace.type === "bar") return { ...trace, marker: { color: mine, line: { width: 0 }, ...trace.marker } };
  return { ...trace, line, marker };
}

function axis(given, text, line) {
  const { title, ...rest } = given ?? {};
  return {
    gridcolor: line, zeroline: false, linecolor: line, tickcolor: line, automargin: true, fixedrange: true,
    tickfont: { color: text, size: 12 }, ...rest, title: { text: title ?? "", font: { color: text, size: 12 }, standoff: 8 },
  };
}

function layout(given) {
  const text = colour("text-quiet");
  const strong = colour("text");
  const line = faded(colour("line-strong"), 0.25);
  const axes = Object.fromEntries(
    Object.entries({ xaxis: {}, yaxis: {}, ...given }).filter(([name]) => /^[xy]axis\d*$/.test(name)).map(([name, own]) => [name, axis(own, text, line)]),
  );
  return {
    margin: { l: 8, r: 8, t: 8, b: 8 }, hovermode: "closest", dragmode: false, showlegend: true, barmode: "stack", bargap: 0.25,
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { family: getComputedStyle(document.body).fontFamily, color: text, size: 12 },
    legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0, traceorder: "normal", font: { color: strong, size: 12 }, itemclick: "toggle", itemdoubleclick: "toggleothers" },
    hoverlabel: { bgcolor: colour("raised"), bordercolor: colour("line-strong"), font: { color: strong, size: 12 }, align: "left", namelength: 0 },
    separators: SEPARATORS, ...given, ...axes,
    shapes: (given.shapes ?? []).map((shape) => ({ ...shape, line: { color: text, ...shape.line } })),
  };
}

function draw(chart) {
  const place = chart.querySelector(".plot");
  const source = chart.querySelector('script[type="application/json"]');
  if (!place || !source || chart.closest("[hidden]")) return;
  const figure = JSON.parse(source.textContent);
  place.classList.remove("skeleton");
  Plotly.react(place, figure.data.map(dressed), layout(figure.layout ?? {}), CONFIG);
  room.observe(place);
}

export function drawAll(root = document) {
  for (const chart of root.querySelectorAll("[data-chart]")) draw(chart);
}

// Newer figures for a chart that stands on the page: drawn over it, and its table written anew.
export function redraw(key, { figure, headings, rows }) {
  const chart = document.querySelector(`[data-chart="${CSS.escape(key)}"]`);
  if (!chart) return;
  chart.querySelector('script[type="application/json"]').textContent = JSON.stringify(figure);
  chart.querySelector("tbody").replaceChildren(
    ...rows.map((cells) => {
      const line = document.createElement("tr");
      cells.forEach((cell, place) => {
        const one = document.createElement(place ? "td" : "th");
        if (place) one.className = "number";
        else one.scope = "row";
        one.textContent = cell ?? "–";
        line.append(one);
      });
      return line;
    }),
  );
  chart.querySelector("thead tr").replaceChildren(
    ...headings.map((heading, place) => {
      const one = document.createElement("th");
      one.scope = "col";
      if (place) one.className = "number";
      one.textContent = heading;
      return one;
    }),
  );
  chart.closest("section[hidden]")?.toggleAttribute("hidden", rows.length === 0);
  draw(chart);
}

// When a part of the page was fetched again, the plots in it are let go before and drawn after.
export function purge(root) {
  for (const place of root.querySelectorAll(".js-plotly-plot")) {
    room.unobserve(place);
    Plotly.purge(place);
  }
}

drawAll();
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawAll());
document.addEventListener("htmx:beforeSwap", (event) => purge(event.target));
document.addEventListener("htmx:afterSwap", (event) => drawAll(event.target));
