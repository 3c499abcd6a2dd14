"use strict";
// Texts are only ever put in as text, never as HTML.
const data = JSON.parse(document.getElementById("data").textContent);
const find = (id) => document.getElementById(id);
const candidates = [...document.querySelectorAll("#candidates tbody tr")];

function fill(table, rows) {
  table.replaceChildren();
  for (const cells of rows) {
    const line = table.insertRow();
    for (const text of cells) line.insertCell().textContent = text;
  }
}

function choose(number) {
  const found = data.details[number];
  if (!found) return;
  find("details-title").textContent = found.title;
  find("details-state").textContent = found.state;
  find("details-hash").textContent = found.hash;
  find("details-spec").textContent = found.spec;
  fill(find("details-decisions"), found.decisions);
  fill(find("details-measures"), found.measures);
  fill(find("details-stages"), [["", "parameters", "multiply-adds"], ...found.stages]);
  find("details-hint").hidden = true;
  find("details-body").hidden = false;
  for (const row of candidates) row.classList.toggle("chosen", row.dataset.number === String(number));
}

function selectable(name, figures) {
  const list = find(`${name}-choice`);
  const place = find(name);
  for (const key of Object.keys(figures)) list.add(new Option(key, key));
  list.parentElement.hidden = list.options.length < 2;
  if (!list.options.length) { place.textContent = "Nothing was measured yet."; return; }
  const draw = () => {
    const figure = figures[list.value];
    Plotly.react(place, figure.data, figure.layout, { responsive: true, displaylogo: false });
  };
  draw();
  place.on("plotly_click", (event) => choose(event.points[0].customdata));
  list.addEventListener("change", draw);
}

function within(value, range) {
  const ranges = Array.isArray(range[0]) ? range : [range];
  return ranges.some(([low, high]) => value >= low && value <= high);
}

function parallel(figure) {
  const place = find("parallel");
  if (!figure) { place.textContent = "No candidate has gone through all rungs yet."; return; }
  Plotly.newPlot(place, figure.data, figure.layout, { displaylogo: false });
  place.on("plotly_restyle", () => {
    const chosen = place.data[0].dimensions.filter((axis) => axis.constraintrange);
    const kept = new Set(figure.numbers.filter((_, index) =>
      chosen.every((axis) => within(axis.values[index], axis.constraintrange))).map(String));
    for (const row of candidates) row.hidden = chosen.length > 0 && !kept.has(row.dataset.number);
    find("shown-count").textContent = candidates.filter((row) => !row.hidden).length;
  });
}

function sortable(table) {
  table.querySelectorAll("thead th").forEach((heading, column) => heading.addEventListener("click", () => {
    const down = heading.getAttribute("aria-sort") === "descending";
    table.querySelectorAll("thead th").forEach((other) => other.removeAttribute("aria-sort"));
    heading.setAttribute("aria-sort", down ? "ascending" : "descending");
    const value = (row) => row.cells[column].dataset.value;
    const order = (first, second) => {
      const [a, b] = [value(first), value(second)];
      if (a === "" || b === "") return (a === "") - (b === "");
      const by = isNaN(a) || isNaN(b) ? a.localeCompare(b) : a - b;
      return down ? by : -by;
    };
    table.tBodies[0].append(...[...table.tBodies[0].rows].sort(order));
  }));
}

for (const element of document.querySelectorAll("[data-number]")) {
  element.addEventListener("click", () => choose(element.dataset.number));
  element.addEventListener("keydown", (event) => { if (event.key === "Enter") choose(element.dataset.number); });
}
selectable("front", data.fronts);
selectable("progress", data.progress);
parallel(data.parallel);
sortable(find("candidates"));
const best = document.querySelector("button.candidate");
if (best) choose(best.dataset.number);
