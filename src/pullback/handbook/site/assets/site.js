// Light and dark, the menu of narrow screens, and the search.
"use strict";

const byId = (id) => document.getElementById(id);

// Light and dark.

function isDark() {
  const chosen = document.documentElement.style.colorScheme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

byId("theme").addEventListener("click", () => {
  const scheme = isDark() ? "light" : "dark";
  document.documentElement.style.colorScheme = scheme;
  try {
    localStorage.setItem("pullback-theme", scheme);
  } catch {
    // it holds for this page, then
  }
});

// The menu: always open where there is room for it.

const narrow = matchMedia("(max-width: 60rem)");
const fitMenu = () => (byId("menu").open = !narrow.matches);
narrow.addEventListener("change", fitMenu);
fitMenu();
const current = document.querySelector("nav [aria-current]");
if (current && !narrow.matches) {
  const nav = document.querySelector("nav");
  nav.scrollTop = current.offsetTop - nav.clientHeight / 3;
}

// The search: words may be missing, but an entry that has more of them stands higher, and so does one that has them
// in a title or in a name. A run of Chinese is looked up by its pairs of characters, since it has no blanks.

const field = byId("search");
const list = byId("found");
const root = document.body.dataset.root;
const CHINESE = /[\u4e00-\u9fff]/;
const EMPTY = new Set("a an and are do does how i in is it my not of the to what why".split(" "));
let chosen = -1;

function tokens(query) {
  const runs = query.toLowerCase().match(/[\u4e00-\u9fff]+|[^\s\u4e00-\u9fff，。：；？！、（）“”]+/g) ?? [];
  const pairs = (run) => Array.from({ length: run.length - 1 }, (_, k) => run.slice(k, k + 2));
  const words = runs.flatMap((run) => (CHINESE.test(run) && run.length > 2 ? pairs(run) : [run]));
  const telling = words.filter((word) => !EMPTY.has(word));
  return [...new Set(telling.length ? telling : words)];
}

function weight(entry, token) {
  const title = entry.t.toLowerCase();
  const whole = entry.s ? 0.5 : 1; // a section of a page stands below the page
  if (title === token) return 80 * whole;
  if (title.includes(token)) return 20 * whole;
  if (entry.n.toLowerCase().includes(token)) return 15;
  if (entry.s.toLowerCase().includes(token)) return 8;
  return entry.x.toLowerCase().includes(token) ? 1 : 0;
}

function score(entry, words) {
  const weights = words.map((word) => weight(entry, word));
  const found = weights.filter(Boolean).length;
  const named = entry.n.toLowerCase().includes(field.value.trim().toLowerCase()) ? 40 : 0; // by a name as a whole
  return 2 * found < words.length ? 0 : 1000 * found + named + weights.reduce((sum, w) => sum + w, 0);
}

function excerpt(text, words) {
  const small = text.toLowerCase();
  const places = words.map((word) => small.indexOf(word)).filter((place) => place >= 0);
  const at = places.length ? Math.max(0, Math.min(...places) - 30) : 0;
  return (at ? "…" : "") + text.slice(at, at + 90) + (at + 90 < text.length ? "…" : "");
}

function show() {
  const words = tokens(field.value);
  list.replaceChildren();
  list.hidden = !words.length || !window.pullbackIndex;
  field.setAttribute("aria-expanded", String(!list.hidden));
  field.removeAttribute("aria-activedescendant");
  chosen = -1;
  if (list.hidden) return;
  const ranked = window.pullbackIndex
    .map((entry) => [score(entry, words), entry])
    .filter(([points]) => points)
    .sort(([one], [other]) => other - one)
    .slice(0, 12);
  ranked.forEach(([, entry], k) => list.append(answer(entry, words, k)));
  if (!ranked.length) {
    const item = document.createElement("li");
    item.textContent = document.body.dataset.nothing;
    list.append(item);
  }
}

function answer(entry, words, k) {
  const link = document.createElement("a");
  link.href = root + entry.u;
  link.tabIndex = -1; // the arrow keys lead here
  const title = document.createElement("b");
  title.textContent = entry.s ? `${entry.t} › ${entry.s}` : entry.t;
  const text = document.createElement("span");
  text.textContent = excerpt(entry.x, words);
  link.append(title, text);
  const item = document.createElement("li");
  item.id = `found-${k}`;
  item.setAttribute("role", "option");
  item.append(link);
  return item;
}

function choose(step) {
  const links = list.querySelectorAll("a");
  if (!links.length) return;
  mark(links[chosen], false);
  chosen = chosen < 0 && step < 0 ? links.length - 1 : (chosen + step + links.length) % links.length;
  mark(links[chosen], true);
  links[chosen].scrollIntoView({ block: "nearest" });
  field.setAttribute("aria-activedescendant", links[chosen].parentElement.id);
}

function mark(link, isChosen) {
  link?.classList.toggle("chosen", isChosen);
  link?.parentElement.setAttribute("aria-selected", String(isChosen));
}

function close() {
  list.hidden = true;
  field.setAttribute("aria-expanded", "false");
}

// The index is large, and read only by who searches.
function ready() {
  if (byId("index")) return;
  const script = document.createElement("script");
  script.id = "index";
  script.src = document.body.dataset.index;
  script.addEventListener("load", show);
  document.head.append(script);
}

field.addEventListener("input", show);
field.addEventListener("focus", () => (ready(), show()));
field.addEventListener("keydown", (event) => {
  if (event.isComposing) return; // Enter ends the input of Chinese
  if (event.key === "ArrowDown") choose(1);
  else if (event.key === "ArrowUp") choose(-1);
  else if (event.key === "Enter") (list.querySelector("a.chosen") ?? list.querySelector("a"))?.click();
  else if (event.key === "Escape") field.blur(), close();
  else return;
  event.preventDefault();
});
document.addEventListener("click", (event) => {
  if (!event.target.closest(".search")) close();
});
document.addEventListener("keydown", (event) => {
  const typing = /input|textarea/i.test(document.activeElement.tagName);
  if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
    field.focus();
    event.preventDefault();
  }
});
