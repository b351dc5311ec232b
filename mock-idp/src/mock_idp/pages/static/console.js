// Updates the activity. Without this script, the user presses "Reload".
"use strict";

const EVERY_MILLISECONDS = 2000;
const URL_OF_ACTIVITY = "/u/console/activity";

let paused = false;

function activity() {
  return document.getElementById("activity");
}

function isInUse() {
  return activity().contains(document.activeElement) || !document.getSelection().isCollapsed;
}

function openParts() {
  return [...activity().querySelectorAll("details")].map((part) => [part.id, part.open]);
}

function show(page) {
  const fresh = new DOMParser().parseFromString(page, "text/html").getElementById("activity");
  const before = new Map(openParts());
  for (const part of fresh.querySelectorAll("details")) {
    if (before.has(part.id)) {
      part.open = before.get(part.id);
    }
  }
  activity().replaceWith(fresh);
  addButton();
}

async function update() {
  if (paused || document.hidden) {
    return;
  }
  const query = new URLSearchParams(location.search);
  query.set("revision", activity().dataset.revision);
  query.set("ui_locales", document.documentElement.lang);
  const answer = await fetch(`${URL_OF_ACTIVITY}?${query}`, { cache: "no-store" });
  if (answer.status === 200) {
    const page = await answer.text();
    if (isInUse()) {
      notify(activity().dataset.fresh);
    } else {
      show(page);
    }
  }
}

function notify(text) {
  const line = document.getElementById("fresh");
  if (line.textContent !== text) {
    line.textContent = text;
  }
}

function addButton() {
  const tools = activity().querySelector(".tools");
  const button = document.createElement("button");
  button.type = "button";
  button.id = "pause";
  button.className = "secondary";
  button.textContent = paused ? activity().dataset.resume : activity().dataset.pause;
  button.addEventListener("click", () => {
    paused = !paused;
    button.textContent = paused ? activity().dataset.resume : activity().dataset.pause;
  });
  const line = document.createElement("span");
  line.id = "fresh";
  line.className = "fine";
  line.setAttribute("role", "status");
  tools.append(button, line);
}

async function updateRepeatedly() {
  try {
    await update();
  } catch {
    // The tenant does not answer. It may be restarting.
  }
  setTimeout(updateRepeatedly, EVERY_MILLISECONDS);
}

addButton();
updateRepeatedly();
