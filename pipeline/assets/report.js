// Sorting, hovering and the viewer of mistakes. Without it the page still shows every table and picture.
const one = (selector, within = document) => within.querySelector(selector);
const all = (selector, within = document) => [...within.querySelectorAll(selector)];
const { names, mistakes, pictures } = JSON.parse(one("#data").textContent);
const percent = (share, digits = 1) => `${(100 * share).toFixed(digits)}%`;
document.documentElement.classList.add("script");

// Every text goes in as text, never as markup; <bdi> keeps a name's direction to itself.
function element(tag, content = [], attributes = {}) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...[content].flat());
  return made;
}
const name = (number) => element("bdi", names[number]);

// The note beside the pointer or the focused cell.
const tip = one("#tip");
function say(content, box) {
  tip.replaceChildren(...content);
  tip.hidden = false;
  const own = tip.getBoundingClientRect();
  const room = document.documentElement.clientWidth - own.width - 8;
  tip.style.left = `${Math.max(8, Math.min(room, box.left + box.width / 2 - own.width / 2))}px`;
  const below = box.bottom + 8;
  tip.style.top = `${below + own.height < innerHeight ? below : Math.max(8, box.top - own.height - 8)}px`;
}
const hush = () => { tip.hidden = true; };
document.addEventListener("scroll", hush, { capture: true, passive: true });

// Tables: a click on a column's name sorts by it, another one turns the order round.
for (const table of all("table.sortable")) {
  const heads = all("thead th", table);
  heads.forEach((head, column) => head.addEventListener("click", () => {
    const order = head.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending";
    heads.forEach((other) => other.setAttribute("aria-sort", other === head ? order : "none"));
    const key = (row) => row.cells[column].dataset.v ?? row.cells[column].textContent.trim();
    const compare = column === 0
      ? (a, b) => key(a).localeCompare(key(b), "en", { numeric: true })
      : (a, b) => key(a) - key(b);
    const rows = [...table.tBodies[0].rows].sort(compare);
    table.tBodies[0].append(...(order === "ascending" ? rows : rows.reverse()));
  }));
}

// The matrix. Cells keep their classes while rows and columns change places.
const matrix = one("table.matrix");
const rows = [...matrix.tBodies[0].rows];
const classes = rows.map((row) => Number(row.cells[0].dataset.class));
const support = JSON.parse(matrix.dataset.support);
const columns = [...matrix.tHead.rows[0].cells].slice(1);
const cells = rows.map((row) => [...row.cells].slice(1));
const placeOf = new Map();
cells.forEach((line, i) => line.forEach((cell, j) => { cell.tabIndex = -1; placeOf.set(cell, [i, j]); }));
const byName = rows.map((_, i) => i);
const orders = { name: byName, ...JSON.parse(matrix.dataset.orders) };
let order = byName;
cells[0][0].tabIndex = 0;
for (const button of all("[data-order]")) button.addEventListener("click", () => {
  all("[data-order]").forEach((other) => other.setAttribute("aria-pressed", other === button));
  order = orders[button.dataset.order];
  matrix.tHead.rows[0].append(...order.map((j) => columns[j]));
  for (const i of order) rows[i].append(...order.map((j) => cells[i][j]));
  matrix.tBodies[0].append(...order.map((i) => rows[i]));
});
function describe(cell) {
  const [i, j] = placeOf.get(cell);
  const [label, guess] = [classes[i], classes[j]];
  const count = Number(cell.textContent) || 0;
  const share = support[label] ? `, ${percent(count / support[label])} of its ${support[label]}` : "";
  all(".lit", matrix).forEach((head) => head.classList.remove("lit"));
  rows[i].cells[0].classList.add("lit");
  columns[j].classList.add("lit");
  const images = `${count} ${count === 1 ? "image" : "images"}${share}`;
  cell.setAttribute("aria-label", `label ${names[label]}, guess ${names[guess]}, ${images}`);
  const line = (word, number) => element("div", [element("span", `${word} `, { class: "muted" }), name(number)]);
  say([line("label", label), line("guess", guess), element("strong", images)], cell.getBoundingClientRect());
}
const cellOf = (event) => (placeOf.has(event.target) ? event.target : null);
matrix.addEventListener("mouseover", (event) => { if (cellOf(event)) describe(event.target); else hush(); });
matrix.addEventListener("mouseleave", hush);
matrix.addEventListener("focusin", (event) => { if (cellOf(event)) describe(event.target); });
matrix.addEventListener("focusout", hush);
matrix.addEventListener("click", (event) => { if (cellOf(event)) open_cell(event.target); });
const STEPS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
matrix.addEventListener("keydown", (event) => {
  if (!cellOf(event)) return;
  if (event.key === "Enter") open_cell(event.target);
  const step = STEPS[event.key];
  if (!step) return;
  event.preventDefault();
  const [i, j] = placeOf.get(event.target);
  const next = cells[order[order.indexOf(i) + step[0]]]?.[order[order.indexOf(j) + step[1]]];
  if (!next) return;
  event.target.tabIndex = -1;
  next.tabIndex = 0;
  next.scrollIntoView({ block: "nearest", inline: "nearest" });
  next.focus({ preventScroll: true });
});
function open_cell(cell) {
  const [i, j] = placeOf.get(cell);
  if (i !== j) choose([[classes[i], classes[j]]], Number(cell.textContent) || 0);
}
