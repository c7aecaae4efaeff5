// Buttons, keys and pointers.
const byId = id => document.getElementById(id), root = document.documentElement;
const stage = byId("stage"), preset = byId("preset"), list = byId("people");

function resize() {
  for (const [surface, draws] of [[canvas, true], [overlay, !panel.hidden]]) {
    if (!draws) continue;
    surface.width = Math.max(1, Math.round(surface.clientWidth * devicePixelRatio));
    surface.height = Math.max(1, Math.round(surface.clientHeight * devicePixelRatio));
  }
  if (view.fitted) fit();
  show(frame);
}

function look(name) {
  preset.value = name;
  view = { ...view, ...presets[name], fitted: true };
  fit();
  show(frame);
}

/** The user's own hand on the view: no longer one of the presets, and no longer fitted. */
function turned() { preset.value = "free"; view.fitted = false; show(frame); }

function zoom(factor) { view.distance = Math.min(300, Math.max(0.8, view.distance * factor)); }

function setTheme(name) {
  root.dataset.theme = name;
  for (const person of people) {
    const { left, right } = colorsOf(person);
    person.swatch.style.background = `linear-gradient(90deg, ${left} 50%, ${right} 50%)`;
  }
  show(frame);
}

function toggle(button) {
  const on = button.getAttribute("aria-pressed") !== "true";
  button.setAttribute("aria-pressed", on);
  return on;
}

function faster(step) {
  const at = speed.selectedIndex + step;
  if (at < 0 || at >= speed.options.length) return;
  speed.selectedIndex = at;
  speed.dispatchEvent(new Event("change"));
}

function showHelp(on) { byId("help").hidden = !on; byId("help-button").setAttribute("aria-expanded", on); resize(); }

function step(frames) { play(false); go(heading() + frames); }

/** Pales the names of people who are not in the frame. */
function showPresence() {
  for (const person of people) {
    const there = clip.joints.some((_, j) => person.positions[3 * (frame * JOINTS + j)] !== MISSING);
    person.label?.classList.toggle("away", !there);
  }
}

for (const person of people) {
  const label = document.createElement("label"), box = document.createElement("input");
  box.type = "checkbox"; box.checked = true;
  box.addEventListener("change", () => { person.shown = box.checked; show(frame); });
  person.swatch = document.createElement("span"); person.swatch.className = "swatch";
  person.swatch.title = "left limbs, right limbs";
  label.append(box, person.swatch, `person ${person.id}`);
  person.label = label;
  list.append(label);
}

const pointers = new Map();
canvas.addEventListener("pointerdown", event => { canvas.setPointerCapture(event.pointerId); pointers.set(event.pointerId, event); });
for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, event => pointers.delete(event.pointerId));
canvas.addEventListener("pointermove", event => {
  const before = pointers.get(event.pointerId);
  if (!before) return;
  const dx = event.clientX - before.clientX, dy = event.clientY - before.clientY;
  if (pointers.size === 2) {
    const other = [...pointers].find(([id]) => id !== event.pointerId)[1];
    const gap = e => Math.hypot(e.clientX - other.clientX, e.clientY - other.clientY);
    zoom(gap(before) / Math.max(1, gap(event)));
  } else if (event.shiftKey) {
    const { right, down } = axesOf(view), scale = view.distance * devicePixelRatio / focal();
    view.target = [0, 1, 2].map(k => view.target[k] - scale * (dx * right[k] + dy * down[k]));
  } else {
    view.turn += dx * 0.008;
    view.raise = Math.min(1.55, Math.max(-0.2, view.raise + dy * 0.008));
  }
  pointers.set(event.pointerId, event);
  if (dx || dy) turned();
});
canvas.addEventListener("wheel", event => { event.preventDefault(); zoom(Math.exp(event.deltaY * 0.001)); turned(); }, { passive: false });
canvas.addEventListener("dblclick", () => look("angle"));

scrub.addEventListener("input", () => { play(false); go(Number(scrub.value)); });
preset.addEventListener("change", () => look(preset.value));
playButton.addEventListener("click", () => play(!playing));
byId("back").addEventListener("click", () => step(-1));
byId("forward").addEventListener("click", () => step(1));
byId("loop").addEventListener("click", event => { looping = toggle(event.currentTarget); });
byId("skeleton").addEventListener("click", event => { skeletons = toggle(event.currentTarget); show(frame); });
byId("theme").addEventListener("click", () => setTheme(root.dataset.theme === "light" ? "dark" : "light"));
byId("help-button").addEventListener("click", () => showHelp(byId("help").hidden));

const second = way => frameAt(clip.times_s[heading()] + way) - heading() || Math.sign(way);
const keys = {
  " ": () => play(!playing),
  ArrowLeft: event => step(event.shiftKey ? second(-1) : -1),
  ArrowRight: event => step(event.shiftKey ? second(1) : 1),
  ArrowUp: () => faster(1), ArrowDown: () => faster(-1),
  Home: () => step(-FRAMES), End: () => step(FRAMES),
  1: () => look("angle"), 2: () => look("front"), 3: () => look("side"), 4: () => look("top"), r: () => look("angle"),
  s: () => byId("skeleton").click(), l: () => byId("loop").click(), t: () => byId("theme").click(), "?": () => byId("help-button").click(),
};
document.addEventListener("keydown", event => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.tagName === "SELECT") return;
  // A focused button, box or link keeps the key that presses it.
  if (event.key === " " && /^(BUTTON|INPUT)$/.test(event.target.tagName) && event.target !== scrub) return;
  const act = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (act) { event.preventDefault(); act(event); }
});

const light = matchMedia("(prefers-color-scheme: light)");
light.addEventListener("change", () => setTheme(light.matches ? "light" : "dark"));
// `clip.html#frame=120` opens at that frame of the video.
const asked = /^#frame=(\d+)$/.exec(location.hash);
if (asked) frame = Math.min(FRAMES - 1, Math.max(0, Number(asked[1]) - clip.first_frame));
time_s = clip.times_s[frame];
new ResizeObserver(resize).observe(stage);
loadPicture();
byId("help").hidden = innerWidth < 900;
byId("help-button").setAttribute("aria-expanded", !byId("help").hidden);
setTheme(light.matches ? "light" : "dark");
resize();
