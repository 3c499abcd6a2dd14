"use strict";
// Texts are only ever put in as text, never as HTML.
const data = JSON.parse(document.getElementById("data").textContent);
const find = (id) => document.getElementById(id);
const model = find("model");
const boxes = [...model.querySelectorAll(".box")];
const NAMESPACE = "http://www.w3.org/2000/svg";

// ---------------------------------------------------------------- lines

function place(element, corner) {
  const it = element.getBoundingClientRect();
  return { left: it.left - corner.left, right: it.right - corner.left, top: it.top - corner.top,
    bottom: it.bottom - corner.top, middle: (it.left + it.right) / 2 - corner.left };
}

function end(id, share, corner, whole) {
  const element = find(id);
  const at = place(element, corner);
  const cell = whole && element.parentElement.classList.contains("cell") ? place(element.parentElement, corner) : at;
  return { ...at, x: at.middle + share * (cell.right - cell.left) };
}

function line(points) {
  let [x, y] = points[0];
  let text = `M${x} ${y}`;
  for (const [u, v] of points.slice(1)) {
    const middle = (y + v) / 2;
    text += Math.abs(x - u) < 0.6 ? `L${u} ${v}` : `C${x} ${middle} ${u} ${middle} ${u} ${v}`;
    [x, y] = [u, v];
  }
  return text;
}

function add(svg, d, name) {
  const path = document.createElementNS(NAMESPACE, "path");
  path.setAttribute("d", d);
  if (name) path.setAttribute("class", name);
  svg.append(path);
}

function drawLines(body) {
  const corner = body.getBoundingClientRect();
  const svg = body.querySelector(":scope > .lines");
  const rows = [...body.querySelectorAll(":scope > .strip")].map((strip) => place(strip, corner));
  svg.replaceChildren();
  for (const net of data.bodies[body.dataset.number]) {
    const source = end(net.from, net.share, corner, true);
    for (const target of net.to) {
      const goal = end(target.to, target.share, corner, false);
      const points = [[source.x, source.bottom], [source.x, rows[net.row].bottom]];
      if (net.lane && target.row > net.row + 1) {
        const lane = place(find(net.lane), corner).middle;
        points.push([lane, rows[net.row + 1].top], [lane, rows[target.row - 1].bottom]);
      }
      points.push([goal.x, rows[target.row].top], [goal.x, goal.top]);
      add(svg, line(points));
      if (target.tip) add(svg, `M${goal.x - 3.5} ${goal.top - 7}L${goal.x} ${goal.top}L${goal.x + 3.5} ${goal.top - 7}Z`, "tip");
    }
  }
}

const shown = (element) => element.getClientRects().length > 0;

function draw() {
  for (const body of model.querySelectorAll(".body")) if (shown(body)) drawLines(body);
}

// ---------------------------------------------------------------- colours

function colour() {
  const measure = Number(find("heat").value);
  const share = (box) => data.boxes[box.dataset.number].shares[measure];
  const most = Math.max(...boxes.filter((box) => shown(box) && !box.classList.contains("open")).map(share), 1e-9);
  for (const box of boxes) {
    box.style.setProperty("--share", Math.min(1, share(box) / most).toFixed(3));
    const place = box.querySelector(":scope > .face .share");
    if (!place) continue;
    const note = place.previousSibling ? " · " : "";
    place.textContent = share(box) >= 0.005 ? `${note}${Math.round(100 * share(box))}%` : "";
  }
  find("most").textContent = `${Math.round(100 * most)}%`;
}

// ---------------------------------------------------------------- folding and choosing

function set(box, open) {
  if (!box.classList.contains("folds")) return;
  box.classList.toggle("open", open);
  box.setAttribute("aria-expanded", String(open));
}

function refresh() { colour(); draw(); }

function toggle(box) { set(box, !box.classList.contains("open")); refresh(); }

