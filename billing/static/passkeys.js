/* Asks the browser for a passkey: the one thing on staff pages that no form can do.
   A form with data-passkey="create" or "get" fetches what to ask for from data-options, has the
   browser ask, and sends the answer in its field "answer", as any form is sent. */
"use strict";

function decoded(text) {
  const base64 = text.replace(/-/g, "+").replace(/_/g, "/");
  return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
}

function encoded(buffer) {
  const letters = Array.from(new Uint8Array(buffer), (byte) => String.fromCharCode(byte)).join("");
  return btoa(letters).replace(/\+/g, "-").replace(/\//g, "_").replace(/=/g, "");
}

function readOptions(options) {
  const read = { ...options, challenge: decoded(options.challenge) };
  if (options.user) read.user = { ...options.user, id: decoded(options.user.id) };
  for (const name of ["allowCredentials", "excludeCredentials"]) {
    if (options[name]) read[name] = options[name].map((each) => ({ ...each, id: decoded(each.id) }));
  }
  return read;
}

function written(credential) {
  const response = {};
  for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (credential.response[name]) response[name] = encoded(credential.response[name]);
  }
  const id = encoded(credential.rawId);
  return JSON.stringify({ id, rawId: id, type: credential.type, response, clientExtensionResults: {} });
}

function say(form, text) {
  const place = form.querySelector(".passkey__said");
  place.textContent = text;
  place.hidden = !text;
}

function words(form, name) {
  return form.querySelector(`template[data-say="${name}"]`).content.textContent;
}

/** Which of the prepared words fits what went wrong. */
function reason(error) {
  return { NotAllowedError: "cancelled", AbortError: "cancelled", InvalidStateError: "known", SecurityError: "address" }[error.name] || "failed";
}

async function ask(form) {
  const asked = await fetch(form.dataset.options, { method: "POST", body: new FormData(form) });
  if (asked.redirected) {
    location.assign(asked.url);
    return false;
  }
  const options = await asked.json();
  if (!asked.ok) {
    say(form, options.problem || words(form, "failed"));
    return false;
  }
  const publicKey = readOptions(options);
  const credential = await navigator.credentials[form.dataset.passkey]({ publicKey });
  form.elements.answer.value = written(credential);
  return true;
}

async function send(event) {
  event.preventDefault();
  const form = event.currentTarget;
  const button = form.querySelector("button[type=submit]");
  if (button.disabled) return;
  button.disabled = true;
  say(form, "");
  try {
    if (await ask(form)) {
      form.submit();
      return;
    }
  } catch (error) {
    say(form, words(form, reason(error)));
  }
  button.disabled = false;
}

function prepare(form) {
  const button = form.querySelector("button[type=submit]");
  form.querySelector(".passkey__needs").hidden = true;
  if (location.origin !== form.dataset.origin) say(form, words(form, "elsewhere"));
  else if (!window.isSecureContext) say(form, words(form, "address"));
  else if (!window.PublicKeyCredential) say(form, words(form, "unsupported"));
  else button.disabled = false;
  form.addEventListener("submit", send);
}

window.addEventListener("pageshow", () => document.querySelectorAll("form[data-passkey]").forEach(prepare));
