# Every command of this repository; CI calls the same ones. Works with GNU make 3.81 and newer.
.DEFAULT_GOAL := help
PYTHON ?= python3

# uv uses the interpreter that was asked for and never fetches another one.
export UV_PYTHON := $(PYTHON)
export UV_PYTHON_DOWNLOADS := never

# No cache inside the template's folder: it would be copied into generated services.
export RUFF_CACHE_DIR := $(CURDIR)/.ruff_cache

PYTHON_FOUND := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2], sys.version_info >= (3, 11))' 2>/dev/null || echo missing False)
ifneq ($(filter-out help clean,$(MAKECMDGOALS)),)
ifneq ($(lastword $(PYTHON_FOUND)),True)
$(error Python 3.11 or newer is needed and $(PYTHON) is $(firstword $(PYTHON_FOUND)): install one or name it, as in `make $(firstword $(MAKECMDGOALS)) PYTHON=python3.12`)
endif
endif

# A machine without uv, or with one before 0.6, which would rewrite uv.lock, gets a private copy beside this file.
ifeq ($(shell uv --version 2>/dev/null | awk '{ split($$2, part, "."); print (part[1] > 0 || part[2] >= 6) }'),1)
UV := uv
else
UV := .uv/bin/uv
PRIVATE_UV := .uv/bin/uv
export PATH := $(CURDIR)/.uv/bin:$(PATH)
endif

# The default answers, whatever the person's own cookiecutter configuration says.
GENERATE = $(UV) tool run --from 'cookiecutter>=2.7.1,<3' cookiecutter . --no-input --default-config --output-dir

# Say which leg of a long command begins, and after how many seconds.
BEGUN := $(shell date +%s)
leg = @echo "[$(1)] $$(($$(date +%s) - $(BEGUN))) s  $(2)"

.PHONY: help setup demo test suite lint format ruler bench bench-quick bench-layers bench-observed pictures image bench-image lab clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

.uv/bin/uv:
	@echo "uv is missing or older than 0.6: installing a private copy into .uv/"
	@rm -rf .uv
	@$(PYTHON) -m venv .uv
	@.uv/bin/python -m pip install --quiet --disable-pip-version-check 'uv>=0.13.8,<1'

setup: $(PRIVATE_UV) ## install what the template's own tests need
	$(UV) sync

demo: $(PRIVATE_UV) ## generate a service with jobs, and else the default answers, and run it until Ctrl-C; each leg has its seconds
	$(call leg,1/3,generating a service into .build/demo/)
	@rm -rf .build/demo
	@$(GENERATE) .build/demo jobs=yes >/dev/null
	$(call leg,2/3,installing its packages)
	@$(UV) sync --quiet --directory .build/demo/*
	$(call leg,3/3,running it: the same as 'make run' in its folder)
	@$(MAKE) --no-print-directory -C .build/demo/* run

test: $(PRIVATE_UV) lint ## run every test: the template's, and a generated service's own inside
	$(UV) run pytest

suite: $(PRIVATE_UV) ## run a generated service's own checks, as in `make suite PYTHON=python3.13 answers="example=no"`
	@rm -rf .build/suite
	@$(GENERATE) .build/suite $(answers) >/dev/null
	@$(MAKE) --no-print-directory -C .build/suite/* $(or $(checks),check)

lint: $(PRIVATE_UV) ## check the style and the types of the hooks and the tests
	$(UV) run ruff format --check .
	$(UV) run ruff check .
	$(UV) run mypy

format: $(PRIVATE_UV) ## rewrite all Python, the template's too, in the one style
	$(UV) run ruff format .
	$(UV) run ruff check --fix .

ruler: $(PRIVATE_UV) ## measure the template against its targets
	$(UV) run python -m tests.ruler

bench: $(PRIVATE_UV) ## measure a generated service beside baselines that do the same work; needs wrk
	@$(UV) run python -m benchmarks

bench-quick: $(PRIVATE_UV) ## the benchmarks in under three minutes, less steady
	@$(UV) run python -m benchmarks --quick

bench-layers: $(PRIVATE_UV) ## measure the cost of each layer of a read, into docs/performance.md
	@$(UV) run python -m benchmarks layers

bench-observed: $(PRIVATE_UV) ## measure the cost of timings, metrics and traces, into docs/performance.md
	@$(UV) run python -m benchmarks observed

pictures: $(PRIVATE_UV) ## draw the pictures of the documents into docs/pictures/
	@$(UV) run python -m pictures

image: $(PRIVATE_UV) ## build the image of a service and run it hardened; needs root, podman, runc and mmdebstrap
	IMAGE_TESTS=1 $(UV) run pytest -n0 tests/test_image.py

bench-image: $(PRIVATE_UV) ## build the image of a service twice, and compare the two; needs what `make image` needs
	IMAGE_TESTS=1 IMAGE_TWICE=1 $(UV) run pytest -n0 tests/test_image.py -k two_builds

lab: $(PRIVATE_UV) ## show in a minute, with plots, what blocks an event loop and what does not
	@$(UV) run python -m lab

clean: ## remove all that the other targets made
	rm -rf .build .venv .uv uv.lock .mypy_cache .ruff_cache .pytest_cache
