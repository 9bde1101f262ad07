/* Tuppence: shows a newsroom's banner or appeal where this script stands. It asks only the address
   it came from, sets no cookie, touches nothing else on the page, and leaves it as it is when there
   is no answer. */
(function () {
  "use strict";
  var script = document.currentScript;
  if (!script || !script.parentNode || script.parentNode.nodeName === "HEAD") return;
  if (typeof fetch !== "function" || !script.attachShadow) return;
  var origin = {{ origin|tojson }};
  var styles = ":host{all:initial;display:block;margin:1.5em 0}" + {{ styles|tojson }};

  var kinds = {{ referrers|tojson }};

  function cameFrom() {
    // What kind of site led here. Its name stays in this browser.
    var host = "";
    if (!document.referrer) return "direct";
    try { host = new URL(document.referrer).hostname; } catch (error) { return "sites"; }
    if (host === location.hostname) return "inside";
    var found = kinds.filter(function (kind) { return new RegExp(kind[1]).test(host); });
    return found.length ? found[0][0] : "sites";
  }

  function query() {
    var words = "";
    ["part", "lang", "article", "campaign", "variant", "referrer"].forEach(function (name) {
      var value = name === "referrer" ? cameFrom() : script.getAttribute("data-" + name);
      if (name === "lang" && !value) value = document.documentElement.lang;
      if (value) words += (words ? "&" : "?") + name + "=" + encodeURIComponent(value);
    });
    return words;
  }

  function count(host) {
    // Once, when it comes into view. Nothing is sent along but the words of the address.
    function tell() {
      fetch(origin + "/embed/shown" + query(), {
        method: "POST", mode: "no-cors", credentials: "omit", referrerPolicy: "no-referrer",
        keepalive: true
      }).catch(function () {});
    }
    if (typeof IntersectionObserver !== "function") return tell();
    new IntersectionObserver(function (entries, watcher) {
      if (!entries.some(function (entry) { return entry.isIntersecting; })) return;
      watcher.disconnect();
      tell();
    }, { threshold: 0.5 }).observe(host);
  }

  function dress(root) {
    try {
      // A page's own policy may forbid style elements; a constructed sheet is not one.
      var sheet = new CSSStyleSheet();
      sheet.replaceSync(styles);
      root.adoptedStyleSheets = [sheet];
    } catch (error) {
      var element = document.createElement("style");
      element.textContent = styles;
      root.appendChild(element);
    }
  }

  function show(answer) {
    if (!answer || typeof answer.html !== "string" || !script.parentNode) return;
    var host = document.createElement("div");
    host.setAttribute("lang", answer.lang);
    var root = host.attachShadow({ mode: "open" });
    var content = document.createElement("div");
    content.innerHTML = answer.html;
    root.appendChild(content);
    dress(root);
    script.parentNode.insertBefore(host, script.nextSibling);
    count(host);
  }

  fetch(origin + "/embed/appeal.json" + query(), {
    mode: "cors", credentials: "omit", referrerPolicy: "no-referrer"
  }).then(function (response) {
    return response.ok ? response.json() : null;
  }).then(show).catch(function () {});
})();
