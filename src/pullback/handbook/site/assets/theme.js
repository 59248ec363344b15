// Before anything is drawn: the reader's choice of light or dark, if there is one.
"use strict";
try {
  const chosen = localStorage.getItem("pullback-theme");
  if (chosen) document.documentElement.style.colorScheme = chosen;
} catch {
  // pages opened from a disk may have no memory
}
