"use strict";
(function () {
  var form = document.getElementById("leave");
  if (form) { form.submit(); }
})();
