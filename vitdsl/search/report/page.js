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

// Pixels from one parallel coordinate to the next; of more than fit, a part is shown at a time, with the objective.
const AXIS = 110;

function parallel(figure) {
  const place = find("parallel");
  const list = find("parallel-choice");
  list.parentElement.hidden = true;
  if (!figure) { place.textContent = "No candidate has gone through all rungs yet."; return; }
  const [trace] = figure.data;
  const axes = trace.dimensions.slice(0, -1);
  const names = figure.axes.slice(0, -1);
  const objective = trace.dimensions.at(-1);
  let fit = 0;

  function filter() {
    const chosen = trace.dimensions.filter((axis) => axis.constraintrange);
    const kept = new Set(figure.numbers.filter((_, index) =>
      chosen.every((axis) => within(axis.values[index], axis.constraintrange))).map(String));
    for (const row of candidates) row.hidden = chosen.length > 0 && !kept.has(row.dataset.number);
    find("shown-count").textContent = candidates.filter((row) => !row.hidden).length;
  }

  // What is chosen on an axis holds while other axes are shown.
  function draw() {
    const first = Number(list.value);
    const shown = [...axes.slice(first, first + fit), objective];
    Plotly.newPlot(place, [{ ...trace, dimensions: shown.map((axis) => ({ ...axis })) }], { ...figure.layout },
      { responsive: true, displaylogo: false });
    place.on("plotly_restyle", () => {
      place.data[0].dimensions.forEach((axis, index) => { shown[index].constraintrange = axis.constraintrange; });
      filter();
    });
  }

  function arrange() {
    const { l, r } = figure.layout.margin;
    const now = Math.max(1, Math.floor((place.clientWidth - l - r - 80) / AXIS));
    if (now === fit) return;
    fit = now;
    list.replaceChildren();
    for (let first = 0; first < Math.max(1, axes.length); first += fit) {
      const [one, ...more] = names.slice(first, first + fit);
      list.add(new Option(more.length ? `${one} to ${more.at(-1)}` : one, first));
    }
    list.parentElement.hidden = list.options.length < 2;
    draw();
  }

  arrange();
  list.addEventListener("change", draw);
  window.addEventListener("resize", arrange);
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
