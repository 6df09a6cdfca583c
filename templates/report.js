"use strict";
// The explorer of the report. Text from the data only ever becomes text (textContent), never markup.
(() => {
  const $ = (id) => document.getElementById(id);
  const PAGE = 20;

  // --- light or dark
  const root = document.documentElement;
  const button = $("theme");
  const system = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
  const label = () => { button.textContent = isDark() ? "Light" : "Dark"; button.setAttribute("aria-label", isDark() ? "Switch to light" : "Switch to dark"); };
  const store = { get: () => { try { return localStorage.getItem("theme"); } catch { return null; } }, set: (v) => { try { localStorage.setItem("theme", v); } catch { /* a page opened from disk may have no storage */ } } };
  if (store.get() === "dark" || store.get() === "light") root.dataset.theme = store.get();
  button.hidden = false;
  button.addEventListener("click", () => { root.dataset.theme = isDark() ? "light" : "dark"; store.set(root.dataset.theme); label(); });
  system.addEventListener("change", label);
  label();

  // --- the data
  const data = JSON.parse($("explorer-data").textContent);
  const [ID, CLIP, SCENARIO, QUESTION, TYPE, OPTIONS, CORRECT] = [0, 1, 2, 3, 4, 5, 6];
  const letter = (checkpoint, q) => { const a = data.answers[checkpoint][q]; return Array.isArray(a) ? a[0] : a; };
  const wrote = (checkpoint, q) => { const a = data.answers[checkpoint][q]; return Array.isArray(a) ? a[1] : a; };
  const right = (checkpoint, q) => letter(checkpoint, q) === data.questions[q][CORRECT];
  const ablations = [...new Set(data.checkpoints.map((c) => c.ablation))];
  const sets = ablations.map((name) => {
    const own = data.checkpoints.map((c, i) => [c, i]).filter(([c]) => c.ablation === name);
    const pick = (kind) => own.filter(([c]) => c.kind === kind).map(([, i]) => i);
    return { name, zero: pick("zero_shot")[0], epochs: pick("epoch"), quantized: pick("quantized"), all: own.map(([, i]) => i),
             best: own.find(([c]) => c.name === data.best[name])[1] };
  });
  const columns = [...new Set(data.checkpoints.map((c) => c.label))];
  const differ = (checkpoints, q) => checkpoints.some((c) => letter(c, q) !== letter(checkpoints[0], q));
  const OUTCOMES = {
    all: () => true,
    wrong: (s, q) => !right(s.best, q),
    right: (s, q) => right(s.best, q),
    epochs: (s, q) => differ(s.epochs, q),
    quantized: (s, q) => s.quantized.some((c) => letter(c, q) !== letter(s.best, q)),
    learned: (s, q) => !right(s.zero, q) && right(s.best, q),
    lost: (s, q) => right(s.zero, q) && !right(s.best, q),
    unanswered: (s, q) => s.all.some((c) => letter(c, q) === null),
  };
  const haystacks = data.questions.map((row, q) => [
    row[ID], data.texts[row[QUESTION]], data.clips[row[CLIP]].video, data.scenarios[row[SCENARIO]], ...row[OPTIONS].map((o) => o[1]),
    ...data.checkpoints.map((_, c) => wrote(c, q)).filter((w) => w && w.length > 1),
  ].join("\n").toLowerCase());

  // --- filters
  const fill = (select, names) => names.forEach(([value, text]) => select.add(new Option(text, value)));
  const numbered = (texts) => texts.map((text, i) => [String(i), text]).sort((a, b) => a[1].localeCompare(b[1]));
  fill($("f-ablation"), ablations.map((name, i) => [String(i), name]));
  fill($("f-type"), numbered(data.types));
  fill($("f-question"), numbered(data.texts));
  fill($("f-scenario"), numbered(data.scenarios));
  const fields = { text: $("f-text"), outcome: $("f-outcome"), ablation: $("f-ablation"), type: $("f-type"), question: $("f-question"), scenario: $("f-scenario") };
  let found = [], page = 0, only = null;

  const filter = () => {
    const words = fields.text.value.toLowerCase().split(/\s+/).filter(Boolean);
    const outcome = OUTCOMES[fields.outcome.value];
    const asked = fields.ablation.value === "" ? sets : [sets[Number(fields.ablation.value)]];
    const is = (field, row, column) => fields[field].value === "" || row[column] === Number(fields[field].value);
    found = [];
    data.questions.forEach((row, q) => {
      if (only !== null ? row[ID] !== only : !(is("type", row, TYPE) && is("question", row, QUESTION) && is("scenario", row, SCENARIO))) return;
      if (only === null && (!words.every((w) => haystacks[q].includes(w)) || !asked.some((s) => outcome(s, q)))) return;
      found.push(q);
    });
    page = 0;
    show();
  };

  // --- drawing
  const make = (tag, className, text) => { const e = document.createElement(tag); if (className) e.className = className; if (text !== undefined) e.textContent = text; return e; };
  const answer = (c, q, s) => {
    const td = make("td");
    if (c === undefined) return td;
    const good = right(c, q), one = letter(c, q), said = wrote(c, q);
    const mark = make("span", "mark-" + (good ? "yes" : "no") + (c === s.best ? " best" : ""), (good ? "✓ " : "✗ ") + (one === null ? "none" : one));
    mark.append(make("span", "unseen", (good ? ", right" : one === null ? ", unanswered" : ", wrong") + (c === s.best ? ", best epoch" : "")));
    td.append(mark);
    if (said !== one) td.append(make("span", "wrote", "“" + said + "”"));
    return td;
  };
  const item = (q) => {
    const row = data.questions[q], clip = data.clips[row[CLIP]], li = make("li", "item");
    li.tabIndex = -1;
    li.dataset.id = row[ID];
    li.append(make("h3", "", data.texts[row[QUESTION]]));
    const where = make("div", "where");
    const link = make("a", "", row[ID]);
    link.href = "#q=" + encodeURIComponent(row[ID]);
    link.title = "A link to this question";
    where.append(link, make("span", "", clip.video + (clip.window ? ", " + clip.window : "")), make("span", "", data.types[row[TYPE]]));
    li.append(where);
    for (const strip of clip.strips) {
      const box = make("div", "strip"), img = document.createElement("img");
      box.tabIndex = 0;
      box.setAttribute("role", "group");
      box.setAttribute("aria-label", strip.said + " with " + strip.vision);
      img.loading = "lazy";
      img.decoding = "async";
      img.height = 72;
      img.src = data.pictures[strip.picture];
      img.alt = strip.said + " of " + clip.video + ", seen with " + strip.vision;
      box.append(img);
      li.append(box, make("p", "said", strip.said + " · " + strip.vision + " · " + strip.width + "×" + strip.height));
    }
    if (!clip.strips.length) li.append(make("p", "said", "No picture: the frame cache was not there, or the page would have become too large."));
    const body = make("div", "body"), options = make("ul", "options");
    for (const [name, text] of row[OPTIONS]) {
      const o = make("li", name === row[CORRECT] ? "right" : "", name + ": " + text);
      if (name === row[CORRECT]) o.append(make("span", "", " ✓ correct"));
      options.append(o);
    }
    const table = make("table", "answers"), head = make("tr"), tbody = make("tbody");
    head.append(make("td"), ...columns.map((text) => { const th = make("th", "", text); th.scope = "col"; return th; }));
    for (const s of sets) {
      const tr = make("tr"), th = make("th", "", s.name);
      th.scope = "row";
      tr.append(th, ...columns.map((text) => answer(s.all.find((c) => data.checkpoints[c].label === text), q, s)));
      tbody.append(tr);
    }
    table.append(make("thead"), tbody);
    table.tHead.append(head);
    const scroll = make("div", "answers-box");
    scroll.tabIndex = 0;
    scroll.setAttribute("role", "group");
    scroll.setAttribute("aria-label", "Answers of the checkpoints");
    scroll.append(table);
    body.append(options, scroll);
    li.append(body);
    return li;
  };
  const show = (focus) => {
    const pages = Math.max(1, Math.ceil(found.length / PAGE));
    page = Math.min(Math.max(page, 0), pages - 1);
    $("list").replaceChildren(...found.slice(page * PAGE, (page + 1) * PAGE).map(item));
    const n = found.length.toLocaleString("en"), all = data.questions.length.toLocaleString("en");
    $("count").replaceChildren(only === null ? n + " of " + all + " questions" : found.length ? "One question, from its link. " : "No question has this link. ");
    const share = (c) => (100 * found.filter((q) => right(c, q)).length / found.length).toFixed(1) + "%";
    $("among").textContent = found.length < 2 ? "" : "Right among these: "
      + sets.map((s) => s.name + ": " + s.all.map((c) => data.checkpoints[c].label + " " + share(c)).join(", ")).join("; ") + ".";
    if (only !== null) {
      const back = make("button", "", "Show all");
      back.type = "button";
      back.addEventListener("click", () => { history.replaceState(null, "", "#questions"); only = null; filter(); });
      $("count").append(back);
    }
    $("page").textContent = "page " + (page + 1) + " of " + pages;
    $("previous").disabled = page === 0;
    $("next").disabled = page === pages - 1;
    if (focus) { const li = focus === "last" ? $("list").lastElementChild : $("list").firstElementChild; if (li) { li.focus(); } }
  };
  const turn = (by, focus) => { const before = page; page += by; show(focus); return page !== before; };
  $("previous").addEventListener("click", () => { turn(-1, "first"); });
  $("next").addEventListener("click", () => { turn(1, "first"); });

  let waiting;
  $("filters").addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(() => { only = null; filter(); }, 60); });
  $("filters").addEventListener("reset", () => setTimeout(() => { only = null; filter(); }));
  $("filters").addEventListener("submit", (event) => event.preventDefault());

  // --- keys: only while the focus is in the list or on nothing in particular, so that typing is never taken
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const here = document.activeElement, free = here === document.body || $("list").contains(here);
    if (!free) return;
    const items = [...$("list").children], at = items.findIndex((li) => li.contains(here));
    if (event.key === "/") { event.preventDefault(); fields.text.focus(); }
    else if (event.key === "j") { if (at < items.length - 1) items[at + 1].focus(); else turn(1, "first"); }
    else if (event.key === "k") { if (at > 0) items[at - 1].focus(); else if (page > 0) turn(-1, "last"); }
    else if (event.key === "n") turn(1, "first");
    else if (event.key === "p") turn(-1, "first");
  });

  // --- a link to one question: #q=<id>
  const fromLink = (scroll) => {
    const match = /^#q=(.*)$/.exec(location.hash);
    if (!match) { if (only !== null) { only = null; filter(); } return; }
    try { only = decodeURIComponent(match[1]); } catch { only = match[1]; }
    filter();
    if (scroll) $("questions").scrollIntoView();
  };
  addEventListener("hashchange", () => fromLink(true));
  $("explorer").hidden = false;
  filter();
  fromLink(true);
})();
