// Reads a form's QR code with the camera, where the browser itself can; without it the box works as before.
"use strict";
(function () {
  var part = document.getElementById("camera"), box = document.getElementById("form");
  var devices = navigator.mediaDevices;
  if (!part || !box || !window.BarcodeDetector || !devices || !devices.getUserMedia) { return; }
  var button = part.querySelector("button"), label = button.textContent, video = null;

  BarcodeDetector.getSupportedFormats().then(function (formats) {
    if (formats.indexOf("qr_code") >= 0) { part.hidden = false; }
  }).catch(function () {});

  function stop() {
    if (!video) { return; }
    video.srcObject.getTracks().forEach(function (track) { track.stop(); });
    video.remove();
    video = null;
    button.textContent = label;
  }

  function look(detector) {
    if (!video) { return; }
    detector.detect(video).then(function (codes) {
      if (!video) { return; }
      if (!codes.length) { return setTimeout(look, 150, detector); }
      box.value = codes[0].rawValue;
      stop();
      box.form.requestSubmit();
    }, function () { setTimeout(look, 150, detector); });
  }

  button.addEventListener("click", function () {
    if (video) { return stop(); }
    devices.getUserMedia({ video: { facingMode: "environment" } }).then(function (stream) {
      video = document.createElement("video");
      video.className = "camera";
      video.muted = video.playsInline = true;
      video.srcObject = stream;
      part.appendChild(video);
      button.textContent = part.dataset.stop;
      return video.play().then(function () { look(new BarcodeDetector({ formats: ["qr_code"] })); });
    }).catch(function () {
      stop();
      part.hidden = true;
      box.setAttribute("placeholder", part.dataset.away);
      box.focus();
    });
  });
  window.addEventListener("pagehide", stop);
})();
