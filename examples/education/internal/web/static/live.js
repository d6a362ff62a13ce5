// The page works without this. With it, the page follows what happens, says at
// once when a file is too large, and takes files that are dropped on it.
"use strict";

const part = document.querySelector("[data-live]");

// refresh puts the part of the page that changes in place of the old one.
let running = false, again = false;
async function refresh() {
  if (running) { again = true; return; }
  running = true;
  let away = false;
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    away = answer.status === 503; // a service is down, and the list of before better than none
    if (answer.ok) {
      const fresh = page.querySelector("[data-live]");
      const reading = part.contains(document.activeElement) || part.querySelector("details[open], audio") || String(getSelection());
      if (fresh && !reading && fresh.innerHTML !== part.innerHTML) part.replaceChildren(...fresh.childNodes);
    }
    const services = page.querySelector(".services");
    if (services) document.querySelector(".services").replaceWith(services);
  } catch {
    // The server is away. The event source says when it is back.
  }
  running = false;
  if (again || away || unsettled()) later(again ? 300 : 1000);
  again = false;
}

// unsettled tells that the page shows something on its way. The page may be told
// of a change before it can be read.
function unsettled() {
  return part.querySelector(".status:not(.published):not(.failed), [data-pending]");
}

let timer;
function later(ms) {
  clearTimeout(timer);
  timer = setTimeout(refresh, ms);
}

// Only a page that is looked at is told of changes: browsers allow few
// connections to one server, over all of its pages.
let changes;
function listen() {
  if (changes) changes.close();
  changes = null;
  if (document.hidden) return;
  changes = new EventSource("/changes");
  changes.onmessage = () => later(150);
  changes.onopen = () => later(500);
}

if (part) {
  listen();
  if (unsettled()) later(1000);
  document.addEventListener("visibilitychange", listen);
  addEventListener("pagehide", () => { if (changes) changes.close(); });
  addEventListener("pageshow", event => { if (event.persisted) listen(); });
}

const upload = document.querySelector("form.upload");
if (upload) {
  const input = upload.querySelector("input"), note = upload.querySelector(".note"), button = upload.querySelector("button");
  const most = Number(upload.dataset.maxSize);
  const check = () => {
    const large = [...input.files].filter(file => file.size > most).map(file => file.name);
    note.textContent = large.length ? "Too large, and will fail: " + large.join(", ") : "";
  };
  input.addEventListener("change", check);
  upload.addEventListener("submit", () => {
    button.disabled = true;
    note.textContent = "Uploading…";
  });
  addEventListener("pageshow", () => { button.disabled = false; check(); });
  upload.addEventListener("dragover", event => { event.preventDefault(); upload.classList.add("over"); });
  upload.addEventListener("dragleave", () => upload.classList.remove("over"));
  upload.addEventListener("drop", event => {
    event.preventDefault();
    upload.classList.remove("over");
    input.files = event.dataTransfer.files;
    check();
  });
}
