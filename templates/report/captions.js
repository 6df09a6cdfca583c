// Captions: the reference beside each checkpoint's text, words that differ marked. The data: paper/caption_explorer.py.
const CAPTIONS = { page: 8, id: 0, scenario: 1, phase: 2, subject: 3, reference: 4 };
const wordsOf = (text) => text.split(/\s+/).filter(Boolean);
const plainWord = (word) => word.toLowerCase().replace(/[.,;:!?()"]+/g, "") || word;

// For each word of both texts, whether it is in their longest common subsequence.
const common = (a, b) => {
  const left = a.map(plainWord), right = b.map(plainWord), width = right.length + 1;
  const longest = new Uint16Array((left.length + 1) * width);
  for (let i = left.length - 1; i >= 0; i -= 1)
    for (let j = right.length - 1; j >= 0; j -= 1)
      longest[i * width + j] = left[i] === right[j] ? longest[(i + 1) * width + j + 1] + 1
        : Math.max(longest[(i + 1) * width + j], longest[i * width + j + 1]);
  const inLeft = left.map(() => false), inRight = right.map(() => false);
  for (let i = 0, j = 0; i < left.length && j < right.length;) {
    if (left[i] === right[j]) { inLeft[i] = inRight[j] = true; i += 1; j += 1; }
    else if (longest[(i + 1) * width + j] >= longest[i * width + j + 1]) i += 1;
    else j += 1;
  }
  return [inLeft, inRight];
};

// A text whose words that aren't kept stand together in one element.
const marked = (words, kept, tag, className) => {
  const p = make("p");
  for (let n = 0; n < words.length;) {
    let end = n;
    while (end < words.length && kept[end] === kept[n]) end += 1;
    const part = words.slice(n, end).join(" ");
    if (n) p.append(" ");
    p.append(kept[n] ? part : make(tag, className, part));
    n = end;
  }
  return p;
};

const captionText = (row) => data.captions.texts[data.captions.rows[row][CAPTIONS.reference]];
const writtenText = (c, row) => { const n = data.captions.written[c][row]; return n === null ? null : data.captions.texts[n]; };
const captionSets = () => ($("c-ablation").value === "" ? sets : sets.filter((s) => s.name === $("c-ablation").value));

const writtenPart = (s, c, row) => {
  const text = writtenText(c, row), box = make("div", c === s.best ? "best" : "");
  box.append(make("p", "label", s.name + " " + data.checkpoints[c].label + (c === s.best ? ", best epoch" : "")));
  if (text === null) box.append(make("p", "muted", "not asked"));
  else if (!text.trim()) box.append(make("p", "muted", "(no words)"));
  else box.append(marked(wordsOf(text), common(wordsOf(text), wordsOf(captionText(row)))[0], "mark", "differs"));
  return box;
};

const captionItem = (row) => {
  const item = make("li", "item"), body = make("div", "caption-body"), reference = make("div"), list = make("div", "caption-texts");
  const looked = captionSets(), words = wordsOf(captionText(row)), best = writtenText(looked[0].best, row);
  item.append(make("h4", "", "About the " + data.captions.rows[row][CAPTIONS.subject]));
  reference.append(make("p", "label", "reference"));
  reference.append(marked(words, best === null ? words.map(() => true) : common(wordsOf(best), words)[1], "del", "lacks"));
  for (const s of looked) list.append(...s.all.map((c) => writtenPart(s, c, row)));
  body.append(reference, list);
  item.append(body);
  return item;
};

const captionClip = (number, rows) => {
  const clip = data.clips[number], item = make("li", "clip"), first = data.captions.rows[rows[0]];
  item.append(make("h3", "", clip.video + (clip.window ? ", " + clip.window : "")));
  item.append(make("p", "where", first[CAPTIONS.scenario] + " · phase " + first[CAPTIONS.phase]));
  for (const strip of clip.strips) item.append(stripButton(clip, strip), make("p", "said", strip.words));
  const list = make("ol", "items");
  list.append(...rows.map(captionItem));
  item.append(list);
  return item;
};

const captionList = {
  clips: [],
  page: 0,

  filter() {
    const { rows, clips } = data.captions, groups = new Map(), words = $("c-text").value.toLowerCase().split(/\s+/).filter(Boolean);
    const equal = [["c-scenario", CAPTIONS.scenario], ["c-phase", CAPTIONS.phase], ["c-subject", CAPTIONS.subject]].filter(([id]) => $(id).value !== "");
    rows.forEach((row, n) => {
      if (!equal.every(([id, column]) => row[column] === $(id).value)) return;
      const all = [row[CAPTIONS.scenario], data.clips[clips[n]].video, captionText(n), ...data.checkpoints.map((_, c) => writtenText(c, n) ?? "")];
      if (words.length && !words.every((word) => all.join("\n").toLowerCase().includes(word))) return;
      if (!groups.has(clips[n])) groups.set(clips[n], []);
      groups.get(clips[n]).push(n);
    });
    this.clips = [...groups];
    this.page = 0;
    this.show();
  },

  show() {
    const pages = Math.max(1, Math.ceil(this.clips.length / CAPTIONS.page)), { rows, total } = data.captions;
    this.page = Math.min(Math.max(this.page, 0), pages - 1);
    const shown = this.clips.reduce((sum, [, of]) => sum + of.length, 0), part = this.clips.slice(this.page * CAPTIONS.page, (this.page + 1) * CAPTIONS.page);
    $("caption-list").replaceChildren(...part.map(([clip, of]) => captionClip(clip, of)));
    $("caption-count").textContent = shown.toLocaleString("en") + " of " + rows.length.toLocaleString("en") + " captions"
      + (rows.length < total ? "; the page has room for these of all " + total.toLocaleString("en") : "");
    $("caption-page").textContent = "page " + (this.page + 1) + " of " + pages;
    $("caption-previous").disabled = this.page === 0;
    $("caption-next").disabled = this.page === pages - 1;
  },

  turn(by) { this.page += by; this.show(); $("captions").scrollIntoView(); },

  start() {
    const fill = (id, texts) => { texts.forEach((text) => $(id).add(new Option(text, text))); $(id).closest("label").hidden = texts.length < 2; };
    const values = (column) => [...new Set(data.captions.rows.map((row) => row[column]))].sort((a, b) => a.localeCompare(b));
    fill("c-scenario", values(CAPTIONS.scenario));
    fill("c-phase", values(CAPTIONS.phase));
    fill("c-subject", values(CAPTIONS.subject));
    fill("c-ablation", sets.map((s) => s.name));
    $("caption-filters").addEventListener("input", () => this.filter());
    $("caption-filters").addEventListener("reset", () => setTimeout(() => this.filter()));
    $("caption-filters").addEventListener("submit", (event) => event.preventDefault());
    $("caption-previous").addEventListener("click", () => this.turn(-1));
    $("caption-next").addEventListener("click", () => this.turn(1));
    this.filter();
  },
};
if ($("captions")) captionList.start();
