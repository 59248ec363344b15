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

// The search: every word must occur; where it occurs in a title, the section stands higher.

const field = byId("search");
const list = byId("found");
const root = document.body.dataset.root;
let chosen = -1;

function score(entry, words) {
  let sum = 0;
  for (const word of words) {
    const title = entry.t.toLowerCase();
    if (title === word) sum += entry.s ? 40 : 80;
    else if (title.includes(word)) sum += entry.s ? 10 : 20;
    else if (entry.s.toLowerCase().includes(word)) sum += 8;
    else if (entry.x.toLowerCase().includes(word)) sum += 1;
    else return 0;
  }
  return sum;
}

function excerpt(text, word) {
  const at = Math.max(0, text.toLowerCase().indexOf(word) - 30);
  return (at ? "…" : "") + text.slice(at, at + 90) + "…";
}

function show() {
  const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
  list.replaceChildren();
  list.hidden = !words.length;
  chosen = -1;
  if (!words.length) return;
  const ranked = window.pullbackIndex
    .map((entry) => [score(entry, words), entry])
    .filter(([points]) => points)
    .sort(([one], [other]) => other - one)
    .slice(0, 12);
  for (const [, entry] of ranked) {
    const link = document.createElement("a");
    link.href = root + entry.u;
    const title = document.createElement("b");
    title.textContent = entry.s ? `${entry.t} › ${entry.s}` : entry.t;
    const text = document.createElement("span");
    text.textContent = excerpt(entry.x, words[0]);
    link.append(title, text);
    const item = document.createElement("li");
    item.append(link);
    list.append(item);
  }
  if (!ranked.length) {
    const item = document.createElement("li");
    item.textContent = document.body.dataset.nothing;
    list.append(item);
  }
}

function choose(step) {
  const links = list.querySelectorAll("a");
  if (!links.length) return;
  links[chosen]?.classList.remove("chosen");
  chosen = (chosen + step + links.length) % links.length;
  links[chosen].classList.add("chosen");
  links[chosen].scrollIntoView({ block: "nearest" });
}

field.addEventListener("input", show);
field.addEventListener("focus", show);
field.addEventListener("keydown", (event) => {
  if (event.key === "ArrowDown") choose(1);
  else if (event.key === "ArrowUp") choose(-1);
  else if (event.key === "Enter") (list.querySelector("a.chosen") ?? list.querySelector("a"))?.click();
  else if (event.key === "Escape") field.blur(), (list.hidden = true);
  else return;
  event.preventDefault();
});
document.addEventListener("click", (event) => {
  if (!event.target.closest(".search")) list.hidden = true;
});
document.addEventListener("keydown", (event) => {
  if (event.key === "/" && !/input|textarea/i.test(document.activeElement.tagName)) {
    field.focus();
    event.preventDefault();
  }
});
