"use strict";
// Keys press the buttons that say so; a picture opens its whole frame. All else is htmx's.
// The token is in a cookie by now.
if (location.search.includes("token=")) history.replaceState(null, "", location.pathname);
const light = document.getElementById("light");

document.addEventListener("keydown", (event) => {
  const busy = event.repeat || event.ctrlKey || event.metaKey || event.altKey || light.open;
  if (busy || event.target.matches("input:not([type=checkbox]), textarea, select")) return;
  const button = document.querySelector(`#desk [data-key="${CSS.escape(event.key.toLowerCase())}"]`);
  if (!button || button.disabled || document.querySelector(".htmx-request")) return;
  event.preventDefault();
  button.click();
});

document.addEventListener("click", (event) => {
  if (event.target === light || event.target.id === "shut") light.close();
  const link = event.target.closest("a[data-frame]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const picture = light.querySelector("img");
  picture.alt = link.querySelector("img").alt + ", the whole frame";
  picture.src = link.href;
  light.showModal();
});

// A face whose video is gone has no picture: its words are shown in its place.
document.addEventListener("error", (event) => {
  if (event.target.matches && event.target.matches(".faces img")) event.target.classList.add("missing");
}, true);
