// What is looked at: fields of the form, and the same in the page's address, so that a view can be shared.
// An address has what differs from these: #ablation=nframes8&show=wrong&question=..
const DEFAULTS = {
  show: "wrong", ablation: "", type: "", question: "", scenario: "", camera: "", sure: "", sort: "sure", view: "list", text: "",
  right: "", given: "", right_letter: "", letter: "", precision: "", // only from links; shown as buttons that take them off
  q: "", // one question
};
const FIELDS = ["show", "ablation", "type", "question", "scenario", "camera", "sure", "sort", "view", "text"];
const CHIPS = { right: "right answer", given: "given", right_letter: "right letter", letter: "given letter", precision: "precision" };

const view = {
  state: { ...DEFAULTS },

  // Choices of the form; a field with nothing to choose from is left out.
  start() {
    const fill = (name, texts) => {
      const select = $("f-" + name);
      texts.filter(Boolean).forEach((text) => select.add(new Option(text, text)));
      select.closest("label").hidden = texts.length < 2;
    };
    const sorted = (texts) => [...texts].sort((a, b) => a.localeCompare(b));
    fill("ablation", sets.map((s) => s.name));
    fill("type", sorted(data.types));
    fill("question", sorted(data.texts));
    fill("scenario", sorted(data.scenarios));
    fill("camera", sorted(data.cameras));
    const sure = data.sure.some((of) => of.some((share) => share !== null));
    for (const name of ["sure", "sort"]) $("f-" + name).closest("label").hidden = !sure;
  },

  // Whether the address is a view: other fragments are places in the page.
  isAddress: () => location.hash.includes("="),

  readAddress() {
    const parts = new URLSearchParams(location.hash.slice(1));
    this.state = { ...DEFAULTS };
    for (const name of Object.keys(DEFAULTS)) if (parts.has(name)) this.state[name] = parts.get(name);
    if (!(this.state.show in OUTCOMES)) this.state.show = "all";
    for (const name of FIELDS) {
      const field = $("f-" + name);
      field.value = this.state[name];
      if (field.value !== this.state[name]) this.state[name] = field.value = DEFAULTS[name]; // no such choice
    }
  },

  readForm() {
    for (const name of FIELDS) this.state[name] = $("f-" + name).value;
    this.state.q = "";
  },

  writeAddress() {
    const parts = new URLSearchParams();
    for (const [name, value] of Object.entries(this.state)) if (value !== DEFAULTS[name]) parts.set(name, value);
    const text = parts.toString().replaceAll("+", "%20");
    history.replaceState(null, "", text ? "#" + text : "#questions");
  },

  set(changes) {
    Object.assign(this.state, changes);
    for (const name of FIELDS) $("f-" + name).value = this.state[name];
  },

  // The ablations that are looked at.
  sets() { return this.state.ablation === "" ? sets : sets.filter((s) => s.name === this.state.ablation); },

  // A function that says whether a question is shown.
  matcher() {
    const { state } = this, looked = this.sets(), outcome = OUTCOMES[state.show];
    if (state.q) return (q) => data.questions[q][ID] === state.q;
    const words = state.text.toLowerCase().split(/\s+/).filter(Boolean);
    const least = state.sure === "" ? null : Number(state.sure) * WHOLE;
    const none = (name) => (name === "none" ? null : name);
    const equal = [[TYPE, "type", data.types], [QUESTION, "question", data.texts], [SCENARIO, "scenario", data.scenarios], [CAMERA, "camera", data.cameras]]
      .filter(([, name]) => state[name] !== "").map(([column, name, values]) => [column, values.indexOf(state[name])]);
    const inSettings = (s, q) => {
      const precisions = s.quantized.filter((c) => state.precision === "" || data.checkpoints[c].name === state.precision);
      return outcome(s, q, precisions)
        && (least === null || (sureness(s.best, q) !== null && sureness(s.best, q) >= least))
        && (state.given === "" || givenText(s.best, q) === state.given)
        && (state.letter === "" || letter(s.best, q) === none(state.letter));
    };
    return (q) => equal.every(([column, value]) => data.questions[q][column] === value)
      && (state.right === "" || rightText(q) === state.right)
      && (state.right_letter === "" || data.questions[q][CORRECT] === state.right_letter)
      && words.every((word) => haystack(q).includes(word))
      && looked.some((s) => inSettings(s, q));
  },

  // How surely a question was answered wrong, by the surest of the ablations that are looked at; right ones come last.
  order() {
    const looked = this.sets(), worst = (q) => Math.max(...looked.map((s) => (isWrong(s.best, q) ? sureness(s.best, q) ?? 0 : -1)));
    const least = (q) => Math.min(...looked.map((s) => sureness(s.best, q) ?? WHOLE));
    if (this.state.sort === "data") return null;
    return this.state.sort === "doubt" ? (q) => least(q) : (q) => -worst(q);
  },
};

const haystacks = [];
const haystack = (q) => haystacks[q] ??= [
  data.questions[q][ID], data.texts[data.questions[q][QUESTION]], data.clips[data.questions[q][CLIP]].video,
  data.scenarios[data.questions[q][SCENARIO]], ...data.questions[q][OPTIONS].map((o) => o[1]),
  ...data.checkpoints.map((_, c) => wrote(c, q)).filter((text) => text && text.length > 1),
].join("\n").toLowerCase();
