"use strict";
// Shows what the run tells. Names of files and people only ever become text.
const MOST = 24;
const SIDES = ["left", "top", "width", "height"];
const at = (id) => document.getElementById(id);
const stage = at("stage"), picture = at("frame"), extracts = at("extracts");
let paused = false, loading = false, shown = 0, ended = false, word = "";

// The address holds the key to this page: not for whoever looks over a shoulder.
history.replaceState(null, "", "/");

const put = (id, text) => {
  if (at(id).textContent !== text) at(id).textContent = text;
};
const say = (text) => {
  if (text !== word) put("word", word = text);
};

const draw = (sight) => {
  stage.querySelectorAll(".box").forEach((each) => each.remove());
  stage.classList.toggle("bare", !sight.pixels);
  for (const face of sight.faces) {
    const box = document.createElement("span");
    box.className = face.mine ? "box mine" : "box";
    SIDES.forEach((side, number) => box.style[side] = face.place[number] + "%");
    if (face.distance !== null) {
      const label = box.appendChild(document.createElement("b"));
      if (face.place[1] < 8) label.className = "under";
      label.textContent = (face.mine && face.name ? face.name + " " : "") + face.distance.toFixed(2);
    }
    box.ariaHidden = "true";
    stage.append(box);
  }
  picture.alt = "Frame at " + sight.words;
  put("caption", sight.words + (sight.pixels ? "" : " (other processes have the picture)"));
};

// The server waits for pages that still listen when the run ends: until nothing more is asked for.
const part = () => {
  if (ended && !loading) events.close();
};

// The next picture is asked for when the last one is here: a slow connection gets fewer.
const look = async (sight) => {
  if (!sight || sight.number === shown || loading || paused || document.hidden) return;
  loading = true;
  try {
    const next = new Image();
    next.src = "frame/" + sight.number;
    await next.decode().catch(() => 0);
    if (next.naturalWidth) picture.src = next.src;
    if (next.naturalWidth || !sight.pixels) {
      draw(sight);
      shown = sight.number;
    }
  } finally {
    loading = false;
    part();
  }
};

const add = (each) => {
  if (!each.picture) return;
  at("none").hidden = true;
  const item = document.createElement("li");
  const image = item.appendChild(document.createElement("img"));
  image.src = each.picture;
  image.alt = "Extract " + each.name;
  image.title = each.name;
  image.width = image.height = 96;
  item.append(each.folder);
  extracts.prepend(item);
  while (extracts.children.length > MOST) extracts.lastElementChild.remove();
};

const finish = (end) => {
  ended = true;
  put("title", end.words);
  say("Nothing more will come; the page stays as long as it is open.");
  put("seen", "The last frame that was shown");
  document.title = "Ended - FaceGrab";
  for (const line of end.lines) {
    at("lines").appendChild(document.createElement("li")).textContent = line;
  }
  put("path", end.report);
  at("report").hidden = !end.report;
  at("over").hidden = false;
  at("progress").hidden = at("pause").hidden = at("none").hidden = true;
};

const show = (told) => {
  told.extracts.forEach(add);
  if (told.end) {
    finish(told.end);
    return;
  }
  for (const id of ["frames", "speed", "left", "passed", "found", "kept"]) put(id, told[id]);
  if (told.share === null) at("bar").removeAttribute("value");
  else at("bar").value = told.share;
  look(told.sight);
  if (told.source) {
    put("title", told.source);
    say(told.place ? "Looking through source " + told.place + "." : "Looking through it.");
    const share = told.share === null ? "" : Math.round(100 * told.share) + " % ";
    document.title = share + told.source + " - FaceGrab";
  }
};

put("word", "");
const events = new EventSource("events");
events.onmessage = (event) => {
  show(JSON.parse(event.data));
  part();
};
events.onopen = () => extracts.replaceChildren();
events.onerror = () => {
  if (ended) events.close();
  else say("No word from the run: it was stopped, or the connection is lost.");
};
at("pause").addEventListener("click", () => {
  paused = !paused;
  at("pause").setAttribute("aria-pressed", String(paused));
});
at("copy").addEventListener("click", async () => {
  await navigator.clipboard.writeText(at("path").textContent);
  put("copy", "Copied");
});
