// Reads the progress of a long work again until it is done; then the page, which has the result.
"use strict";
(function () {
  var part = document.getElementById("progress");
  if (!part || !window.fetch || !window.DOMParser) { return; }

  function again() {
    fetch(location.href, { credentials: "same-origin" }).then(function (answer) {
      if (!answer.ok || answer.redirected) { return location.reload(); }
      return answer.text().then(function (text) {
        var now = new DOMParser().parseFromString(text, "text/html").getElementById("progress");
        if (!now || !now.dataset.againS) { return location.reload(); }
        part.replaceChildren.apply(part, Array.from(now.childNodes));
        wait();
      });
    }).catch(wait);
  }

  function wait() { setTimeout(again, 1000 * Number(part.dataset.againS)); }
  if (part.dataset.againS) { wait(); }
})();
