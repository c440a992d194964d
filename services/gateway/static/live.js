// Live updates: the server sends the whole rendered state, and only the parts that differ are replaced.
"use strict";
(function () {
  var live = document.getElementById("live");
  if (!live || !live.dataset.stream || !window.EventSource || !window.DOMParser) { return; }
  var notice = document.getElementById("notice");
  var announcements = document.getElementById("announcements");
  var source = null;
  var lastState = new Date();
  var lostTimer = 0;
  var over = false;
  var paused = false;
  // A page that never held any data has nothing that could be old.
  var empty = live.hasAttribute("data-away");

  // On campus.
  function clock(date) {
    return new Date(date.getTime() + live.dataset.offset * 60000).toISOString().slice(11, 16);
  }

  function showNotice(template, at) {
    notice.textContent = template.replace("{at}", at);
    notice.hidden = false;
    live.classList.add("is-old");
  }

  function hideNotice() {
    notice.hidden = true;
    live.classList.remove("is-old");
  }

  // Announced are changes of the verdict or the facts; a newer time alone is replaced silently.
  function markChange(part, fresh) {
    var turned = part.dataset.state !== fresh.dataset.state;
    if (!part.dataset.state || (!turned && part.dataset.facts === fresh.dataset.facts)) { return ""; }
    var spoken = turned ? fresh.dataset.turned : fresh.dataset.updated;
    var note = document.createElement("p");
    note.className = "just-now";
    note.textContent = live.dataset.justNow + (fresh.dataset.cause ? " · " + fresh.dataset.cause : "");
    var body = fresh.querySelector(".line-body");
    if (body) { body.insertBefore(note, body.firstChild); }
    fresh.classList.add("turned");
    return spoken;
  }

  // Seen and read out: what turned, with a link to it. It stays for a while, and as long as the focus is in it.
  var toastTimer = 0;
  function toast(words, part) {
    window.clearTimeout(toastTimer);
    var text = document.createElement("span");
    text.textContent = words;
    var link = document.createElement("a");
    link.href = "#" + part.id;
    link.textContent = live.dataset.look;
    var close = document.createElement("button");
    close.type = "button";
    close.textContent = "×";
    close.setAttribute("aria-label", live.dataset.close);
    close.addEventListener("click", hideToast);
    link.addEventListener("click", hideToast);
    var shape = part.querySelector(".verdict .shape");
    announcements.replaceChildren(text, link, close);
    if (shape) { announcements.insertBefore(shape.cloneNode(true), text); }
    toastTimer = window.setTimeout(expire, 15000);
  }

  function hideToast() {
    window.clearTimeout(toastTimer);
    announcements.replaceChildren();
  }

  function expire() {
    if (announcements.matches(":hover, :focus-within")) {
      toastTimer = window.setTimeout(expire, 5000);
    } else {
      hideToast();
    }
  }

  function counterpart(active, fresh) {
    var href = active.getAttribute("href");
    return active.tagName === "SUMMARY" ? fresh.querySelector("summary")
      : href ? fresh.querySelector('a[href="' + href + '"]') : null;
  }

  function names(parts) {
    return Array.prototype.map.call(parts, function (part) { return part.id; }).join(" ");
  }

  // The basics have no mark: they show all that they are made from.
  function isSame(part, fresh) {
    return part.dataset.mark ? part.dataset.mark === fresh.dataset.mark : part.textContent === fresh.textContent;
  }

  function replaceParts(html) {
    var next = new DOMParser().parseFromString(html, "text/html");
    var spoken = [];
    var turnedPart = null;
    // Who waits for the end of the round is shown it.
    if (live.querySelector('[data-tone="asked"]') && next.querySelector('[data-tone="done"], [data-tone="caution"]')) {
      window.location.assign(live.dataset.done);
    }
    var applied = document.querySelector(".applied");
    var part = next.querySelector("[data-day]");
    applied.hidden = !part;
    if (part) { applied.lastChild.textContent = part.dataset.day; }
    var parts = next.querySelectorAll("[data-part]");
    var known = live.querySelectorAll("[data-part]");
    if (names(parts) !== names(known)) {
      live.replaceChildren.apply(live, Array.prototype.slice.call(next.body.childNodes));
      return;
    }
    Array.prototype.forEach.call(parts, function (fresh) {
      var part = document.getElementById(fresh.id);
      if (isSame(part, fresh)) { return; }
      var opened = part.querySelector("details[open]") !== null;
      var active = part.contains(document.activeElement) ? document.activeElement : null;
      var words = markChange(part, fresh);
      // What gets shorter keeps its room: the lines below stay under the eye.
      if (part.dataset.tone) { fresh.style.minHeight = part.getBoundingClientRect().height + "px"; }
      part.replaceWith(fresh);
      if (opened && fresh.querySelector("details")) { fresh.querySelector("details").open = true; }
      if (active) {
        var again = counterpart(active, fresh) || fresh;
        if (again === fresh) { fresh.tabIndex = -1; }
        again.focus({ preventScroll: true });
      }
      if (words) {
        spoken.push(words);
        turnedPart = fresh;
      }
    });
    if (spoken.length) { toast(spoken.join(" "), turnedPart); }
  }

  function heard() {
    window.clearTimeout(lostTimer);
    lostTimer = 0;
  }

  function later(act) {
    window.setTimeout(act, 2000 + Math.random() * 3000);
  }

  function connect() {
    paused = false;
    source = new EventSource(live.dataset.stream);
    source.addEventListener("state", function (event) {
      heard();
      lastState = new Date();
      empty = false;
      hideNotice();
      replaceParts(JSON.parse(event.data).html);
    });
    source.addEventListener("unread", function (event) {
      heard();
      if (!empty) { showNotice(live.dataset.unread, JSON.parse(event.data).since); }
    });
    source.addEventListener("ended", function () {
      over = true;
      heard();
      source.close();
      document.dispatchEvent(new Event("session-ended"));
    });
    source.addEventListener("paused", function () {
      heard();
      paused = true;
      source.close();
      showNotice(live.dataset.paused, clock(lastState));
      if (document.hasFocus()) { later(resume); }
    });
    source.addEventListener("error", function () {
      if (over) { return; }
      if (!lostTimer) {
        lostTimer = window.setTimeout(function () { showNotice(live.dataset.lost, clock(lastState)); }, 4000);
      }
      // Browsers give up after a response that is no stream (a proxy's 502, a 503).
      if (source.readyState === 2) {
        source.close();
        later(connect);
      }
    });
  }

  function resume() {
    if (!paused || over || document.hidden) { return; }
    connect();
  }

  window.addEventListener("focus", resume);
  document.addEventListener("visibilitychange", resume);
  window.addEventListener("pagehide", function () { if (source) { source.close(); } });
  window.addEventListener("pageshow", function (event) { if (event.persisted && !over) { connect(); } });
  connect();
})();
