// The 3D view: a camera that looks at a target from `turn` around the vertical and `raise` above the horizon.
const canvas = document.getElementById("view"), context = canvas.getContext("2d");
const FOCAL = 1 / (2 * Math.tan(17 * Math.PI / 180)), MARGIN = 0.88, TRAIL_S = 2, ANGLE = { turn: 0.6, raise: 0.35 };
const presets = {
  angle: { turn: clip.camera.turn_rad + ANGLE.turn, raise: ANGLE.raise },
  front: { turn: clip.camera.turn_rad, raise: Math.max(0.02, clip.camera.raise_rad) },
  side: { turn: clip.camera.turn_rad + Math.PI / 2, raise: 0.1 },
  top: { turn: clip.camera.turn_rad, raise: 1.55 },
};
let view = { ...presets.angle, distance: 5, target: clip.origin_m, fitted: true };

function axesOf({ turn, raise }) {
  const c = Math.cos, s = Math.sin;
  const ahead = [c(raise) * s(turn), c(raise) * c(turn), -s(raise)], right = [c(turn), -s(turn), 0];
  const down = [ahead[1] * right[2] - ahead[2] * right[1], ahead[2] * right[0] - ahead[0] * right[2], ahead[0] * right[1] - ahead[1] * right[0]];
  return { ahead, right, down };
}
const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];

// Some of the clip's joints, with room above for heads: what a view has to show.
const landmarks = [];
for (const person of people) {
  const every = Math.max(1, Math.floor(FRAMES / 200));
  for (let at = 0; at < FRAMES; at += every) {
    for (let j = 0; j < JOINTS; j++) {
      const p = jointAt(person, at, j);
      if (p) landmarks.push([p[0], p[1], p[2] + 0.25], [p[0], p[1], Math.min(p[2], clip.floor.height_m)]);
    }
  }
}

/** Moves the view back just so far that everybody is inside at all times. Each landmark must lie between four planes. */
function fit() {
  if (!landmarks.length) return;
  const { ahead, right, down } = axesOf(view);
  const slope = [MARGIN * canvas.width / (2 * focal()), MARGIN * canvas.height / (2 * focal())];
  const high = [-Infinity, -Infinity], low = [-Infinity, -Infinity];
  let nearest = Infinity, farthest = -Infinity;
  for (const p of landmarks) {
    const seen = [dot(p, right), dot(p, down)], depth = dot(p, ahead);
    nearest = Math.min(nearest, depth); farthest = Math.max(farthest, depth);
    for (const k of [0, 1]) {
      high[k] = Math.max(high[k], seen[k] - slope[k] * depth);
      low[k] = Math.max(low[k], -seen[k] - slope[k] * depth);
    }
  }
  const across = [0, 1].map(k => (high[k] - low[k]) / 2);
  const back = Math.min(...[0, 1].map(k => -(high[k] + low[k]) / (2 * slope[k])), nearest - 1);
  const middle = (nearest + farthest) / 2;
  view.distance = middle - back;
  view.target = [0, 1, 2].map(k => across[0] * right[k] + across[1] * down[k] + middle * ahead[k]);
}

function focal() { return FOCAL * Math.max(canvas.height, 0.75 * canvas.width); }

function projector() {
  const { ahead, right, down } = axesOf(view), length = focal();
  return point => {
    const d = [0, 1, 2].map(k => point[k] - view.target[k]);
    const depth = dot(d, ahead) + view.distance;
    if (depth < 0.1) return null;
    return { x: canvas.width / 2 + length * dot(d, right) / depth, y: canvas.height / 2 + length * dot(d, down) / depth, depth, scale: length / depth };
  };
}

function stroke(target, a, b, color, width) {
  target.strokeStyle = color; target.lineWidth = width;
  target.beginPath(); target.moveTo(a.x, a.y); target.lineTo(b.x, b.y); target.stroke();
}

function drawFloor(project) {
  const [x0, y0, x1, y1] = clip.floor.bounds_m, z = clip.floor.height_m;
  const corners = [[x0, y0, z], [x1, y0, z], [x1, y1, z], [x0, y1, z]].map(project);
  if (corners.every(Boolean)) {
    context.fillStyle = cssColor("floor"); context.beginPath();
    corners.forEach((p, i) => i ? context.lineTo(p.x, p.y) : context.moveTo(p.x, p.y));
    context.closePath(); context.fill();
  }
  const width = Math.max(1, devicePixelRatio), color = cssColor("grid");
  const across = (a, b) => { const p = project(a), q = project(b); if (p && q) stroke(context, p, q, color, width); };
  for (let x = x0; x <= x1 + 1e-6; x++) across([x, y0, z], [x, y1, z]);
  for (let y = y0; y <= y1 + 1e-6; y++) across([x0, y, z], [x1, y, z]);
}

