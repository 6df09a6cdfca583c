// The explorer: which questions are shown, in which order, page by page. Starts the page.
const PAGE = 20;
let matches = [], page = 0;

const inOrder = (questions) => {
  const rank = view.order();
  if (rank === null) return questions;
  const keys = new Map(questions.map((q) => [q, rank(q)]));
  return questions.sort((a, b) => keys.get(a) - keys.get(b)); // stable: of one rank, as in the data
};

// Questions of one video stand together, where the first of them stands.
const byClip = (questions) => {
  const groups = new Map();
  for (const q of questions) {
    const clip = data.questions[q][CLIP];
    if (!groups.has(clip)) groups.set(clip, []);
    groups.get(clip).push(q);
  }
  return groups;
};

const filter = () => {
  const isShown = view.matcher();
  const questions = inOrder(data.questions.map((_, q) => q).filter(isShown));
  matches = view.state.view === "gallery" ? questions : [...byClip(questions).values()].flat();
  page = 0;
  show();
};

const button = (text, act) => {
  const element = make("button", "chip", text);
  element.type = "button";
  element.addEventListener("click", act);
  return element;
};

const change = (changes) => { view.set(changes); view.writeAddress(); filter(); };

// What came from a link and no field of the form shows.
const showChips = () => {
  const chips = Object.entries(CHIPS).filter(([name]) => view.state[name] !== "").map(([name, words]) => {
    const chip = button(words + ": " + view.state[name] + " ✕", () => change({ [name]: "" }));
    chip.setAttribute("aria-label", "Take off: " + words + " " + view.state[name]);
    return chip;
  });
  if (view.state.q) chips.push(button("Show all", () => change({ q: "" })));
  $("chips").replaceChildren(...chips);
};

const showCount = () => {
  const n = matches.length, all = data.questions.length;
  $("count").textContent = !view.state.q ? n.toLocaleString("en") + " of " + all.toLocaleString("en") + " questions"
    : n ? "One question, from its link." : "No question has this link.";
  const share = (c) => {
    const answered = matches.filter((q) => wasAsked(c, q));
    return answered.length ? ((100 * answered.filter((q) => isRight(c, q)).length) / answered.length).toFixed(1) + "%" : "–";
  };
  $("among").textContent = n < 2 ? "" : "Right among these: "
    + view.sets().map((s) => s.name + ": " + s.all.map((c) => data.checkpoints[c].label + " " + share(c)).join(", ")).join("; ") + ".";
};

const show = (focus) => {
  const pages = Math.max(1, Math.ceil(matches.length / PAGE)), list = $("list"), gallery = view.state.view === "gallery";
  page = Math.min(Math.max(page, 0), pages - 1);
  const part = matches.slice(page * PAGE, (page + 1) * PAGE);
  list.className = gallery ? "gallery" : "clips";
  list.replaceChildren(...(gallery ? part.map(galleryItem) : [...byClip(part)].map(([clip, questions]) => clipItem(clip, questions))));
  showChips();
  showCount();
  for (const block of document.querySelectorAll("[data-failures]")) block.hidden = block.dataset.failures !== (view.state.ablation || sets[0].name);
  for (const tab of document.querySelectorAll("[data-tab]")) tab.setAttribute("aria-pressed", tab.dataset.tab === (view.state.ablation || sets[0].name));
  $("page").textContent = "page " + (page + 1) + " of " + pages;
  $("previous").disabled = page === 0;
  $("next").disabled = page === pages - 1;
  if (focus) { const items = shownItems(), item = focus === "last" ? items.at(-1) : items[0]; if (item) item.focus(); }
};

const shownItems = () => [...$("list").querySelectorAll("[data-id]")];
const turn = (by, focus) => { page += by; show(focus); };
$("previous").addEventListener("click", () => turn(-1, "first"));
$("next").addEventListener("click", () => turn(1, "first"));

let waiting;
const follow = () => { view.readForm(); view.writeAddress(); filter(); };
$("filters").addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(follow, 60); });
$("filters").addEventListener("reset", () => setTimeout(() => change({ ...DEFAULTS })));
$("filters").addEventListener("submit", (event) => event.preventDefault());
for (const tab of document.querySelectorAll("[data-tab]")) tab.addEventListener("click", () => change({ ablation: tab.dataset.tab, q: "" }));

// Keys: only while the focus is in the list or on nothing in particular, so that typing is never taken.
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || $("enlarged").open) return;
  const here = document.activeElement;
  if (here !== document.body && !$("list").contains(here)) return;
  const items = shownItems(), at = items.findIndex((item) => item.contains(here));
  if (event.key === "/") { event.preventDefault(); $("f-text").focus(); }
  else if (event.key === "j") { if (at < items.length - 1) items[at + 1].focus(); else turn(1, "first"); }
  else if (event.key === "k") { if (at > 0) items[at - 1].focus(); else if (page > 0) turn(-1, "last"); }
  else if (event.key === "n") turn(1, "first");
  else if (event.key === "p") turn(-1, "first");
});

// A view comes from the address: when the page is opened, and when a link in it is followed.
const goToAddress = () => {
  if (!view.isAddress()) return;
  view.readAddress();
  filter();
  $("questions").scrollIntoView();
};
addEventListener("hashchange", goToAddress);

view.start();
const numberOf = new Map(data.questions.map((row, q) => [row[ID], q]));
for (const card of document.querySelectorAll("[data-mistake]")) {
  const clip = data.clips[data.questions[numberOf.get(card.dataset.mistake)][CLIP]];
  if (clip.strips.length) card.prepend(frameButton(clip, clip.strips[0]));
}
for (const part of document.querySelectorAll(".with-script")) part.hidden = false;
filter();
goToAddress();
