#!/bin/sh
# A browser for the browser tests: one that is there, else Debian's, when we may install it. Never fails: a test that
# finds no browser says so itself.
set -eu

for program in chromium-headless-shell chromium chromium-browser google-chrome google-chrome-stable; do
    if command -v "$program" >/dev/null 2>&1; then
        found=$program
        break
    fi
done
fonts() { command -v fc-list >/dev/null 2>&1 && fc-list ':lang=zh-cn' family 2>/dev/null | grep -q .; }

[ -n "${LIXIAO_CHROMIUM:-}" ] && exit 0
if [ -n "${found:-}" ] && fonts; then exit 0; fi

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "Installing a browser and Chinese fonts for the browser tests: chromium-headless-shell, fonts-noto-cjk (160 MB)."
    export DEBIAN_FRONTEND=noninteractive
    log=${TMPDIR:-/tmp}/lixiao-browser-$$.log
    install() { apt-get install -y -q --no-install-recommends chromium-headless-shell fonts-noto-cjk fontconfig; }
    if { apt-get update -q && install; } >"$log" 2>&1; then
        rm -f "$log"
        exit 0
    fi
    tail -3 "$log"
    echo "The browser could not be installed (whole log: $log)."
fi
echo "No Chromium with Chinese fonts here: browser tests are left out. apt install chromium fonts-noto-cjk, or set LIXIAO_CHROMIUM."
