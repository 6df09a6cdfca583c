"use strict";
// Light or dark. The files of this folder are joined into one script (REPORT_SCRIPTS in scripts/roadtrain/paper/contents.py).
const $ = (id) => document.getElementById(id);

const theme = {
  root: document.documentElement,
  button: $("theme"),
  system: matchMedia("(prefers-color-scheme: dark)"),
  // A page opened from disk may have no storage.
  read() { try { return localStorage.getItem("theme"); } catch { return null; } },
  keep(name) { try { localStorage.setItem("theme", name); } catch { /* then it lasts until the page is closed */ } },
  isDark() { return this.root.dataset.theme ? this.root.dataset.theme === "dark" : this.system.matches; },
  label() {
    const other = this.isDark() ? "Light" : "Dark";
    this.button.textContent = other;
    this.button.setAttribute("aria-label", "Switch to " + other.toLowerCase());
  },
  start() {
    if (["dark", "light"].includes(this.read())) this.root.dataset.theme = this.read();
    this.button.hidden = false;
    this.button.addEventListener("click", () => {
      this.root.dataset.theme = this.isDark() ? "light" : "dark";
      this.keep(this.root.dataset.theme);
      this.label();
    });
    this.system.addEventListener("change", () => this.label());
    this.label();
  },
};
theme.start();
