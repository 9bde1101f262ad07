/* Shows how far a download is. A form with data-download="file name" is sent in the background, its
   answer's lines are counted against data-rows, and the file is kept only when it came whole.
   Without this script the form's answer is an ordinary download. */
"use strict";

const NEW_LINE = 10;

function say(form, name, values = {}) {
  const text = name ? form.querySelector(`template[data-say="${name}"]`).content.textContent : "";
  form.querySelector(".download__said").textContent = text.replace(/\{(\w+)\}/g, (_, each) => values[each]);
}

const number = (value) => value.toLocaleString("en");

function lines(bytes) {
  let found = 0;
  for (let place = bytes.indexOf(NEW_LINE); place >= 0; place = bytes.indexOf(NEW_LINE, place + 1)) found += 1;
  return found;
}

function show(form, rows, all) {
  const bar = form.querySelector("progress");
  if (all) {
    bar.max = all;
    bar.value = Math.min(rows, all);
  }
  if (Date.now() - (form.saidAt || 0) < 2000) return;
  form.saidAt = Date.now();
  say(form, all ? "of" : "going", { rows: number(rows), all: number(all) });
}

/** The pieces of the answer, with how many rows are in them below the line of names. */
async function read(form, answer) {
  const all = Number(form.dataset.rows || 0);
  const pieces = [];
  let rows = -1;
  for (let reader = answer.body.getReader(), piece; !(piece = await reader.read()).done; ) {
    pieces.push(piece.value);
    rows += lines(piece.value);
    show(form, Math.max(0, rows), all);
  }
  const file = new Blob(pieces, { type: "text/csv" });
  const end = await file.slice(-200).text();
  return { file, rows, whole: !/(^|\n)INCOMPLETE/.test(end) };
}

function keep(file, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

async function fetched(form, signal) {
  const answer = await fetch(form.action, { method: "POST", body: new FormData(form), signal });
  if (answer.redirected) return location.assign(answer.url);
  if (answer.status === 503) return say(form, "busy");
  if (!answer.ok) return say(form, "failed");
  const { file, rows, whole } = await read(form, answer);
  const said = { rows: number(Math.max(0, whole ? rows : rows - 1)), name: form.dataset.download };
  if (!whole) return say(form, "cut", said);
  keep(file, form.dataset.download);
  return say(form, "done", said);
}

async function send(event) {
  event.preventDefault();
  const form = event.currentTarget;
  const [button, stop, bar] = ["[type=submit]", "[data-cancel]", "progress"].map((each) => form.querySelector(each));
  if (button.disabled) return;
  const stopping = new AbortController();
  stop.onclick = () => stopping.abort();
  button.disabled = true;
  stop.hidden = bar.hidden = false;
  bar.removeAttribute("value");
  stop.focus();
  try {
    await fetched(form, stopping.signal);
  } catch (error) {
    if (error.name === "AbortError") say(form, "stopped");
    else say(form, "cut", { rows: "some" });
  }
  button.disabled = false;
  stop.hidden = bar.hidden = true;
  button.focus();
}

document.querySelectorAll("form[data-download]").forEach((form) => form.addEventListener("submit", send));