function drawShadow(points) {
  // One stroke for all limbs: where they cross the shadow must not get darker.
  context.strokeStyle = document.documentElement.dataset.theme === "light" ? "rgb(0 0 0 / 0.16)" : "rgb(0 0 0 / 0.42)";
  context.lineWidth = 0.1 * (points.find(Boolean)?.scale ?? 0);
  context.beginPath();
  for (const [a, b] of clip.limbs) if (points[a] && points[b]) { context.moveTo(points[a].x, points[a].y); context.lineTo(points[b].x, points[b].y); }
  context.stroke();
}

function drawTrail(project, person, frame) {
  context.strokeStyle = colorsOf(person).centre; context.lineWidth = 2 * devicePixelRatio;
  context.beginPath();
  let moving = false;
  for (let at = frameAt(clip.times_s[frame] - TRAIL_S); at <= frame; at++) {
    const root = jointAt(person, at, 0), here = root && project([root[0], root[1], clip.floor.height_m]);
    if (here) moving ? context.lineTo(here.x, here.y) : context.moveTo(here.x, here.y);
    moving = Boolean(here);
  }
  context.stroke();
}

/** What is drawn of a person: limbs and head with their depths, and where the number stands. */
function bodyOf(project, person, frame) {
  const points = clip.joints.map((_, j) => jointAt(person, frame, j));
  if (points.every(p => p === null)) return null;
  const seen = points.map(p => p && project(p)), parts = [], colors = colorsOf(person);
  const alpha = person.observed[frame] ? 1 : 0.45;
  clip.limbs.forEach(([a, b], i) => {
    if (!seen[a] || !seen[b]) return;
    parts.push({ a: seen[a], b: seen[b], depth: (seen[a].depth + seen[b].depth) / 2, color: colors[clip.sides[i]], width: clip.widths_m[i], alpha });
  });
  const [a, b] = clip.head ? clip.head.joints.map(j => points[j]) : [];
  const middle = a && b && project(a.map((v, k) => (v + b[k]) / 2));
  if (middle) parts.push({ ball: middle, depth: middle.depth, color: colors.centre, radius: clip.head.radius_m, alpha });
  const high = points.reduce((top, p) => p && (!top || p[2] > top[2]) ? p : top, null);
  const shadow = points.map(p => p && project([p[0], p[1], clip.floor.height_m]));
  return { parts, shadow, name: project([high[0], high[1], high[2] + 0.12]) };
}

function drawPart(part, edge) {
  context.globalAlpha = part.alpha;
  if (part.ball) {
    context.fillStyle = part.color; context.strokeStyle = edge; context.lineWidth = 1.5 * devicePixelRatio;
    context.beginPath(); context.arc(part.ball.x, part.ball.y, part.radius * part.ball.scale, 0, 2 * Math.PI); context.fill(); context.stroke();
  } else {
    const width = Math.max(2 * devicePixelRatio, part.width * (part.a.scale + part.b.scale) / 2);
    stroke(context, part.a, part.b, edge, width + 2.5 * devicePixelRatio);
    stroke(context, part.a, part.b, part.color, width);
  }
  context.globalAlpha = 1;
}

/** A number on a dark ground. */
function tag(target, text, at, color, height = 15 * devicePixelRatio) {
  target.font = `600 ${height}px system-ui, sans-serif`; target.textAlign = "center"; target.textBaseline = "middle";
  const half = Math.max(height * 0.72, target.measureText(text).width / 2 + height * 0.4);
  target.fillStyle = "rgb(11 13 17 / 0.8)";
  target.beginPath(); target.roundRect(at.x - half, at.y - height * 0.72, 2 * half, height * 1.44, height * 0.72); target.fill();
  target.fillStyle = color; target.fillText(text, at.x, at.y + height * 0.06);
}

function drawScene(frame) {
  const project = projector();
  context.fillStyle = cssColor("background"); context.fillRect(0, 0, canvas.width, canvas.height);
  context.lineCap = "round"; context.lineJoin = "round";
  drawFloor(project);
  const shown = people.filter(person => person.shown);
  for (const person of shown) drawTrail(project, person, frame);
  const bodies = shown.map(person => ({ person, ...bodyOf(project, person, frame) })).filter(body => body.parts);
  for (const body of bodies) drawShadow(body.shadow);
  // Farther parts first, so that nearer ones hide them.
  const edge = cssColor("edge"), parts = bodies.flatMap(body => body.parts).sort((p, q) => q.depth - p.depth);
  for (const part of parts) drawPart(part, edge);
  const lift = 14 * devicePixelRatio;
  for (const { name, person } of bodies) if (name) tag(context, String(person.id), { x: name.x, y: name.y - lift }, person.colors.dark.left);
}
