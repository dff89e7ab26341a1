# Écluse. `make` alone says what there is.
SHELL := /bin/bash
PYTHON ?= $(firstword $(foreach name,python3 python3.13 python3.12 python3.11,$(shell \
	$(name) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null \
	&& command -v $(name))))
TOOLS := .ecluse/tools
UV := $(shell command -v uv || echo $(TOOLS)/bin/uv)
BIN := .venv/bin
INSTALLED := .venv/.installed
ARGS ?=
# A city's own certificate authority is in the system's store, if there is one.
ifneq ($(wildcard /etc/ssl/certs/ca-certificates.crt),)
export UV_SYSTEM_CERTS ?= true
endif
# Without what Python keeps of a compilation each process that a test starts compiles all it imports: 5 s.
unexport PYTHONDONTWRITEBYTECODE
# Tests of one file run in one process, in the files' order; each process has servers of its own.
JOBS ?= 2
BESIDE := -n $(JOBS) --dist loadfile --no-loadscope-reorder
LOCKS := ingest sql anonymize convert publish notify store local dev

.DEFAULT_GOAL := help
.PHONY: help install demo test test-faults test-portals test-browser test-office test-java servers unit lint lock reference bench audit clean

help: ## What there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

install: $(INSTALLED) ## Écluse and all it needs, into .venv

$(INSTALLED): requirements/dev.txt requirements/build.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 is missing: install it, or name one: make PYTHON=…" >&2; exit 2; }
	@test -x "$(UV)" || $(PYTHON) -m pip --version > /dev/null || { echo "pip is missing: install it (python3-pip), or uv" >&2; exit 2; }
	@test -x "$(UV)" || $(PYTHON) -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --require-hashes \
		--target $(TOOLS) -r requirements/uv.txt
	@test -x $(BIN)/python || $(UV) venv --quiet --python $(PYTHON) .venv
	@$(UV) pip sync --quiet --python $(BIN)/python --require-hashes requirements/dev.txt requirements/build.txt
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $(INSTALLED)

demo: install ## A sample city on this machine: Kafka, PostgreSQL, the services, a portal (ARGS=--once: check and stop)
	@$(BIN)/python -m deploy.demo $(ARGS)

test: install servers lint ## Linters, types, contracts, and every test on a real Kafka, PostgreSQL and MinIO
	@$(BIN)/python -m pytest -q $(BESIDE) --ignore=tests/connected/ckan --ignore=tests/debian $(ARGS)

test-portals: install ## The tests on a real CKAN, which needs Debian packages: installed as root
	@$(BIN)/python -m pytest -q tests/connected/ckan $(ARGS)

test-faults: install servers ## All crash points and all faults, of which `make test` runs a sample: long
	@ECLUSE_TEST_WHOLE=1 $(BIN)/python -m pytest -q $(BESIDE) tests/connected/test_crashes.py tests/connected/test_cut_off.py \
		tests/connected/test_faults.py tests/connected/test_instances.py tests/connected/test_ckan_upload.py \
		tests/connected/test_udata_upload.py $(ARGS)

# A program from Debian's packages: installed where it is missing and can be, else named.
define needs
	@mkdir -p .ecluse
	@command -v $(1) > /dev/null || { test "$$(id -u)" = 0 && command -v apt-get > /dev/null \
		&& { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends \
		-o DPkg::Lock::Timeout=300 $(2); } > .ecluse/apt.log 2>&1; } \
		|| { echo "$(1) is missing and could not be installed: on Debian, apt-get install $(2)" >&2; exit 2; }
endef

test-browser: install ## The portal's map in a real browser (Debian package chromium, installed when missing)
	$(call needs,chromium,chromium)
	@$(BIN)/python -m pytest -q tests/debian/test_browser.py $(ARGS)

test-office: install ## Workbooks in LibreOffice (Debian package libreoffice-calc-nogui, installed when missing)
	$(call needs,soffice,libreoffice-calc-nogui)
	@$(BIN)/python -m pytest -q tests/debian/test_office.py $(ARGS)

test-java: install ## The Java client of docs/sending.md (Debian package default-jdk-headless, installed when missing)
	$(call needs,javac,default-jdk-headless)
	@$(BIN)/python -m pytest -q tests/debian/test_java_client.py $(ARGS)

# The first time servers are built, for minutes: beside linters and the tests that need none.
servers: install
	@mkdir -p .ecluse
	@nice $(BIN)/python -m tests.connected.build_servers > .ecluse/servers.log 2>&1 &

unit: install ## The tests that need no server
	@$(BIN)/python -m pytest -q $(BESIDE) --ignore=tests/connected --ignore=tests/debian $(ARGS)

lint: install ## ruff, mypy, import contracts
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet . || { echo "not formatted: ruff format ." >&2; exit 1; }
	@$(BIN)/mypy
	@PYTHONPATH=. $(BIN)/lint-imports --no-cache > .ecluse/contracts.log || { cat .ecluse/contracts.log; exit 1; }

reference: install ## Writes docs/reference/ anew from the code
	@$(BIN)/python -m ecluse.reference docs/reference

bench: install ## Speed beside its peers, into docs/benchmarks.md (ARGS="chambers pipeline …", --quick)
	@$(BIN)/python -m bench $(ARGS)

lock: install ## Compiles requirements/ anew, with hashes and without addresses
	@for extra in $(LOCKS); do \
		$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
			--no-emit-index-url --no-annotate --extra $$extra pyproject.toml -o requirements/$$extra.txt; \
	done
	@for name in build uv udata-peer ckan-peer; do \
		$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
			--no-emit-index-url --no-annotate requirements/$$name.in -o requirements/$$name.txt; \
	done

audit: install ## Known vulnerabilities in what is installed (asks the network)
	@$(BIN)/pip-audit --requirement requirements/dev.txt --require-hashes --disable-pip

clean: ## Removes what make made here
	rm -rf .venv .ecluse .mypy_cache .ruff_cache .pytest_cache .hypothesis
