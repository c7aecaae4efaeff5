"use strict";
// The data of the page. Positions are 16-bit whole numbers of `step_m` from `origin_m`, z up; keypoints are whole
// numbers of `step_px` in the small copy of the video. What is missing is -32768.
const clip = JSON.parse(document.getElementById("clip").textContent);
const MISSING = -32768, JOINTS = clip.joints.length, FRAMES = clip.times_s.length;

function decoded(text) {
  const raw = atob(text), bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
  return bytes;
}

const people = clip.people.map(person => ({
  ...person,
  shown: true,
  positions: new Int16Array(decoded(person.positions).buffer),
  observed: decoded(person.observed),
  keypoints: person.keypoints ? new Int16Array(decoded(person.keypoints).buffer) : null,
  seen: person.seen ? decoded(person.seen) : null,
}));

/** A joint's [x, y, z] in metres in a frame, or null. */
function jointAt(person, frame, joint) {
  const i = 3 * (frame * JOINTS + joint), v = person.positions;
  if (v[i] === MISSING) return null;
  return [0, 1, 2].map(k => clip.origin_m[k] + v[i + k] * clip.step_m);
}

/** A keypoint's [x, y] in pixels of the small copy in a frame, or null. */
function keypointAt(person, frame, joint) {
  const i = 2 * (frame * clip.keypoints.count + joint), v = person.keypoints;
  if (v[i] === MISSING) return null;
  return [v[i] * clip.keypoints.step_px, v[i + 1] * clip.keypoints.step_px];
}

/** The frame that is shown at a time: the last that has begun. */
function frameAt(time_s) {
  let low = 0, high = FRAMES - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (clip.times_s[middle] <= time_s) low = middle; else high = middle - 1;
  }
  return low;
}

/** A time at which a frame is shown, safe from rounding: the middle of its span, in seconds from the first frame. */
function middleOf(frame) {
  const t = clip.times_s;
  const until = frame + 1 < FRAMES ? t[frame + 1] : t[frame] + 0.02;
  return (t[frame] + until) / 2 - t[0];
}

function colorsOf(person) { return person.colors[document.documentElement.dataset.theme]; }

function cssColor(name) { return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim(); }