function choose(box, scroll = true) {
  for (const other of boxes) { other.classList.remove("chosen"); other.tabIndex = -1; other.removeAttribute("aria-selected"); }
  box.classList.add("chosen");
  box.tabIndex = 0;
  box.setAttribute("aria-selected", "true");
  box.focus({ preventScroll: true });
  if (scroll) box.querySelector(".face").scrollIntoView({ block: "nearest", inline: "nearest" });
  const { title, details } = data.boxes[box.dataset.number];
  find("details-title").textContent = title;
  find("details-hint").hidden = true;
  find("details").classList.remove("idle");
  const table = find("details-table");
  table.replaceChildren();
  for (const cells of details) {
    const row = table.insertRow();
    for (const text of cells) row.insertCell().textContent = text;
  }
}

function leave() {
  for (const box of boxes) box.classList.remove("chosen");
  find("details-title").textContent = "Nothing chosen";
  find("details-hint").hidden = false;
  find("details").classList.add("idle");
  find("details-table").replaceChildren();
}

const above = (box) => box.parentElement.closest(".box");

function move(box, key) {
  const visible = boxes.filter(shown);
  const at = visible.indexOf(box);
  const open = box.classList.contains("open");
  if (key === "ArrowDown") return visible[at + 1];
  if (key === "ArrowUp") return visible[at - 1];
  if (key === "Home") return visible[0];
  if (key === "End") return visible[visible.length - 1];
  if (key === "ArrowRight") { if (open) return visible[at + 1]; set(box, true); refresh(); return box; }
  if (key === "ArrowLeft") { if (!open) return above(box); toggle(box); return box; }
  return null;
}

model.addEventListener("click", (event) => {
  const box = event.target.closest(".box");
  if (!box) return;
  if (event.target.closest(".fold")) toggle(box);
  choose(box, false);
});
model.addEventListener("dblclick", (event) => {
  const box = event.target.closest(".box");
  if (box && !event.target.closest(".fold")) toggle(box);
});
model.addEventListener("keydown", (event) => {
  const box = event.target.closest(".box");
  if (!box || event.ctrlKey || event.altKey || event.metaKey) return;
  if (event.key === "Enter" || event.key === " ") { toggle(box); choose(box); event.preventDefault(); return; }
  if (!["ArrowDown", "ArrowUp", "ArrowLeft", "ArrowRight", "Home", "End"].includes(event.key)) return;
  const next = move(box, event.key);
  if (next) choose(next);
  event.preventDefault();
});
model.addEventListener("focusin", (event) => { if (event.target.matches(".box:not(.chosen):focus-visible")) choose(event.target); });

// ---------------------------------------------------------------- finding

function search() {
  const text = find("find").value.trim().toLowerCase();
  const words = text.split(/\s+/).filter(Boolean);
  const found = words.length ? boxes.filter((box) => words.every((word) => box.dataset.words.includes(word))) : [];
  model.classList.toggle("finding", words.length > 0);
  for (const box of boxes) box.classList.toggle("found", found.includes(box));
  for (const box of found) for (let it = above(box); it; it = above(it)) set(it, true);
  find("found").textContent = words.length ? `${found.length} found` : "";
  refresh();
  return found;
}

find("find").addEventListener("input", search);
find("find").addEventListener("keydown", (event) => {
  if (event.key === "Enter") { const [first] = search(); if (first) choose(first); }
});
document.addEventListener("keydown", (event) => {
  if (event.key === "/" && event.target !== find("find")) { find("find").focus(); event.preventDefault(); }
  if (event.key === "Escape") {
    const finding = find("find").value !== "";
    find("find").value = "";
    search();
    if (!finding) leave();
    if (event.target === find("find")) { const box = boxes.find((it) => it.tabIndex === 0); if (box) box.focus(); else find("find").blur(); }
  }
});
find("heat").addEventListener("change", colour);
find("open-all").addEventListener("click", () => { for (const box of boxes) set(box, true); refresh(); });
find("close-all").addEventListener("click", () => { for (const box of boxes) set(box, box.classList.contains("stage") && box.querySelector(".block") !== null); refresh(); });

if (boxes.length) boxes[0].tabIndex = 0;
refresh();
new ResizeObserver(draw).observe(model);
