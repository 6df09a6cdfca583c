// Strips of frames, single frames cut out of them, and the dialog in which they are large.
const make = (tag, className, text) => {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text; // text from the data only ever becomes text, never markup
  return element;
};

const picture = (strip, alt) => {
  const img = make("img");
  Object.assign(img, { loading: "lazy", decoding: "async", alt, src: data.pictures[strip.picture] });
  img.width = strip.frames * (strip.width + strip.gap) - strip.gap;
  img.height = strip.height;
  return img;
};

// Frame n of a strip, as wide as its place: the strip is shifted behind a window of a frame's shape.
const frame = (strip, n, alt) => {
  const box = make("span", "frame"), img = picture(strip, alt);
  box.style.aspectRatio = strip.width + " / " + strip.height;
  img.style.left = (-100 * n * (strip.width + strip.gap)) / strip.width + "%";
  box.append(img);
  return box;
};

const enlarge = (clip, strip) => {
  const dialog = $("enlarged"), frames = make("div", "frames");
  for (let n = 0; n < strip.frames; n += 1) frames.append(frame(strip, n, "Frame " + (n + 1) + " of " + strip.frames + " of " + clip.video));
  $("enlarged-h").textContent = clip.video + (clip.window ? ", " + clip.window : "");
  $("enlarged-words").textContent = strip.words;
  $("enlarged-frames").replaceChildren(frames);
  dialog.showModal();
};

const opener = (clip, strip, className, content) => {
  const button = make("button", className);
  button.type = "button";
  button.setAttribute("aria-label", "Enlarge the frames of " + clip.video);
  button.append(content);
  button.addEventListener("click", () => enlarge(clip, strip));
  return button;
};

// All frames side by side, as wide as there is room.
const stripButton = (clip, strip) => opener(clip, strip, "strip", picture(strip, ""));
// The middle frame alone.
const frameButton = (clip, strip) => opener(clip, strip, "still", frame(strip, Math.floor(strip.frames / 2), ""));
$("enlarged").addEventListener("click", (event) => { if (event.target === $("enlarged")) $("enlarged").close(); });
