"use strict";
// All can be read without this. It keeps the place when the zoom changes, zooms by + and - where the
// keyboard is in a timeline, and goes from extract to extract by j and k.
for (const film of document.querySelectorAll(".film")) {
  const scroll = film.querySelector(".scroll");
  const zooms = [...film.querySelectorAll(".zoom input")];
  let middle = 0;
  const remember = () => {
    middle = (scroll.scrollLeft + scroll.clientWidth / 2) / scroll.scrollWidth;
  };
  remember();
  scroll.addEventListener("scroll", remember, { passive: true });
  film.addEventListener("change", () => {
    const place = middle;
    scroll.scrollLeft = place * scroll.scrollWidth - scroll.clientWidth / 2;
  });
  scroll.addEventListener("keydown", (event) => {
    const step = { "+": 1, "=": 1, "-": -1 }[event.key];
    if (!step || event.ctrlKey || event.metaKey || event.altKey) return;
    const next = zooms[zooms.findIndex((each) => each.checked) + step];
    if (next) {
      event.preventDefault();
      next.checked = true;
      next.dispatchEvent(new Event("change", { bubbles: true }));
    }
  });
}
document.addEventListener("keydown", (event) => {
  const step = { j: 1, k: -1 }[event.key];
  if (!step || event.ctrlKey || event.metaKey || event.altKey) return;
  const links = [...document.querySelectorAll("#extracts .faces li > a:first-child")];
  const next = links[links.indexOf(document.activeElement) + step] || (step > 0 ? links[0] : null);
  if (next) next.focus();
});
