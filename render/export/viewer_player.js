// Time. Where there is a video it is the clock: a frame is shown when its picture is there, never before.
const scrub = document.getElementById("scrub"), clock = document.getElementById("clock");
const playButton = document.getElementById("play"), speed = document.getElementById("speed");
const ROUNDING_S = 2e-5;  // times are rounded here to 1e-5 s and in the file to 1/90000 s
let frame = 0, playing = false, looping = false;
let wanted = null;  // the frame that the video is on its way to, while it seeks
let watch = 0, time_s = clip.times_s[0];
scrub.max = FRAMES - 1;

/** Draws a frame: picture, skeletons and scene. */
function show(at) {
  frame = at;
  drawScene(frame);
  drawPicture(frame);
  const seconds = clip.times_s[frame].toFixed(2), number = frame + clip.first_frame;
  clock.innerHTML = `${seconds} s <span>· frame ${number}</span>`;
  scrub.value = heading();
  scrub.setAttribute("aria-valuetext", `${seconds} seconds, frame ${number}`);
  showPresence();
}

/** The frame that is shown, or that is about to be. */
function heading() { return wanted ?? frame; }

function go(to) {
  const at = Math.min(FRAMES - 1, Math.max(0, to));
  time_s = clip.times_s[at];
  if (!pictureReady) { show(at); return; }
  const under_way = wanted !== null;
  wanted = at;
  scrub.value = at;
  // One jump at a time: the next one starts where the picture of this one has come.
  if (!under_way) video.currentTime = middleOf(at);
}

video.addEventListener("seeked", () => {
  if (!pictureReady || wanted === null) return;
  const there = frameAt(clip.times_s[0] + video.currentTime), done = there === wanted;
  if (done) wanted = null;
  show(there);
  redrawOncePresented();
  if (!done) video.currentTime = middleOf(wanted);
  else if (playing && video.paused) start();
});
/** Busy browsers say that they are there while the picture before is still the one that can be drawn. */
function redrawOncePresented() {
  if (!video.requestVideoFrameCallback) return;
  video.requestVideoFrameCallback(() => { if (wanted === null && !playing) drawPicture(frame); });
}
video.addEventListener("loadeddata", () => { pictureReady = true; resize(); go(heading()); });
video.addEventListener("error", () => { const on = playing; play(false); losePicture(); wanted = null; resize(); if (on) play(true); });
video.addEventListener("ended", () => { if (playing) finish(); });

function play(on) {
  if (on === playing) return;
  playing = on;
  watch++;
  playButton.setAttribute("aria-label", on ? "Pause" : "Play");
  document.getElementById("play-icon").setAttribute("d", on ? "M6 4h4v16H6zM14 4h4v16h-4z" : "M7 4v16l13-8z");
  if (!on) {
    // The video may have run on a little since its last picture was drawn.
    if (pictureReady && !video.paused) { video.pause(); go(frame); }
    return;
  }
  if (heading() >= FRAMES - 1) go(0);
  if (wanted === null) start();
}

function start() {
  watch++;
  if (!pictureReady) { tickFrom(performance.now(), watch); return; }
  video.playbackRate = Number(speed.value);
  video.play().catch(() => play(false));
  follow(watch);
}

/** Draws whenever the video has a new picture. */
function follow(turn) {
  if (video.requestVideoFrameCallback) {
    video.requestVideoFrameCallback((now, picture) => {
      if (turn !== watch) return;
      if (wanted === null) show(frameAt(clip.times_s[0] + picture.mediaTime + ROUNDING_S));
      follow(turn);
    });
    return;
  }
  requestAnimationFrame(() => {
    if (turn !== watch) return;
    const at = frameAt(clip.times_s[0] + video.currentTime);
    if (wanted === null && at !== frame) show(at);
    follow(turn);
  });
}

/** The clock of a page without video. */
function tickFrom(before, turn) {
  requestAnimationFrame(now => {
    if (turn !== watch) return;
    time_s += Math.max(0, now - before) / 1000 * Number(speed.value);
    const at = frameAt(time_s);
    if (at !== frame) show(at);
    if (at >= FRAMES - 1) finish(); else tickFrom(now, turn);
  });
}

function finish() {
  show(FRAMES - 1);
  if (!looping) { play(false); return; }
  watch++;
  go(0);
  if (wanted === null) start();
}

speed.addEventListener("change", () => { if (pictureReady) video.playbackRate = Number(speed.value); });
