// The video with the 2D skeletons. The picture is drawn on the canvas together with the skeletons, so that both always
// belong to one frame; the video element below it shows through until the first picture is there.
const panel = document.getElementById("picture"), video = document.getElementById("video");
const overlay = document.getElementById("overlay"), paper = overlay.getContext("2d");
const OUTLINE = "#0B0D11";
let skeletons = true, pictureReady = false;

/** Draws the video's present picture and the keypoints of a frame. */
function drawPicture(frame) {
  if (!pictureReady) return;
  const { width, height } = clip.video, ratio = Math.min(overlay.width / width, overlay.height / height);
  const left = (overlay.width - width * ratio) / 2, top = (overlay.height - height * ratio) / 2;
  paper.clearRect(0, 0, overlay.width, overlay.height);
  paper.drawImage(video, left, top, width * ratio, height * ratio);
  if (!skeletons || !clip.keypoints) return;
  paper.save();
  paper.beginPath(); paper.rect(left, top, width * ratio, height * ratio); paper.clip();
  const place = point => point && { x: left + point[0] * ratio, y: top + point[1] * ratio };
  for (const person of people) if (person.shown && person.keypoints) drawKeypoints(person, frame, place, top, height * ratio);
  paper.restore();
}

function drawKeypoints(person, frame, place, ceiling, height) {
  const { limbs, sides, count, drawn, joint_sides } = clip.keypoints, colors = colorsOf(person);
  const points = Array.from({ length: count }, (_, j) => place(keypointAt(person, frame, j)));
  const known = points.filter(Boolean);
  if (!known.length) return;
  const seen = j => person.seen[frame * count + j] === 1;
  const rows = known.map(p => p.y), extent = Math.max(...rows) - Math.min(...rows);
  // Thinner for people who are small in the picture.
  const width = Math.max(2 * devicePixelRatio, 0.0095 * height * Math.min(1, Math.max(0.5, extent / (height / 3))));
  const edge = 2 * devicePixelRatio;
  paper.lineCap = "round";
  const drawnLimbs = limbs.map(([a, b], i) => ({ a: points[a], b: points[b], color: colors[sides[i]], width: seen(a) && seen(b) ? width : 0.45 * width })).filter(limb => limb.a && limb.b);
  for (const limb of drawnLimbs) stroke(paper, limb.a, limb.b, OUTLINE, limb.width + edge);
  for (const limb of drawnLimbs) stroke(paper, limb.a, limb.b, limb.color, limb.width);
  for (const j of drawn) {
    if (!points[j]) continue;
    paper.beginPath(); paper.arc(points[j].x, points[j].y, 0.8 * width, 0, 2 * Math.PI);
    paper.fillStyle = seen(j) ? colors[joint_sides[j]] : OUTLINE;
    paper.strokeStyle = seen(j) ? OUTLINE : colors[joint_sides[j]]; paper.lineWidth = edge / 2;
    paper.fill(); paper.stroke();
  }
  const high = known.reduce((first, p) => p.y < first.y ? p : first), size = Math.min(15 * devicePixelRatio, Math.max(10 * devicePixelRatio, 0.045 * height));
  // Above the head, but inside the picture.
  tag(paper, String(person.id), { x: high.x, y: Math.max(ceiling + 0.9 * size, high.y - 0.1 * extent - size) }, person.colors.dark.left, size);
}

/** Shows the panel and begins to load the video that the page carries. */
function loadPicture() {
  if (!clip.video) return;
  document.documentElement.style.setProperty("--aspect", clip.video.width / clip.video.height);
  panel.hidden = false;
  document.getElementById("skeleton").hidden = !clip.keypoints;
  const data = document.getElementById("video-data");
  video.src = URL.createObjectURL(new Blob([decoded(data.textContent)], { type: "video/mp4" }));
  data.remove();
}

/** Goes on without the picture where the browser cannot play it. */
function losePicture() {
  pictureReady = false;
  panel.hidden = true;
  document.getElementById("skeleton").hidden = true;
  const notice = document.getElementById("notice");
  notice.textContent = "This browser cannot play the video (H.264). The 3D view works without it.";
  notice.hidden = false;
}
