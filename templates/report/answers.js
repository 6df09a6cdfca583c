// What each checkpoint answered: the data of the page (scripts/roadtrain/paper/explorer.py) and questions about it.
// q is a question's number, c a checkpoint's; a set is an ablation's checkpoints.
const data = JSON.parse($("explorer-data").textContent);
const [ID, CLIP, SCENARIO, QUESTION, TYPE, OPTIONS, CORRECT, CAMERA] = [0, 1, 2, 3, 4, 5, 6, 7];
const WHOLE = 100000; // probabilities are whole numbers of 0.00001

const letter = (c, q) => { const a = data.answers[c][q]; return Array.isArray(a) ? a[0] : a; };
const wrote = (c, q) => { const a = data.answers[c][q]; return Array.isArray(a) ? a[1] : a; };
const wasAsked = (c, q) => data.answers[c][q] !== null;
const isRight = (c, q) => letter(c, q) === data.questions[q][CORRECT];
const isWrong = (c, q) => wasAsked(c, q) && !isRight(c, q);
const sureness = (c, q) => data.sure[c][q]; // of the answer that was given, or null

const optionText = (q, name) => { const o = data.questions[q][OPTIONS].find((one) => one[0] === name); return o ? o[1] : name; };
const rightText = (q) => optionText(q, data.questions[q][CORRECT]);
// As answer_text() in scripts/roadtrain/paper/failures.py: two options may have one text.
const givenText = (c, q) => {
  if (letter(c, q) === null) return "";
  const text = optionText(q, letter(c, q));
  return !isRight(c, q) && text === rightText(q) ? text + " (" + letter(c, q) + ")" : text;
};

const sets = [...new Set(data.checkpoints.map((c) => c.ablation))].map((name) => {
  const all = data.checkpoints.map((_, c) => c).filter((c) => data.checkpoints[c].ablation === name);
  const pick = (kind) => all.filter((c) => data.checkpoints[c].kind === kind);
  return { name, all, zero: pick("zero_shot")[0], epochs: pick("epoch"), quantized: pick("quantized"),
           best: all.find((c) => data.checkpoints[c].name === data.best[name]) };
});
const columns = [...new Set(data.checkpoints.map((c) => c.label))];

const differs = (c, d, q) => wasAsked(c, q) && wasAsked(d, q) && letter(c, q) !== letter(d, q);
// What a filter shows: of a set, a question, and the quantized checkpoints that are looked at.
const OUTCOMES = {
  all: () => true,
  wrong: (s, q) => isWrong(s.best, q),
  right: (s, q) => isRight(s.best, q),
  unanswered: (s, q) => s.all.some((c) => wasAsked(c, q) && letter(c, q) === null),
  epochs: (s, q) => s.epochs.some((c) => differs(c, s.epochs[0], q)),
  learned: (s, q) => isWrong(s.zero, q) && isRight(s.best, q),
  lost: (s, q) => isRight(s.zero, q) && isWrong(s.best, q),
  still: (s, q) => isWrong(s.zero, q) && isWrong(s.best, q) && differs(s.zero, s.best, q),
  quantized: (s, q, precisions) => precisions.some((c) => differs(s.best, c, q)),
  "quantized-right": (s, q, precisions) => precisions.some((c) => isWrong(s.best, q) && isRight(c, q)),
  "quantized-wrong": (s, q, precisions) => precisions.some((c) => isRight(s.best, q) && isWrong(c, q)),
  "quantized-still": (s, q, precisions) => precisions.some((c) => isWrong(s.best, q) && isWrong(c, q) && differs(s.best, c, q)),
};

// 97.1%; more digits where it would read as nothing or as all, and is neither (digits() in results/words.py).
const inPercent = (whole) => {
  const value = whole / 1000;
  let count = 1;
  while (count < 6 && ((value > 0 && Number(value.toFixed(count)) === 0) || (value < 100 && Number(value.toFixed(count)) === 100))) count += 1;
  return value.toFixed(count) + "%";
};
