// Clears the page when its session ends: by signing out in any tab of this browser, or as the live updates say.
"use strict";
(function () {
  var body = document.body;
  if (!body.dataset.ended) { return; }
  var tabs = window.BroadcastChannel ? new BroadcastChannel("session") : null;

  function clear() {
    var main = document.getElementById("main");
    if (!body.dataset.ended) { return; }
    var message = document.createElement("p");
    message.textContent = body.dataset.ended;
    var link = document.createElement("a");
    link.className = "button";
    link.href = "/sign-in";
    link.textContent = body.dataset.signIn;
    var sheet = document.createElement("section");
    sheet.className = "sheet message";
    sheet.append(message, link);
    Array.prototype.forEach.call(document.querySelectorAll("[data-of-session]"), function (part) { part.remove(); });
    main.replaceChildren(sheet);
    document.title = body.dataset.ended;
    delete body.dataset.ended;
    main.focus();
  }

  document.addEventListener("session-ended", clear);
  if (tabs) { tabs.onmessage = clear; }
  // Also if the server does not answer: who signs out leaves.
  document.addEventListener("submit", function (event) {
    if (tabs && event.target.getAttribute("action") === "/sign-out") { tabs.postMessage("ended"); }
  });
})();
