// Figures: the values under the pointer, or at the place the arrow keys reached.
for (const curve of all("svg.curve")) {
  const points = JSON.parse(curve.dataset.points);
  const cursor = one(".cursor", curve);
  let place = 0;
  const point = (where) => {
    place = Math.max(0, Math.min(points.x.length - 1, where));
    cursor.setAttribute("x1", points.x[place]);
    cursor.setAttribute("x2", points.x[place]);
    curve.classList.add("pointed");
    const value = (kind, word) => element("div", [element("span", word, { class: kind }),
      ` ${points[kind][place] ?? "not a number"}`]);
    say([element("strong", `epoch ${points.epoch[place]}`), value("train", "training"), value("val", "validation")],
      cursor.getBoundingClientRect());
  };
  const leave = () => { curve.classList.remove("pointed"); hush(); };
  curve.addEventListener("mousemove", (event) => {
    const box = curve.getBoundingClientRect();
    const x = (event.clientX - box.left) * curve.viewBox.baseVal.width / box.width;
    const far = points.x.map((other) => Math.abs(other - x));
    point(far.indexOf(Math.min(...far)));
  });
  curve.addEventListener("mouseleave", leave);
  curve.addEventListener("blur", leave);
  curve.addEventListener("focus", () => { if (curve.matches(":focus-visible")) point(place); });
  curve.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step) { event.preventDefault(); point(place + step); }
  });
}
for (const bin of all(".bin")) {
  bin.addEventListener("mouseenter", () => say([bin.dataset.tip], bin.getBoundingClientRect()));
  bin.addEventListener("mouseleave", hush);
}
