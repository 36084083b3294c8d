// Mistakes of a cell or a pair take the place of the worst ones in the gallery.
const gallery = one("#gallery");
const worst = gallery ? [...gallery.children] : [];
const worstSays = one("#gallery-says")?.textContent;
let chosen = worst.map((_, place) => place);
function picture(place) {
  const src = place < worst.length ? one("img", worst[place]).src : pictures[place];
  return src ? element("img", [], { src, alt: "" }) : element("span", mistakes[place][2], { class: "nameless" });
}
function card(place) {
  const [label, guess, , , likeliest] = mistakes[place];
  const sure = likeliest.length ? ` ${percent(likeliest[0][1], 0)}` : "";
  const says = [element("span", ["is ", name(label)], { class: "is" }),
    element("span", ["guess ", name(guess), sure], { class: "guess" })];
  const button = element("button", [picture(place), ...says], { type: "button", "data-mistake": place });
  return element("li", button);
}
function choose(kinds, count) {
  if (!gallery) return;
  const wanted = (item) => kinds.some(([label, guess]) => item[0] === label && item[1] === guess);
  chosen = mistakes.map((_, place) => place).filter((place) => wanted(mistakes[place]));
  gallery.replaceChildren(...chosen.map(card));
  const [label, guess] = kinds[0];
  const both = kinds.length > 1 ? ["Mistakes between ", name(label), " and ", name(guess)]
    : ["Images of ", name(label), " taken for ", name(guess)];
  const some = chosen.length < count ? `; the ${chosen.length} surest are listed here` : "";
  one("#gallery-says").replaceChildren(...both, `: ${count}${some}.`);
  one("#gallery-tools").hidden = false;
  hush();
  one("#mistakes h2").focus({ preventScroll: true });
  one("#mistakes").scrollIntoView();
}
for (const button of all("[data-pair]")) button.addEventListener("click", () => {
  const [a, b] = button.dataset.pair.split(",").map(Number);
  choose([[a, b], [b, a]], Number(button.dataset.total));
});
one("#gallery-tools button")?.addEventListener("click", () => {
  chosen = worst.map((_, place) => place);
  gallery.replaceChildren(...worst);
  one("#gallery-says").textContent = worstSays;
  one("#gallery-tools").hidden = true;
  one("#mistakes h2").focus();
});

// The viewer: one mistake large, arrow keys go on, Esc closes and gives the focus back.
const viewer = one("#viewer");
let at = 0;
function show(step) {
  at = (step + chosen.length) % chosen.length;
  const [label, guess, file, hash, likeliest] = mistakes[chosen[at]];
  one("#viewer-place").textContent = `${at + 1} of ${chosen.length}`;
  one("#viewer-title").replaceChildren("is ", name(label), ", guess ", name(guess));
  one("#viewer-picture").replaceChildren(picture(chosen[at]));
  one("#viewer-file").replaceChildren(element("bdi", file));
  one("#viewer-hash").textContent = `${hash}…`;
  one("#viewer-bars").replaceChildren(...likeliest.map(([number, share]) => element("div", [
    element("span", name(number), { class: "name" }),
    element("span", element("i", [], { style: `width:${percent(share)}` }), { class: "track" }),
    element("span", percent(share), { class: "n" }),
  ], { class: number === label ? "row right" : "row" })));
}
gallery?.addEventListener("click", (event) => {
  const button = event.target.closest("[data-mistake]");
  if (!button) return;
  show(chosen.indexOf(Number(button.dataset.mistake)));
  viewer.showModal();
});
viewer.addEventListener("keydown", (event) => {
  if (event.key === "ArrowRight" || event.key === "ArrowLeft") show(at + (event.key === "ArrowRight" ? 1 : -1));
});
viewer.addEventListener("click", (event) => { if (event.target === viewer) viewer.close(); });
one("#previous").addEventListener("click", () => show(at - 1));
one("#next").addEventListener("click", () => show(at + 1));
one("#close").addEventListener("click", () => viewer.close());
