// How a question is drawn: in a list below its video, or as a card of the gallery.

// The set that is shown of a question: of those that are looked at, the one that is wrong most surely, else the first.
const toldSet = (q) => {
  const looked = view.sets(), rank = (s) => (isWrong(s.best, q) ? sureness(s.best, q) ?? 0 : -1);
  return looked.reduce((best, s) => (rank(s) > rank(best) ? s : best), looked[0]);
};

const answerCell = (c, q, s) => {
  const td = make("td");
  if (c === undefined) return td;
  if (!wasAsked(c, q)) { td.append(make("span", "wrote", "not asked")); return td; }
  const good = isRight(c, q), one = letter(c, q), text = wrote(c, q), sure = sureness(c, q);
  const mark = make("span", "mark-" + (good ? "yes" : "no") + (c === s.best ? " best" : ""), (good ? "✓ " : "✗ ") + (one === null ? "none" : one));
  mark.append(make("span", "unseen", (good ? ", right" : one === null ? ", unanswered" : ", wrong") + (c === s.best ? ", best epoch" : "")));
  td.append(mark);
  if (sure !== null) td.append(make("span", "sure", inPercent(sure)));
  if (text !== one) td.append(make("span", "wrote", "“" + text + "”"));
  return td;
};

const answersTable = (q) => {
  const table = make("table", "answers"), head = make("tr"), body = make("tbody");
  head.append(make("td"), ...columns.map((text) => { const th = make("th", "", text); th.scope = "col"; return th; }));
  for (const s of sets) {
    const row = make("tr"), th = make("th", "", s.name);
    th.scope = "row";
    row.append(th, ...columns.map((text) => {
      const cell = answerCell(s.all.find((c) => data.checkpoints[c].label === text), q, s);
      cell.dataset.label = text;
      return cell;
    }));
    body.append(row);
  }
  table.append(make("thead"), body);
  table.tHead.append(head);
  return table;
};

// The options, each with the probability that the best epoch gave it.
const optionsList = (q, s) => {
  const row = data.questions[q], shares = data.shares[s.name][q], list = make("ul", "options");
  row[OPTIONS].forEach(([name, text], n) => {
    const option = make("li", name === row[CORRECT] ? "right" : name === letter(s.best, q) ? "given" : "");
    const words = make("span", "", name + ": " + text);
    if (name === row[CORRECT]) words.append(make("span", "tag", " ✓ correct"));
    if (name === letter(s.best, q)) words.append(make("span", "tag", " ← given"));
    option.append(words);
    if (shares) {
      const bar = make("span", "bar-of"), part = make("span", "part");
      part.style.width = shares[n] / 1000 + "%";
      bar.append(part);
      option.append(bar, make("span", "share", inPercent(shares[n])));
    }
    list.append(option);
  });
  return list;
};

const addressOf = (q) => "#q=" + encodeURIComponent(data.questions[q][ID]);

const questionItem = (q) => {
  const row = data.questions[q], item = make("li", "item"), s = toldSet(q);
  item.tabIndex = -1;
  item.dataset.id = row[ID];
  item.append(make("h4", "", data.texts[row[QUESTION]] || "(no words)"));
  const where = make("p", "where"), link = make("a", "", row[ID]);
  link.href = addressOf(q);
  link.title = "A link to this question";
  where.append(link, make("span", "", data.types[row[TYPE]]));
  const body = make("div", "body"), box = make("div", "options-box");
  box.append(optionsList(q, s));
  if (data.shares[s.name][q]) box.append(make("p", "muted", "Probabilities of " + s.name + " " + data.checkpoints[s.best].label));
  body.append(box, answersTable(q));
  item.append(where, body);
  return item;
};

// A video with its questions below one strip of frames.
const clipItem = (number, questions) => {
  const clip = data.clips[number], item = make("li", "clip"), row = data.questions[questions[0]];
  item.append(make("h3", "", clip.video + (clip.window ? ", " + clip.window : "")));
  const n = questions.length;
  item.append(make("p", "where", data.scenarios[row[SCENARIO]] + " · " + n + (n === 1 ? " question" : " questions") + " here"));
  for (const strip of clip.strips) item.append(stripButton(clip, strip), make("p", "said", strip.words));
  if (!clip.strips.length) item.append(make("p", "said", "No picture: the frame cache was not there, or the page would have become too large."));
  const list = make("ol", "items");
  list.append(...questions.map(questionItem));
  item.append(list);
  return item;
};

// A question of the gallery: a frame, what was said, what is right.
const galleryItem = (q) => {
  const row = data.questions[q], clip = data.clips[row[CLIP]], item = make("li", "mistake");
  const s = toldSet(q), shares = data.shares[s.name][q];
  item.tabIndex = -1;
  item.dataset.id = row[ID];
  if (clip.strips.length) item.append(frameButton(clip, clip.strips[0]));
  const link = make("a", "", data.texts[row[QUESTION]] || "(no words)"), title = make("h3");
  link.href = addressOf(q);
  title.append(link);
  const share = (name) => { const n = row[OPTIONS].findIndex((o) => o[0] === name); return shares && n >= 0 ? " " + inPercent(shares[n]) : ""; };
  const given = wasAsked(s.best, q) ? (givenText(s.best, q) || "no answer") + share(letter(s.best, q)) : "not asked";
  item.append(title, make("p", isRight(s.best, q) ? "yes" : "no", (isRight(s.best, q) ? "✓ " : "✗ ") + given));
  if (!isRight(s.best, q)) item.append(make("p", "yes", "✓ " + rightText(q) + share(row[CORRECT])));
  item.append(make("p", "said", clip.video));
  return item;
};
